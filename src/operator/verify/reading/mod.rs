//! What the files say, read again: against the rows of the table, and against the latest state.
//!
//! ```text
//! listing ∩ ledger ─▶ files ─▶ a loader's own rows ─┬─▶ compared with the table by the store ─▶ changed values
//!                                                   └─▶ newest event of each key ─▶ compared with the view
//! ```

mod deep;
mod found;
mod newest;
mod state;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio_util::sync::CancellationToken;

use super::check::open_container;
use super::chosen::list;
use super::error::VerifyError;
use super::read::Read;
use super::report::Report;
use crate::capture::Scope;
use crate::ledger::FileState;
use crate::loader::{Again, Reread, reread};
use crate::operator::progress::Ongoing;
use crate::operator::store::{address, connect_current};
use crate::settings::{ReadingSettings, Route, VerifySettings};
use crate::store::Session;
use deep::Deep;
use found::{Forgotten, Found};
use newest::Newest;

/// Reads the files of the settings' scope again and adds to the report what is not there as they say. Files that the
/// ledger does not call loaded are not read: what is of them, the count has told.
///
/// # Errors
/// When something cannot be asked or read: nothing is proven then.
pub(super) async fn read_again(
    verify: &VerifySettings,
    reading: &ReadingSettings,
    report: &mut Report,
    shutdown: &CancellationToken,
) -> Result<(), VerifyError> {
    let all = list(verify, &reading.scope, shutdown).await?;
    let Some(container) = open_container(verify)? else { return Ok(()) };
    let read = async {
        let address = address(&verify.check).await?;
        let store = connect_current(&address, verify.check.give_up, shutdown).await?;
        let mut read = Read::default();
        let ongoing = Ongoing::new();
        let mut states: BTreeMap<&str, Newest> = BTreeMap::new();
        for again in all {
            let route = again.route.clone();
            let Some(route) = verify.check.routes.iter().find(|known| **known == route) else { continue };
            let again = loaded(&store.session, container.name(), again).await?;
            let mut found = Found::new(route);
            let state = reading.states.iter().find(|state| state.table == route.table);
            let mut newest = state.map(|state| states.remove(&*state.table).unwrap_or_else(|| Newest::of(state)));
            let forgotten = forgotten(&store.session, route).await?;
            let mut deep = reading.deep.then(|| Deep::new(&store.session, route, &forgotten));
            let files = again.files.len();
            let visit = async |rows: Reread<'_>| {
                if let Some(deep) = &mut deep {
                    deep.compare(&rows, &mut found).await?;
                }
                newest.as_mut().map_or(Ok(()), |newest| newest.take(&rows, &forgotten))
            };
            let tell = |done: usize| ongoing.say(|| format!("read {done} of {files} files of {} again", route.hub));
            let unread = reread(&reading.loader, again, shutdown, visit, tell).await?;
            if unread > 0 {
                let text = format!("{unread} files could not be read again, and their rows were not looked at");
                found.of(None).unproven((), text, "see what is said of them above; then verify again");
            }
            read.files += files - unread;
            if let Some(deep) = deep {
                *read.records.get_or_insert(0) += deep.records();
            }
            report.findings.extend(found.finish());
            if let Some((newest, state)) = newest.zip(state) {
                states.insert(&state.table, newest);
            }
        }
        for state in &reading.states {
            let Some(newest) = states.remove(&*state.table) else { continue };
            let Some(route) = verify.check.routes.iter().find(|route| route.table == state.table) else { continue };
            let mut found = Found::new(route);
            // What is kept of what was pruned is in no file that is read.
            let pruned = store.session.pruned_files(&route.table, route.hub.name()).await?;
            let whole = reading.scope == Scope::default() && pruned.is_empty();
            ongoing.say(|| format!("comparing {} with {} rows made anew", state.view, newest.len()));
            *read.states.get_or_insert(0) +=
                state::compare(&store.session, state, newest, whole, found.of(None)).await?;
            report.findings.extend(found.finish());
        }
        Ok::<_, VerifyError>(read)
    };
    report.read = tokio::select! {
        read = read => Some(read?),
        () = shutdown.cancelled() => return Err(VerifyError::Interrupted),
    };
    report.findings.sort_by_key(|finding| finding.kind);
    Ok(())
}

/// Those of the files that the ledger calls loaded, in the version that is listed.
async fn loaded(session: &Session, container: &str, again: Again) -> Result<Again, VerifyError> {
    let Again { route, mut files } = again;
    let mut known = HashMap::new();
    let partitions: BTreeSet<_> = files.iter().map(|file| file.name.partition).collect();
    for partition in partitions {
        for file in session.ledger_files(&route.table, route.hub.name(), partition).await? {
            if file.container == container && matches!(file.state, FileState::Loaded | FileState::Damaged(_)) {
                known.insert(file.blob, file.etag);
            }
        }
    }
    files.retain(|file| known.get(&file.blob) == Some(&file.etag));
    Ok(Again { route, files })
}

async fn forgotten(session: &Session, route: &Route) -> Result<Forgotten, VerifyError> {
    let mut all = Forgotten::default();
    for (hub, partition) in session.forgotten_partitions(&route.table).await? {
        if hub == route.hub.name() {
            let forgotten = session.forgotten(&route.table, &hub, partition).await?;
            let row = |gone: crate::ledger::Forgotten| (partition, (gone.number, gone.at), gone.index);
            all.0.extend(forgotten.into_iter().map(row));
        }
    }
    Ok(all)
}
