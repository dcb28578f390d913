//! Files that are loaded again because someone asks: their rows or their ledger rows were lost.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::decode::BatchLimits;
use super::error::LoadError;
use super::group::{Means, load};
use super::lane::{self, Lane};
use super::patience::Patience;
use super::progress::Progress;
use super::run::{Group, open_table};
use crate::azure::blob::Container;
use crate::azure::identity::Identity;
use crate::ledger::FileVersion;
use crate::rows::Table;
use crate::settings::{LoaderSettings, Route};

/// Files of one route that are to be loaded again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// Where they go.
    pub route: Route,
    /// Which, as they were listed.
    pub files: Vec<FileVersion>,
}

/// Loads files whatever the ledger says of them, and notes each as done when its records are durable. Until then the
/// ledger says that it is not: whatever interrupts this, no file counts as done that is not. Tells how many were gone
/// or replaced since they were listed.
///
/// # Errors
/// As a loader that runs once. Files that were not reached wait to be loaded.
pub async fn load_again(
    settings: &LoaderSettings,
    work: Vec<Again>,
    shutdown: CancellationToken,
    progress: Arc<Progress>,
) -> Result<usize, LoadError> {
    let patience = Patience::new(true, settings, shutdown, Arc::clone(&progress));
    let identity = Identity::new(settings.identity.clone());
    let container =
        Container::open(&settings.blob, identity.key(settings.blob.needs_credential(), settings.blob_sas.as_ref())?)?;
    let store = lane::address(settings, &identity, &patience).await?;
    let mut lanes = Lane::several(settings.connections, &store, settings.store_timeout, &patience);
    let budget = Budget::of(settings);
    let means = Means {
        container: &container,
        patience: &patience,
        progress: &progress,
        batch: BatchLimits { rows: settings.batch_rows, bytes: budget.batch_bytes },
        parallel_files: budget.parallel_files,
    };
    let mut gone = 0;
    for Again { route, files } in work {
        let table = open_table(&mut lanes[0], settings, &route).await?;
        let mut group = Group::default();
        for file in files {
            group.push(file);
            if group.is_full() {
                gone += load_group(&means, &route, &table, std::mem::take(&mut group), &mut lanes).await?;
            }
        }
        gone += load_group(&means, &route, &table, group, &mut lanes).await?;
    }
    // So that whoever looks next sees the last ledger rows.
    lanes[0].persist(async |session| session.flush().await).await?;
    Ok(gone)
}

async fn load_group(
    means: &Means<'_>,
    route: &Route,
    table: &Arc<Table>,
    group: Group,
    lanes: &mut [Lane],
) -> Result<usize, LoadError> {
    let files = group.into_files();
    if files.is_empty() {
        return Ok(0);
    }
    if means.patience.shutdown.is_cancelled() {
        return Err(LoadError::Stopped);
    }
    let mark = async |session: &crate::store::Session| {
        session.note_waiting(means.container.name(), table.name(), &files).await?;
        session.flush().await
    };
    lanes[0].persist(mark).await?;
    let wanted = files.len();
    let receipt = load(means, route.hub.name(), table, files, lanes).await?;
    Ok(wanted - receipt.entries.len())
}
