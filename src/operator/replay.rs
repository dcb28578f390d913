//! `deltawave replay`: loads Capture files again, and proves what is there then.
//!
//! ```text
//! verify ─▶ files whose rows or ledger rows lack ┐           ┌─▶ what fits now leaves rejected_events
//! listing ─▶ all files of a scope ───────────────┼─▶ loader ─┴─▶ what was forgotten is deleted again ─▶ verify ─▶ report
//! rejected_events ─▶ those that have some of it ─┘
//! ```

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::progress::Ongoing;
use super::prune::forget_again;
use super::rejected::{only_rejected, take_out};
use super::store::{address, connect_current};
use super::verify::{Depth, Report, VerifyError, examine, list};
use crate::loader::{Again, Counts, LoadError, Progress, load_again};
use crate::service::Exit;
use crate::settings::{Pick, ReplaySettings};
use crate::store::Session;

/// Why files were not loaded again, or not proven afterwards.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be told which files lack.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The files cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// How often it is told how far loading is.
const TICK: Duration = Duration::from_millis(500);

/// Loads the chosen files again and prints what is proven then; with `dry_run` prints which they are.
///
/// # Errors
/// When something cannot be asked or loaded. It may be repeated at any time: no file counts as done before its records
/// are durable.
pub async fn replay(settings: ReplaySettings, shutdown: CancellationToken) -> Result<Exit, ReplayError> {
    let (before, again) = match &settings.pick {
        Pick::Holes(scope) => {
            let report = examine(&settings.verify, Depth::EveryFile, &shutdown).await?;
            let mut again = report.again.clone();
            again.iter_mut().for_each(|again| again.files.retain(|file| scope.takes(&file.name)));
            (Some(report), again)
        }
        Pick::Rejected(scope) => {
            let mut again = list(&settings.verify, scope, &shutdown).await?;
            only_rejected(&connect(&settings, &shutdown).await?, &mut again).await.map_err(VerifyError::from)?;
            (None, again)
        }
        Pick::All(scope) => (None, list(&settings.verify, scope, &shutdown).await?),
    };
    let names: Vec<String> = again.iter().flat_map(|again| &again.files).map(|file| file.blob.clone()).collect();
    if settings.dry_run || (before.is_some() && names.is_empty()) {
        let done = match names.len() {
            0 => "nothing to load again".to_owned(),
            1 => "1 file would be loaded again".to_owned(),
            many => format!("{many} files would be loaded again"),
        };
        print(&settings, before.as_ref(), &done, &names);
        return Ok(before.map_or(Exit::Done, |report| report.exit()));
    }
    let (counts, gone) = load(&settings, again.clone(), &shutdown).await?;
    // Before what was forgotten is deleted, of which a row may be a record that was rejected.
    let fitting = take_out(&connect(&settings, &shutdown).await?, &again).await?;
    let forgotten = forget(&settings, &shutdown).await;
    let report = examine(&settings.verify, Depth::Findings, &shutdown).await?;
    let Counts { files, loaded, rejected, quarantined, .. } = counts;
    let mut done = format!("loaded again: {files} files, {loaded} records loaded, {rejected} rejected");
    if quarantined > 0 {
        done.push_str(&format!("; {quarantined} of the files are damaged"));
    }
    if gone > 0 {
        done.push_str(&format!("; {gone} were gone or replaced before they were read"));
    }
    match fitting {
        0 => {}
        1 => done.push_str("; 1 that had been rejected fits now"),
        many => done.push_str(&format!("; {many} that had been rejected fit now")),
    }
    match forgotten {
        Ok(0) => {}
        Ok(records) => done.push_str(&format!("; {records} that had been forgotten were deleted again")),
        Err(error) => tracing::warn!("forgotten records that came back were not deleted again: {error}"),
    }
    print(&settings, Some(&report), &done, &names);
    Ok(report.exit())
}

async fn connect(settings: &ReplaySettings, shutdown: &CancellationToken) -> Result<Session, VerifyError> {
    let check = &settings.verify.check;
    Ok(connect_current(&address(check).await?, check.give_up, shutdown).await?.session)
}

/// Deletes again what someone asked to be forgotten, and says how many records that was.
async fn forget(settings: &ReplaySettings, shutdown: &CancellationToken) -> Result<u64, String> {
    let session = connect(settings, shutdown).await.map_err(|error| error.to_string())?;
    let targets: BTreeSet<_> = settings.verify.check.routes.iter().map(|route| &route.table).collect();
    let mut records = 0;
    for target in targets {
        records += forget_again(&session, target, true).await.map_err(|error| error.to_string())?;
    }
    Ok(records)
}

async fn load(
    settings: &ReplaySettings,
    again: Vec<Again>,
    shutdown: &CancellationToken,
) -> Result<(Counts, usize), LoadError> {
    let progress = Arc::new(Progress::new(settings.loader.poll));
    let ongoing = Ongoing::new();
    let wanted: usize = again.iter().map(|again| again.files.len()).sum();
    let loading = load_again(&settings.loader, again, shutdown.clone(), Arc::clone(&progress));
    tokio::pin!(loading);
    let gone = loop {
        tokio::select! {
            gone = &mut loading => break gone?,
            () = tokio::time::sleep(TICK) => {
                let Counts { files, loaded, .. } = progress.counts();
                ongoing.say(|| format!("loaded {files} of {wanted} files again, {loaded} records"));
            }
        }
    };
    Ok((progress.counts(), gone))
}

fn print(settings: &ReplaySettings, report: Option<&Report>, done: &str, names: &[String]) {
    let replay = serde_json::json!({ "sentence": done, "files": names });
    let text = match report {
        _ if settings.verify.json => {
            let mut json = report.map_or_else(|| serde_json::json!({}), Report::json);
            json["replay"] = replay;
            format!("{json:#}")
        }
        Some(report) => format!("{}{report}\n\n{done}", listed(settings, names)),
        None => format!("{}{done}", listed(settings, names)),
    };
    // Nobody may be there to read it; the exit code says it all the same.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// The files that would be loaded, where nothing else comes of it.
fn listed(settings: &ReplaySettings, names: &[String]) -> String {
    let names = if settings.dry_run { names } else { &[] };
    names.iter().fold(String::new(), |text, name| text + "again    " + name + "\n")
}
