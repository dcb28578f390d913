//! What a table and its ledger say of each other, read without writing anything.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use percent_encoding::percent_decode_str;
use time::OffsetDateTime;

use super::action::Add;
use super::address::LakeAddress;
use super::error::LakeError;
use super::file::{numbers, read, texts};
use super::head::APP;
use super::ledger::{self, NotedFile};
use super::log::Log;
use super::place::Place;
use super::state::Whole;
use super::stats::Stats;
use super::table::{FILES, REJECTED};
use crate::azure::Key;
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use crate::ledger::{CoveredFile, FileState, Span};

/// What is known of a table at one moment.
#[derive(Debug, Default)]
pub struct Audit {
    /// By hub and partition.
    pub partitions: BTreeMap<(String, PartitionId), Audited>,
    /// Commits that the ledger does not know yet.
    pub unnoted: u64,
}

/// One partition of a hub.
#[derive(Debug, Default)]
pub struct Audited {
    /// The ledger's files, each once.
    pub files: Vec<CoveredFile>,
    /// When records were committed last, and when the newest window began.
    pub newest: Option<(OffsetDateTime, OffsetDateTime)>,
    /// Values of loaded records that had no column.
    pub unmapped: u64,
    /// Rows that the ledger says are there.
    pub noted_rows: u64,
    /// Rows that are there.
    pub rows: u64,
    /// Rejected records that the ledger says are there.
    pub noted_rejected: u64,
    /// Rejected records that are there.
    pub rejected: u64,
}

/// How long a loader at work may take from its commit to its ledger.
const PAUSE: Duration = Duration::from_secs(1);
const AT_ONCE: usize = 16;

impl Audit {
    /// Reads a table, its ledger and its rejected records. Rows are counted by the log's own statistics; a file of which
    /// it does not say whose rows it has is read.
    ///
    /// # Errors
    /// When there is no such table, or its container is away.
    pub async fn of(address: &LakeAddress, key: Option<Key>) -> Result<Audit, LakeError> {
        let place = Place::open(address, key)?;
        let [data, files, rejected] = [place.clone(), place.beside(FILES), place.beside(REJECTED)].map(Log::new);
        let files_whole = files.whole(i64::MAX).await?;
        let noted = files_whole.as_ref().map_or(0, |whole| whole.head.batch());
        // As they were when the ledger was read: a loader may be at work.
        let rejected_whole = rejected.at_batch(noted).await?;
        let data_whole = data.at_batch(noted).await?;
        let data_whole = data_whole.ok_or_else(|| LakeError::Missing { table: data.shown.clone() })?;
        let mut audit = Audit { unnoted: unnoted(&data, &files, noted).await?, ..Audit::default() };
        if let Some(whole) = &files_whole {
            audit.take_ledger(&files, whole).await?;
        }
        for ((hub, partition), rows) in rows_of(&data, &data_whole).await? {
            audit.partitions.entry((hub, partition)).or_default().rows = rows;
        }
        if let Some(whole) = &rejected_whole {
            for ((hub, partition), rows) in rows_of(&rejected, whole).await? {
                audit.partitions.entry((hub, partition)).or_default().rejected = rows;
            }
        }
        Ok(audit)
    }

    async fn take_ledger(&mut self, log: &Log, whole: &Whole) -> Result<(), LakeError> {
        let mut newest: HashMap<(String, String), (i64, NotedFile)> = HashMap::new();
        let fetch = |add: Add| async move {
            let bytes = bytes(log, &add).await?;
            let mut all = Vec::new();
            let read = ledger::rows(bytes, |file, batch| all.push((file, batch)));
            read.map_err(|error| LakeError::damaged(&log.shown, &add.path, error))?;
            Ok::<_, LakeError>(all)
        };
        let mut all = stream::iter(whole.files.values().cloned()).map(fetch).buffer_unordered(AT_ONCE);
        while let Some(rows) = all.try_next().await? {
            for (file, batch) in rows {
                let key = (file.event_hub.clone(), PartitionId(file.partition_id));
                let audited = self.partitions.entry(key).or_default();
                let count = |number: i64| u64::try_from(number).unwrap_or_default();
                audited.noted_rows += count(file.table_rows.unwrap_or(file.loaded) - file.already_there);
                audited.noted_rejected += count(file.rejected - file.already_rejected);
                audited.unmapped += count(file.unmapped);
                let moments = moment(file.loaded_at).zip(moment(file.window_start));
                audited.newest = match (audited.newest, moments) {
                    (Some(known), Some(new)) => Some((known.0.max(new.0), known.1.max(new.1))),
                    (known, new) => known.or(new),
                };
                match newest.entry((file.container.clone(), file.blob.clone())) {
                    std::collections::hash_map::Entry::Occupied(known) if known.get().0 > batch => {}
                    std::collections::hash_map::Entry::Occupied(mut known) => drop(known.insert((batch, file))),
                    std::collections::hash_map::Entry::Vacant(new) => drop(new.insert((batch, file))),
                }
            }
        }
        for (_, file) in newest.into_values() {
            let key = (file.event_hub.clone(), PartitionId(file.partition_id));
            self.partitions.entry(key).or_default().files.push(covered(file));
        }
        Ok(())
    }
}

