//! `deltawave verify`: proves that nothing was lost and nothing came twice, or names what was.
//!
//! ```text
//! listing of the container ─┐
//! capture_files ────────────┼─▶ Coverage ─▶ gaps, chunks ─▶ counts of rows and rejected records ─▶ findings ─▶ Report
//! the broker's counters ────┘
//! ```
//!
//! The listing is made before the ledger is read, and the broker is asked after it, so that what moves meanwhile shows
//! as lag and never as a hole. Nothing is written.

mod ahead;
mod check;
mod chosen;
mod count;
mod error;
mod files;
mod finding;
mod gaps;
mod gone;
mod lake;
mod listing;
mod missing;
mod read;
mod reading;
mod records;
mod report;

use std::io::Write as _;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::service::Exit;
use crate::settings::{AuditSettings, VerifySettings};
pub(super) use check::Depth;
pub(super) use chosen::list;
pub use error::VerifyError;
use reading::read_again;
pub(super) use report::Report;

/// After how long what was found is looked at again.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// Checks everything and prints what was found.
///
/// # Errors
/// When something cannot be asked: nothing is proven then.
pub async fn verify(settings: AuditSettings, shutdown: CancellationToken) -> Result<Exit, VerifyError> {
    let AuditSettings { verify, reading } = settings;
    let mut report = examine(&verify, Depth::Findings, &shutdown).await?;
    if let Some(reading) = &reading {
        read_again(&verify, reading, &mut report, &shutdown).await?;
    }
    let text = if verify.json { format!("{:#}", report.json()) } else { report.to_string() };
    // Nobody may be there to read it; the exit code says it all the same.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
    Ok(report.exit())
}

/// Checks everything, a second time if something is amiss: a loader at work changes what is looked at while it is looked
/// at; what is broken stays so.
///
/// # Errors
/// When something cannot be asked: nothing is proven then.
pub(super) async fn examine(
    settings: &VerifySettings,
    depth: Depth,
    shutdown: &CancellationToken,
) -> Result<Report, VerifyError> {
    let look_twice = async {
        let report = check::check(settings, depth, shutdown).await?;
        if report.exit() == Exit::Done {
            return Ok(report);
        }
        tokio::time::sleep(SECOND_LOOK).await;
        check::check(settings, depth, shutdown).await
    };
    tokio::select! {
        report = look_twice => report,
        () = shutdown.cancelled() => Err(VerifyError::Interrupted),
    }
}
