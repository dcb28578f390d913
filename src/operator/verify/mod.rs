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
mod count;
mod error;
mod files;
mod finding;
mod gaps;
mod gone;
mod listing;
mod missing;
mod reading;
mod records;
mod report;

use std::io::Write as _;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::store::{address, connect_current};
use crate::capture::Scope;
use crate::ledger::FileVersion;
use crate::loader::Again;
use crate::service::Exit;
use crate::settings::{AuditSettings, VerifySettings};
pub(super) use check::Depth;
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

/// All finished files of a scope, by their routes, but for those that were pruned, and those that are archived, of which
/// it is told.
///
/// # Errors
/// When the container or the ledger cannot be read.
pub(super) async fn list(
    settings: &VerifySettings,
    scope: &Scope,
    shutdown: &CancellationToken,
) -> Result<Vec<Again>, VerifyError> {
    let Some(container) = check::open_container(settings)? else { return Ok(Vec::new()) };
    let list = async {
        let address = address(&settings.check).await?;
        let store = connect_current(&address, settings.check.give_up, shutdown).await?;
        let mut all = Vec::new();
        for route in &settings.check.routes {
            let pruned = store.session.pruned_files(&route.table, route.hub.name()).await?;
            let is_wanted = |file: &FileVersion| scope.takes(&file.name) && !pruned.contains(&file.blob);
            let listed = listing::list(&container, &settings.name_format, route).await?;
            let mut files = Vec::new();
            let mut archived = 0;
            for listed in listed.values() {
                for (blob, file) in listed {
                    let version = listing::version(listed, &settings.name_format, route, blob);
                    let Some(version) = version.filter(is_wanted) else { continue };
                    if file.archived {
                        archived += 1;
                    } else {
                        files.push(version);
                    }
                }
            }
            if archived > 0 {
                tracing::warn!("{archived} files of {} are archived, and so are not loaded again", route.hub);
            }
            all.push(Again { route: route.clone(), files });
        }
        Ok(all)
    };
    tokio::select! {
        all = list => all,
        () = shutdown.cancelled() => Err(VerifyError::Interrupted),
    }
}