/// How many commits the ledger does not come to know.
async fn unnoted(data: &Log, files: &Log, noted: i64) -> Result<u64, LakeError> {
    let batch = async |log: &Log| Ok::<_, LakeError>(log.head().await?.map_or(0, |head| head.batch()));
    let last = batch(data).await?;
    if last <= noted {
        return Ok(0);
    }
    tokio::time::sleep(PAUSE).await;
    Ok(u64::try_from(last - batch(files).await?).unwrap_or_default())
}

impl Log {
    /// The table as it was behind the commit of that count.
    async fn at_batch(&self, batch: i64) -> Result<Option<Whole>, LakeError> {
        let Some(whole) = self.whole(i64::MAX).await? else { return Ok(None) };
        if whole.head.batch() <= batch {
            return Ok(Some(whole));
        }
        let (mut version, mut before) = (whole.head.version, whole.head.version);
        while let Some(commit) = self.commit(version).await? {
            let count = commit.actions.iter().filter_map(|action| action.txn.as_ref()).find(|txn| txn.app_id == APP);
            match count {
                Some(txn) if txn.version <= batch => break,
                Some(_) => before = version - 1,
                None => {}
            }
            version -= 1;
        }
        self.whole(before.max(0)).await
    }
}

fn moment(micros: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()
}

fn covered(file: NotedFile) -> CoveredFile {
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    let window = moment(file.window_start).map(|at| EnqueuedTime::from_utc(at).sql());
    CoveredFile {
        window_start: window.unwrap_or_default(),
        span: file
            .first
            .zip(file.last)
            .map(|(first, last)| Span { first: SequenceNumber(first), last: SequenceNumber(last) }),
        records: count(file.records),
        loaded: count(file.loaded),
        rows: count(file.table_rows.unwrap_or(file.loaded)),
        is_indexed: file.table_rows.is_some(),
        rejected: count(file.rejected),
        skipped: count(file.skipped),
        state: match file.reason {
            Some(reason) => FileState::Damaged(reason),
            None => FileState::Loaded,
        },
        container: file.container,
        blob: file.blob,
        etag: file.etag,
    }
}

/// How many rows a table has of each partition of each hub.
async fn rows_of(log: &Log, whole: &Whole) -> Result<BTreeMap<(String, PartitionId), u64>, LakeError> {
    let mut rows: BTreeMap<(String, PartitionId), u64> = BTreeMap::new();
    let mut add = |hub: &str, partition: i64, count: u64| {
        let partition = PartitionId(i32::try_from(partition).unwrap_or(-1));
        *rows.entry((hub.to_owned(), partition)).or_default() += count;
    };
    for file in whole.files.values() {
        let stats = Stats::parse(file.stats.as_deref());
        if let Some((stats, (hub, partition))) = stats.as_ref().and_then(|stats| Some((stats, stats.partition()?))) {
            add(hub, partition, stats.rows);
            continue;
        }
        let done = read(bytes(log, file).await?, Some(&["event_hub", "partition_id"]), |batch| {
            let (hubs, partitions) = (texts(&batch, "event_hub"), numbers(&batch, "partition_id"));
            if let (Some(hubs), Some(partitions)) = (hubs, partitions) {
                (0..batch.num_rows()).for_each(|row| add(hubs.value(row), partitions[row].unwrap_or(-1), 1));
            }
            Ok(())
        });
        done.map_err(|error| LakeError::damaged(&log.shown, &file.path, error))?;
    }
    Ok(rows)
}

async fn bytes(log: &Log, add: &Add) -> Result<bytes::Bytes, LakeError> {
    let path = percent_decode_str(&add.path).decode_utf8_lossy();
    let bytes = log.place.get(&path).await?;
    bytes.ok_or_else(|| LakeError::damaged(&log.shown, &add.path, "it is not there"))
}
