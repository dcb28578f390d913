//! Nothing counts as there because the store said so: rows are flushed, then counted back by ranges of the primary key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use metrics::{counter, histogram};
use time::OffsetDateTime;

use super::error::LoadError;
use super::pool::Store;
use super::write::{Tally, Target, Written};
use crate::base::killpoint::{Side, Step, pass};
use crate::capture::PartitionId;
use crate::ledger::{Contents, Entry, Runs, Several};
use crate::store::{KeyRange, Shelf};
use crate::traces;

/// Records that the store was asked to make durable, and may have lost before. Made only of [`Written`].
pub(super) struct Flushed {
    /// By the file's number in the group; `None` for one that was gone.
    contents: Vec<Option<Contents>>,
    tallies: Vec<Tally>,
    unmapped: u64,
    /// Whether the statements that wrote the rows said that they made them all.
    told: bool,
}

/// What of it is there. Made only by counting what was flushed, where its own statements did not.
pub(super) struct Counted {
    /// Files of which every record is there.
    pub(super) whole: Vec<Entry>,
    pub(super) unmapped: u64,
    /// Files of which records lack that the store had acknowledged.
    pub(super) lacking: Vec<Lacking>,
}

/// A file some of whose records the store does not have, though it acknowledged them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lacking {
    /// As it would be noted if nothing lacked.
    pub(super) entry: Entry,
    /// Rows that lack in the table.
    pub(super) rows: u64,
    /// Records that lack in `rejected_events`.
    pub(super) rejected: u64,
}

impl Flushed {
    /// Waits until what the store has of it is durable and can be read.
    ///
    /// # Errors
    /// When patience ends.
    pub(super) async fn flush(
        target: &Target<'_>,
        contents: Vec<Option<Contents>>,
        written: Vec<Written>,
        store: &Store,
    ) -> Result<Self, LoadError> {
        pass(Side::Before, Step::Flushed);
        let (began, since) = (Instant::now(), traces::now());
        store.persist(async |session| session.flush().await).await?;
        histogram!("deltawave_loader_flush_seconds").record(began.elapsed());
        target.journeys.together("flush", since);
        pass(Side::After, Step::Flushed);
        let unmapped = written.iter().map(|written| written.unmapped).sum();
        let told = written.iter().all(|written| written.told);
        if target.live.is_some() {
            counter!("deltawave_loader_files_already_there_total", &target.labels()).increment(unwritten(&written));
        }
        let mut tallies = vec![Tally::default(); target.files.len()];
        for (file, tally) in written.into_iter().flat_map(|written| written.tallies) {
            tallies[file].loaded.append(tally.loaded);
            tallies[file].rejected.append(tally.rejected);
        }
        Ok(Flushed { contents, tallies, unmapped, told })
    }

    /// Counts it back.
    ///
    /// # Errors
    /// When patience ends, or not every record of a file was written or rejected.
    pub(super) async fn count(self, target: &Target<'_>, store: &Store) -> Result<Counted, LoadError> {
        let Flushed { contents, tallies, unmapped, told } = self;
        pass(Side::Before, Step::Counted);
        let (began, since) = (Instant::now(), traces::now());
        // Asked after the rows were written, so that a trigger of that time is still there.
        let table = target.table.name();
        let kept = told && store.persist(async |session| session.keeps_what_it_says(table).await).await?;
        let rows = if kept { BTreeMap::new() } else { lacking(target, Shelf::Rows, &tallies, store).await? };
        let rejected = lacking(target, Shelf::Rejected, &tallies, store).await?;
        histogram!("deltawave_loader_count_seconds").record(began.elapsed());
        target.journeys.together("count", since);
        pass(Side::After, Step::Counted);
        let loaded_at = OffsetDateTime::now_utc();
        let mut counted = Counted { whole: Vec::new(), unmapped, lacking: Vec::new() };
        for (number, (file, contents)) in target.files.iter().zip(contents).enumerate() {
            let Some(contents) = contents else { continue };
            let (loaded, refused) = (tallies[number].loaded.records(), tallies[number].rejected.records());
            let accounted = loaded + refused + contents.skipped;
            if accounted != contents.records {
                let (blob, records) = (file.blob.clone(), contents.records);
                return Err(LoadError::Miscounted { blob, records, written: accounted });
            }
            let made = target.table.is_indexed().then(|| tallies[number].loaded.rows());
            let entry = Entry { file: file.clone(), contents, loaded, rows: made, rejected: refused, loaded_at };
            let lack = |of: &BTreeMap<usize, u64>| of.get(&number).copied().unwrap_or_default();
            match (lack(&rows), lack(&rejected)) {
                (0, 0) => counted.whole.push(entry),
                (rows, rejected) => counted.lacking.push(Lacking { entry, rows, rejected }),
            }
        }
        Ok(counted)
    }
}

