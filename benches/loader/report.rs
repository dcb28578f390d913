//! What a benchmark found.

use std::fmt;

/// A small table, and whether its targets were met.
#[derive(Debug, Default)]
pub struct Report {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    what: String,
    found: String,
    target: Option<(String, bool)>,
}

impl Report {
    /// Something to know.
    pub fn note(&mut self, what: impl Into<String>, found: impl Into<String>) {
        self.lines.push(Line { what: what.into(), found: found.into(), target: None });
    }

    /// Something that is to be at least so much.
    pub fn at_least(&mut self, what: impl Into<String>, found: f64, target: f64, show: impl Fn(f64) -> String) {
        let target = (format!("at least {}", show(target)), found >= target);
        self.lines.push(Line { what: what.into(), found: show(found), target: Some(target) });
    }

    /// Something that is to be at most so much.
    pub fn at_most(&mut self, what: impl Into<String>, found: f64, target: f64, show: impl Fn(f64) -> String) {
        let target = (format!("at most {}", show(target)), found <= target);
        self.lines.push(Line { what: what.into(), found: show(found), target: Some(target) });
    }

    /// Whether every target was met.
    pub fn passed(&self) -> bool {
        self.lines.iter().all(|line| line.target.as_ref().is_none_or(|(_, met)| *met))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { what, found, target } in &self.lines {
            write!(f, "{what:<44} {found:>22}")?;
            match target {
                Some((target, met)) => writeln!(f, "   {:<4} {target}", if *met { "PASS" } else { "FAIL" })?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

/// `1.23 M/s`, `45 k/s`.
pub fn rate(per_second: f64) -> String {
    match per_second {
        big if big >= 1e6 => format!("{:.2} M/s", big / 1e6),
        small => format!("{:.1} k/s", small / 1e3),
    }
}

/// `1.23`
pub fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

/// `0.123 s`
pub fn seconds(value: f64) -> String {
    format!("{value:.3} s")
}

/// `1.2 %`
pub fn percent(value: f64) -> String {
    format!("{:.1} %", value * 100.0)
}

/// The middle one; the lower of two in the middle.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value that so many percent do not exceed; 0 without values.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}
