use std::collections::BTreeMap;
use std::fmt;

use super::mapped::Mapped;
use super::tally::{Steps, Tally};
use crate::capture::{Outline, ReadError};

/// Names shown of many.
const SHOWN: usize = 12;

/// A file in a few lines.
pub(super) struct Report<'r> {
    pub(super) name: &'r str,
    pub(super) bytes: u64,
    pub(super) outline: Outline,
    pub(super) tally: Tally,
    pub(super) mapped: Option<Mapped>,
    pub(super) damage: Option<&'r ReadError>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { name, bytes, outline, tally, mapped, damage } = self;
        writeln!(f, "file        {name}, {}", size(*bytes))?;
        let fields: Vec<_> = outline.fields.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        writeln!(f, "schema      {}: {}", outline.record, fields.join(", "))?;
        writeln!(f, "codec       {}", outline.codec)?;
        match outline.blocks {
            0 => writeln!(f, "blocks      none: a window in which nothing came")?,
            blocks => writeln!(
                f,
                "blocks      {blocks}, of at most {} records and {}",
                outline.most_records,
                size(outline.most_bytes)
            )?,
        }
        write_records(f, tally)?;
        if let Some(error) = damage {
            writeln!(f, "damage      {error}; {} records precede", tally.records)?;
        }
        if let Some(mapped) = mapped {
            write_mapped(f, mapped)?;
        }
        for (title, records) in [("first", &tally.first), ("last", &tally.last.iter().cloned().collect())] {
            for (at, record) in records.iter().enumerate() {
                writeln!(f, "{:<12}{record}", if at == 0 { title } else { "" })?;
            }
        }
        Ok(())
    }
}

fn write_records(f: &mut fmt::Formatter<'_>, tally: &Tally) -> fmt::Result {
    let Some((first, last)) = tally.numbers else { return writeln!(f, "records     none") };
    writeln!(f, "records     {}, sequence numbers {first} to {last}{}", tally.records, steps(&tally.steps))?;
    if let Some((from, until)) = tally.times {
        writeln!(f, "enqueued    {} to {} UTC", from.sql(), until.sql())?;
    }
    if let (count @ 1.., text) = &tally.bad_times {
        writeln!(f, "enqueued    {count} times that are none, the first {text:?}")?;
    }
    let kinds: Vec<_> = tally.bodies.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let (least, most) = (tally.sizes.least.unwrap_or(0), tally.sizes.most);
    let mean = tally.sizes.total / tally.records.max(1);
    writeln!(f, "bodies      {}; {least} to {most} bytes, {mean} on average", kinds.join(", "))?;
    let without = match tally.keyless {
        0 => String::new(),
        keyless => format!("; {keyless} records have none"),
    };
    match tally.keys.len() {
        0 => writeln!(f, "keys        none")?,
        keys => writeln!(f, "keys        {keys} different{without}")?,
    }
    for (title, names) in [("properties", &tally.properties), ("system", &tally.system)] {
        if !names.is_empty() {
            writeln!(f, "{title:<12}{}", counted(names))?;
        }
    }
    Ok(())
}

fn steps(steps: &Steps) -> String {
    let mut text = match steps.gaps {
        (0, ..) => ", none left out".to_owned(),
        (_, missing, first) => format!(", {missing} left out, from {first} on"),
    };
    if let (back @ 1.., first) = steps.back {
        text.push_str(&format!(", {back} not above the one before, the first {first}"));
    }
    text
}

fn write_mapped(f: &mut fmt::Formatter<'_>, mapped: &Mapped) -> fmt::Result {
    let Mapped { table, rows, skipped, rejected, reasons, unmapped, .. } = mapped;
    write!(f, "table       {table}: {rows} rows, {rejected} records rejected")?;
    match skipped {
        0 => writeln!(f)?,
        skipped => writeln!(f, ", {skipped} skipped")?,
    }
    reasons.iter().try_for_each(|reason| writeln!(f, "{:<12}{reason}", ""))?;
    if !unmapped.is_empty() {
        writeln!(f, "{:<12}fields without a column: {}", "", counted(unmapped))?;
    }
    Ok(())
}

/// `name (12), other (3), …`
fn counted(names: &BTreeMap<String, u64>) -> String {
    let shown: Vec<_> = names.iter().take(SHOWN).map(|(name, count)| format!("{name} ({count})")).collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// `1.2 MiB`
fn size(bytes: u64) -> String {
    match bytes {
        small if small < 10 << 10 => format!("{small} bytes"),
        some if some < 10 << 20 => format!("{:.1} KiB", some as f64 / 1024.0),
        many => format!("{:.1} MiB", many as f64 / 1_048_576.0),
    }
}
