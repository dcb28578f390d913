//! Rows that came live and that no file has given yet, for people.

use crate::store::Ahead;

/// `312 (41 s)`: how many, and how old the oldest is.
pub(super) fn shown(ahead: Option<&Ahead>) -> String {
    ahead.map_or_else(|| "–".to_owned(), |Ahead { rows, age, .. }| format!("{rows} ({})", span(*age)))
}

/// `12 s`, `5 min`, `3 h`, `2 d`.
pub(super) fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} d", s / 86400.0),
    }
}
