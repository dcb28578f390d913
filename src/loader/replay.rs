//! Files that are loaded again because someone asks: their rows or their ledger rows were lost.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::decode::BatchLimits;
use super::error::LoadError;
use super::group::{Means, Reading, Receipt, load};
use super::journey::Sightings;
use super::once::{Once, groups};
use super::progress::Progress;
use super::registrar::decoding;
use super::settle::Unsettled;
use super::slots::Slots;
use super::stream::open_table;
use crate::ledger::{FileVersion, TO_BE_LOADED_AGAIN};
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
    let once = Once::open(settings, shutdown, &progress)?;
    let store = once.store(settings, settings.connections).await?;
    let Once { patience, container, .. } = &once;
    let (budget, slots) = (Budget::of(settings, 1), Slots::new(1));
    let batch = BatchLimits { rows: settings.batch_rows, bytes: budget.batch_bytes };
    let mut gone = 0;
    for Again { route, files } in work {
        let (decoding, registrar) = decoding(settings, &route, patience).await?;
        let reading = Reading {
            container,
            patience,
            unmapped: &progress.unmapped_fields,
            decoding: &decoding,
            registrar: registrar.as_ref(),
            batch,
            parallel_files: budget.parallel_files,
            live: None,
        };
        let table = open_table(&store, settings, &route).await?;
        let name = route.to_string().into();
        let readable = Mutex::default();
        let sightings = Sightings::default();
        let means = Means {
            reading,
            store: &store,
            slots: &slots,
            progress: &progress,
            route: &name,
            sightings: &sightings,
            readable: &readable,
        };
        let mut unsettled = Unsettled::default();
        for group in groups(files) {
            gone += load_group(&means, &route, &table, group, &mut unsettled).await?;
        }
        // So that whoever looks next sees the last ledger rows.
        unsettled.settle(container.name(), table.name(), &store, patience).await?;
    }
    Ok(gone)
}

async fn load_group(
    means: &Means<'_>,
    route: &Route,
    table: &Arc<Table>,
    files: Vec<FileVersion>,
    unsettled: &mut Unsettled,
) -> Result<usize, LoadError> {
    let Reading { container, patience, .. } = means.reading;
    if patience.shutdown.is_cancelled() {
        return Err(LoadError::Stopped);
    }
    let mark = async |session: &crate::store::Session| {
        let files = files.iter().map(|file| (file, TO_BE_LOADED_AGAIN));
        session.note_waiting(container.name(), table.name(), files).await?;
        session.flush().await
    };
    means.store.persist(mark).await?;
    let wanted = files.len();
    let mut receipt = Receipt::default();
    load(means, route.hub.name(), table, files, &mut receipt).await?;
    for (_, error) in &receipt.refused {
        tracing::warn!("{error}; it is not loaded again");
    }
    let noted = receipt.entries.len();
    unsettled.add(receipt.entries);
    Ok(wanted - noted)
}
