use std::time::Duration;

use super::finding::Findings;
use crate::store::Ahead;

/// Rows that wait for too long.
pub(super) fn check(ahead: Option<Ahead>, limit: Duration, findings: &mut Findings<'_>) {
    let Some(Ahead { rows, span, age }) = ahead.filter(|ahead| ahead.age > limit.as_secs_f64()) else { return };
    let text = format!("{rows} rows came live, the first {:.0} min ago, and no file has given them", age / 60.0);
    let cure = "see that Capture is on and writes where the loader reads (--blob, --name-format); until a file has them \
                nothing proves them (--live-unproven)";
    findings.unproven(span, text, cure);
}
