//! `deltawave inspect`: a Capture file, for people and for jq.

mod error;
mod file;
mod line;
mod mapped;
mod report;
mod tally;

use std::io::Write as _;
use std::ops::ControlFlow;

use tokio_util::sync::CancellationToken;

pub use error::InspectError;

use self::mapped::Mapped;
use self::report::Report;
use self::tally::Tally;
use crate::capture::{ReadError, ReadLimits, Stop, outline, read_events};
use crate::formats::Decoding;
use crate::service::Exit;
use crate::settings::InspectSettings;
use crate::store::default_table;

/// Prints what is in a file.
///
/// # Errors
/// When it cannot be had or has no header of Avro's, or a table is named whose shape is not known here.
pub async fn inspect(settings: InspectSettings, shutdown: CancellationToken) -> Result<Exit, InspectError> {
    let (name, bytes) = tokio::select! {
        file = file::read(&settings) => file?,
        () = shutdown.cancelled() => return Err(InspectError::Interrupted),
    };
    let shown = tokio::task::spawn_blocking(move || show(&settings, &name, &bytes));
    match tokio::select! { shown = shown => shown, () = shutdown.cancelled() => return Err(InspectError::Interrupted) }
    {
        Ok(shown) => shown,
        Err(_) => Err(InspectError::Broken),
    }
}

fn show(settings: &InspectSettings, name: &str, bytes: &[u8]) -> Result<Exit, InspectError> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let ended = if settings.json { lines(bytes, &mut out) } else { report(settings, name, bytes, &mut out)? };
    // Nobody may be there to read it.
    let _ = out.flush();
    match ended {
        Some(error) => Err(InspectError::Damaged { file: name.to_owned(), reason: error.to_string() }),
        None => Ok(Exit::Done),
    }
}

/// Every record on a line of its own, and why there are no more of them, if they are not all.
fn lines(bytes: &[u8], out: &mut impl std::io::Write) -> Option<ReadError> {
    let read = read_events(bytes, ReadLimits::default(), |event| match writeln!(out, "{}", line::json(&event)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(Stop::Enough),
    });
    read.err()
}

fn report(
    settings: &InspectSettings,
    name: &str,
    bytes: &[u8],
    out: &mut impl std::io::Write,
) -> Result<Option<ReadError>, InspectError> {
    let damaged = |error: ReadError| InspectError::Damaged { file: name.to_owned(), reason: error.to_string() };
    let (outline, _) = outline(bytes).map_err(damaged)?;
    let mut mapped = match &settings.table {
        None => None,
        Some(table) => {
            let table = default_table(table, &[]).ok_or_else(|| InspectError::UnknownTable(table.clone()))??;
            Some(Mapped::new(&table, &Decoding::of(settings.format)))
        }
    };
    let mut tally = Tally::new(settings.records);
    let read = read_events(bytes, ReadLimits::default(), |event| {
        tally.add(&event);
        if let Some(mapped) = &mut mapped {
            mapped.add(&event);
        }
        ControlFlow::Continue(())
    });
    let ended = read.err();
    let report = Report { name, bytes: bytes.len() as u64, outline, tally, mapped, damage: ended.as_ref() };
    let _ = write!(out, "{report}");
    Ok(ended)
}