/// Files of which nothing had to be written.
fn unwritten(written: &[Written]) -> u64 {
    let mut files = BTreeMap::<usize, bool>::new();
    for Written { tallies, was_there, .. } in written {
        for (file, tally) in tallies {
            *files.entry(*file).or_insert(true) &= *was_there && tally.rejected.records() == 0;
        }
    }
    files.into_values().filter(|unwritten| *unwritten).count() as u64
}

/// Ranges of one partition that are counted; a file whose records are scattered over more is read back instead.
const RANGES: usize = 100;

/// Records that are read back at once.
const LOOK: u64 = 50_000;

/// How many records lack, by file, of those where any does. One statement counts the ranges of all files; only where one
/// does not have what it should is looked at record by record.
async fn lacking(
    target: &Target<'_>,
    shelf: Shelf,
    tallies: &[Tally],
    store: &Store,
) -> Result<BTreeMap<usize, u64>, LoadError> {
    let runs = |file: usize| match shelf {
        Shelf::Rows => &tallies[file].loaded,
        Shelf::Rejected => &tallies[file].rejected,
    };
    let mut partitions = BTreeMap::<PartitionId, Vec<usize>>::new();
    for file in (0..tallies.len()).filter(|file| runs(*file).records() > 0) {
        partitions.entry(target.files[file].name.partition).or_default().push(file);
    }
    let range = |partition, run| KeyRange { target: target.table.name(), hub: target.hub, partition, shelf, run };
    let (mut ranges, mut wanted, mut suspects) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (partition, files) in &partitions {
        let several = Runs::several(files.iter().map(|file| runs(*file)));
        let merged = Runs::merged(files.iter().flat_map(|file| runs(*file).iter().copied()));
        if merged.len() > RANGES {
            suspects.extend(files);
        } else {
            for run in merged {
                let more = several.iter().filter(|several| several.run.meets(&run)).map(Several::rows).sum::<u64>();
                wanted.push(run.records() + more);
                ranges.push(range(*partition, run));
            }
        }
    }
    let counts = store.persist(async |session| session.count_ranges(&ranges).await).await?;
    for ((range, wanted), count) in ranges.iter().zip(wanted).zip(counts) {
        // More than wanted may hide that some lack.
        if count != wanted {
            let concerned = |file: &&usize| runs(**file).iter().any(|run| run.meets(&range.run));
            suspects.extend(partitions[&range.partition].iter().filter(concerned));
        }
    }
    let mut lacking = BTreeMap::new();
    for file in suspects {
        let mut lack = 0;
        for part in runs(file).parts(LOOK) {
            let Some(hull) = part.hull() else { continue };
            let range = range(target.files[file].name.partition, hull);
            let several = shelf == Shelf::Rows && target.table.is_indexed();
            let found = store.persist(async |session| session.records_in(&range, several).await).await?;
            lack += part.lacking(&found);
        }
        if lack > 0 {
            lacking.insert(file, lack);
        }
    }
    Ok(lacking)
}
