//! Files that are read again to hold the store against them: nothing is written.

use std::sync::Arc;

use futures::future::join;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::decode::{BatchLimits, Decoded};
use super::error::LoadError;
use super::group::{Reading, decode_all};
use super::journey::Journeys;
use super::once::{Once, groups};
use super::progress::Progress;
use super::records::Records;
use super::registrar::decoding;
use super::replay::Again;
use super::stream::open_table;
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use crate::ledger::FileVersion;
use crate::rows::{Batch, Table};
use crate::settings::LoaderSettings;

/// Rows as a loader would write them.
pub struct Reread<'a> {
    /// Their table.
    pub table: &'a Table,
    /// The rows.
    pub batch: &'a Batch,
    files: &'a [FileVersion],
    records: Records,
    /// The record that each row was made of, where one made several.
    of: Vec<usize>,
}

/// Where a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin<'a> {
    /// The file.
    pub blob: &'a str,
    /// Its partition.
    pub partition: PartitionId,
    /// The record there.
    pub number: SequenceNumber,
    /// When the broker took it.
    pub at: EnqueuedTime,
    /// Which of the record's rows it is.
    pub index: i32,
}

impl Reread<'_> {
    /// Of a row of the batch.
    pub fn origin(&self, row: usize) -> Origin<'_> {
        let of = self.of.get(row).copied();
        let record = self.records.get(of.unwrap_or(row));
        let before = of.map_or(0, |of| row - self.of.partition_point(|record| *record < of));
        let FileVersion { blob, name, .. } = &self.files[record.file];
        Origin {
            blob,
            partition: name.partition,
            number: record.sequence_number,
            at: record.enqueued_time,
            index: i32::try_from(before).unwrap_or(i32::MAX),
        }
    }

    /// How many records the rows were made of.
    pub fn records(&self) -> u64 {
        self.records.len() as u64
    }
}

/// Reads files again and hands on the rows that they make now, batch after batch. Gives how many of them could not be
/// read.
///
/// # Errors
/// As a loader that runs once, or what `visit` says.
pub async fn reread<E: From<LoadError>>(
    settings: &LoaderSettings,
    Again { route, files }: Again,
    shutdown: &CancellationToken,
    mut visit: impl AsyncFnMut(Reread<'_>) -> Result<(), E>,
    mut tell: impl FnMut(usize),
) -> Result<usize, E> {
    let progress = Arc::new(Progress::new(settings.poll));
    let once = Once::open(settings, shutdown.clone(), &progress)?;
    let store = once.store(settings, 1).await?;
    let Once { patience, container, .. } = &once;
    let budget = Budget::of(settings, 1);
    let (decoding, registrar) = decoding(settings, &route, patience).await?;
    let means = Reading {
        container,
        patience,
        unmapped: &progress.unmapped_fields,
        decoding: &decoding,
        registrar: registrar.as_ref(),
        batch: BatchLimits { rows: settings.batch_rows, bytes: budget.batch_bytes },
        parallel_files: budget.parallel_files,
        live: None,
    };
    let table = open_table(&store, settings, &route).await?;
    let (mut read, mut unread) = (0, 0);
    for group in groups(files) {
        if shutdown.is_cancelled() {
            return Err(LoadError::Stopped.into());
        }
        let group: Arc<[FileVersion]> = group.into();
        let (sender, mut receiver) = mpsc::channel::<Decoded>(1);
        let (seen, table, files) = (&mut visit, &table, &group);
        // The receiver goes with it, so that whoever stops to take ends the decoding.
        let take = async move {
            while let Some(Decoded { batch, records, rows, .. }) = receiver.recv().await {
                let of = (0..).zip(&rows).flat_map(|(record, rows)| vec![record; *rows as usize]).collect();
                seen(Reread { table, batch: &batch, files, records, of }).await?;
            }
            Ok::<(), E>(())
        };
        let journeys = Journeys::default();
        let (decoded, taken) = join(decode_all(&means, route.hub.name(), table, files, &journeys, sender), take).await;
        taken?;
        let (contents, _) = decoded?;
        read += group.len();
        unread += contents.iter().filter(|contents| contents.is_none()).count();
        tell(read);
    }
    Ok(unread)
}
