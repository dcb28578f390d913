//! The files of one partition on their way into Parquet: decoded one after the other, so that the same files make the
//! same bytes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::super::decode::{Decoded, Decoder, FileEnd};
use super::super::error::LoadError;
use super::super::fetch::fetch;
use super::super::group::Reading;
use super::super::journey::Journeys;
use super::super::records::Record;
use super::way::Way;
use crate::capture::{EnqueuedTime, PartitionId};
use crate::lake::{Add, RejectedRow, RowKey, Rows, Shelf};
use crate::ledger::{FileVersion, Runs};
use crate::traces::{self, counted};

/// What became of a file's records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) loaded: u64,
    pub(super) rows: u64,
    pub(super) rejected: u64,
    /// Rows that were there.
    pub(super) already_there: u64,
    /// Rejected records that were there.
    pub(super) already_rejected: u64,
}

/// What a partition's files became.
#[derive(Default)]
pub(super) struct Made {
    /// By the files' numbers in the group.
    pub(super) ends: Vec<(usize, FileEnd)>,
    pub(super) tallies: HashMap<usize, Tally>,
    pub(super) rows: Vec<Add>,
    pub(super) rejected: Vec<Add>,
    pub(super) unmapped: u64,
}

/// What a partition is made with.
pub(super) struct Making<'g> {
    pub(super) way: &'g Way,
    pub(super) reading: &'g Reading<'g>,
    pub(super) hub: &'g str,
    pub(super) files: &'g Arc<[FileVersion]>,
    pub(super) journeys: &'g Journeys,
}

impl Making<'_> {
    /// Decodes the files of these numbers, all of one partition, and uploads what they became, if all could be read.
    ///
    /// # Errors
    /// When patience ends.
    pub(super) async fn make(&self, partition: PartitionId, numbers: Vec<usize>) -> Result<Made, LoadError> {
        let Making { way, reading, hub, files, journeys } = *self;
        let (sender, mut batches) = mpsc::channel(1);
        let bodies = (reading.decoding, reading.registrar);
        let table = way.lake.table();
        let mut decoder = Decoder::new(hub, table, bodies, reading.batch, reading.unmapped, sender);
        let (container, patience, journeys, files) =
            (reading.container.clone(), reading.patience.clone(), journeys.clone(), Arc::clone(files));
        let etags: String = numbers.iter().map(|number| format!("{}\n", files[*number].etag)).collect();
        let decoding = tokio::task::spawn_blocking(move || {
            let mut ends = Vec::new();
            let mut next = numbers.into_iter();
            // The file after the one at hand is fetched meanwhile.
            let start = |number: usize| (number, fetch(&container, &files[number], &patience, journeys.of(number)));
            let mut ahead = next.next().map(start);
            while let Some((number, source)) = ahead {
                ahead = next.next().map(start);
                let began = traces::now();
                let end = decoder.decode(number, &files[number], source)?;
                let records = || end.records().map(|records| counted("deltawave.records", records));
                journeys.step(number, "decode", began, || records().into_iter().collect());
                ends.push((number, end));
            }
            decoder.finish()?;
            Ok::<_, LoadError>(ends)
        });
        let mut part = Part {
            making: self,
            partition,
            rows: Some(way.lake.rows(hub, partition.0)),
            seen: Seen::default(),
            seen_rejected: Seen::default(),
            rejects: Vec::new(),
            made: Made::default(),
        };
        while let Some(batch) = batches.recv().await {
            part.take(batch).await?;
        }
        let ends = decoding.await.unwrap_or(Err(LoadError::Broken("decoding")))?;
        let whole = ends.iter().all(|(_, end)| matches!(end, FileEnd::Read(_)));
        part.made.ends = ends;
        // Of a file that was not read to its end nothing may be committed.
        if whole { part.upload(etags).await } else { Ok(part.made) }
    }
}

/// One partition's rows under way.
struct Part<'g> {
    making: &'g Making<'g>,
    partition: PartitionId,
    /// Away only while a thread that may block has them.
    rows: Option<Rows>,
    /// Records of this group.
    seen: Seen,
    seen_rejected: Seen,
    rejects: Vec<RejectedRow>,
    made: Made,
}

impl Part<'_> {
    async fn take(&mut self, decoded: Decoded) -> Result<(), LoadError> {
        let Decoded { batch, records, rows, rejected, reasons, unmapped } = decoded;
        self.made.unmapped += unmapped;
        let there = self.there(Shelf::Rows, records.iter()).await?;
        let (mut keys, mut keep): (Vec<RowKey>, Vec<bool>) =
            (Vec::with_capacity(batch.rows), Vec::with_capacity(batch.rows));
        for (index, record) in records.iter().enumerate() {
            let (key, count) = (key(&record), rows.get(index).copied().unwrap_or(1));
            let is_new = self.seen.add(&record) && !there.contains(&key);
            let tally = self.made.tallies.entry(record.file).or_default();
            tally.loaded += 1;
            tally.rows += u64::from(count);
            tally.already_there += if is_new { 0 } else { u64::from(count) };
            for _ in 0..count {
                keys.push(key);
                keep.push(is_new);
            }
        }
        if keys.len() != batch.rows {
            return Err(LoadError::Broken("telling a record's rows apart"));
        }
        if keep.contains(&true) {
            let all = keep.iter().all(|keep| *keep);
            let Some(mut rows) = self.rows.take() else { return Err(LoadError::Broken("writing a file")) };
            let pushed = tokio::task::spawn_blocking(move || {
                rows.push(&batch, &keys, (!all).then_some(keep.as_slice()))?;
                Ok::<_, LoadError>(rows)
            });
            self.rows = Some(pushed.await.unwrap_or(Err(LoadError::Broken("writing a file")))?);
        }
        let there = self.there(Shelf::Rejected, rejected.iter()).await?;
        for (record, reason) in rejected.iter().zip(reasons) {
            let tally = self.made.tallies.entry(record.file).or_default();
            tally.rejected += 1;
            let is_new = self.seen_rejected.add(&record) && !there.contains(&key(&record));
            tally.already_rejected += u64::from(!is_new);
            if is_new {
                let blob = self.making.files[record.file].blob.clone();
                let (key, body) = (key(&record), record.body.map(<[u8]>::to_vec));
                self.rejects.push(RejectedRow { key, blob, reason, body });
            }
        }
        Ok(())
    }

    /// Which of these records an earlier file may have brought: those of their numbers that are there. Asked only where
    /// some file has brought such numbers.
    async fn there<'r>(
        &self,
        shelf: Shelf,
        records: impl Iterator<Item = Record<'r>>,
    ) -> Result<HashSet<RowKey>, LoadError> {
        let Making { way, reading, hub, .. } = self.making;
        let range = records.map(|record| record.sequence_number.0).fold(None, |range: Option<(i64, i64)>, number| {
            Some(range.map_or((number, number), |(low, high)| (low.min(number), high.max(number))))
        });
        let Some((first, last)) = range else { return Ok(HashSet::new()) };
        let partition = self.partition.0;
        if !way.lake.has_any(hub, partition, first, last) {
            return Ok(HashSet::new());
        }
        let ask = async || way.lake.keys(shelf, hub, partition, first, last).await;
        way.persist(reading.patience, ask).await
    }

    async fn upload(self, etags: String) -> Result<Made, LoadError> {
        let Part { making, partition, rows, rejects, mut made, .. } = self;
        let Making { way, reading, hub, .. } = making;
        let Some(rows) = rows else { return Err(LoadError::Broken("writing a file")) };
        let finish = tokio::task::spawn_blocking(move || Ok::<_, LoadError>(rows.finish(&etags)?));
        let finished = finish.await.unwrap_or(Err(LoadError::Broken("writing a file")))?;
        for file in &finished {
            made.rows.push(way.persist(reading.patience, async || way.lake.upload(file).await).await?);
        }
        let upload = async || way.lake.upload_rejected(hub, partition.0, &rejects).await;
        made.rejected.extend(way.persist(reading.patience, upload).await?);
        Ok(made)
    }
}

fn key(record: &Record<'_>) -> RowKey {
    (record.sequence_number.0, micros(record.enqueued_time))
}

fn micros(at: EnqueuedTime) -> i64 {
    at.utc().unix_timestamp() * 1_000_000
}

/// Records of one partition that were met.
#[derive(Debug, Default)]
struct Seen {
    runs: Runs,
    highest: Option<i64>,
}

impl Seen {
    /// Whether it is met for the first time.
    fn add(&mut self, record: &Record<'_>) -> bool {
        let (number, at) = (record.sequence_number, record.enqueued_time);
        // Nearly always they rise.
        if self.highest.is_some_and(|highest| number.0 <= highest) {
            let known = self
                .runs
                .iter()
                .any(|run| (run.span.first..=run.span.last).contains(&number) && (run.from..=run.until).contains(&at));
            if known {
                return false;
            }
        }
        self.highest = self.highest.max(Some(number.0));
        self.runs.push(number, at);
        true
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::capture::{Attributes, SequenceNumber};

    #[test]
    fn a_record_captured_twice_is_met_once() {
        let mut seen = Seen::default();
        let mut add = |number, second| {
            let enqueued_time = EnqueuedTime::from_utc(OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(second));
            let sequence_number = SequenceNumber(number);
            seen.add(&Record { file: 0, sequence_number, enqueued_time, body: None, attributes: Attributes::NOTHING })
        };
        assert!((0..10).all(|number| add(number, number / 3)));
        assert!(!add(4, 1) && add(12, 4) && !add(12, 4) && add(11, 4));
        assert!(add(0, 100), "a hub made anew begins again");
    }
}
