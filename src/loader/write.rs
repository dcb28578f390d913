//! Batches become rows in the store. A batch refused for its data is split until the bad records stand alone.

use std::collections::BTreeMap;
use std::time::Instant;

use metrics::{counter, histogram};

use super::decode::Decoded;
use super::error::LoadError;
use super::journey::Journeys;
use super::live::Common;
use super::pool::Store;
use super::records::{Record, Records};
use crate::base::killpoint::{Side, Step, pass};
use crate::capture::PartitionId;
use crate::formats::{Decoding, Rower};
use crate::ledger::{FileVersion, Run, Runs};
use crate::rows::{Envelope, Table};
use crate::store::{Fault, KeyRange, Rejected, Shelf};
use crate::traces::{self, counted};

/// Rows and rejected records that the store has taken, though it may yet lose them. Made only of [`Decoded`].
#[derive(Debug)]
pub(super) struct Written {
    /// Per file of the group, by its number.
    pub(super) tallies: Vec<(usize, Tally)>,
    pub(super) unmapped: u64,
    /// Whether the store says that it made every row of it, each in the place of none.
    pub(super) told: bool,
    /// Whether live rows stood in the place of all of it.
    pub(super) was_there: bool,
}

/// Records of a file accounted for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) loaded: Runs,
    pub(super) rejected: Runs,
}

/// What a batch is written with.
pub(super) struct Target<'g> {
    pub(super) hub: &'g str,
    pub(super) table: &'g Table,
    /// What bodies are.
    pub(super) decoding: &'g Decoding,
    /// The group's files, for their partitions and names.
    pub(super) files: &'g [FileVersion],
    pub(super) journeys: &'g Journeys,
    /// What the live lane has written, where there is one.
    pub(super) live: Option<&'g Common>,
}

impl Target<'_> {
    /// Of what is counted.
    pub(super) fn labels(&self) -> [(&'static str, String); 2] {
        [("hub", self.hub.to_owned()), ("route", format!("{}={}", self.hub, self.table.name()))]
    }
}

impl Decoded {
    /// Writes it all. Repeatable: a repeat replaces rows by themselves.
    ///
    /// # Errors
    /// When patience ends; some of it may then be written.
    pub(super) async fn write(self, target: &Target<'_>, store: &Store) -> Result<Written, LoadError> {
        let Decoded { batch, records, rows, rejected, reasons, unmapped } = self;
        let rows = |index: usize| rows.get(index).copied().unwrap_or(1);
        let mut tallies = Tallies::default();
        let mut refused = Vec::new();
        let mut told = false;
        pass(Side::Before, Step::Written);
        let (began, since) = (Instant::now(), traces::now());
        let was_there = there_already(target, &records, store).await?;
        let inserted = match was_there {
            true => Ok(0),
            false => store.persist(async |session| session.insert(target.table, &batch).await).await,
        };
        histogram!("deltawave_loader_batch_seconds").record(began.elapsed());
        match inserted {
            Ok(made) => {
                told = made == batch.rows as u64;
                let loaded = |(index, record): (usize, Record<'_>)| {
                    add(&mut tallies.of(record.file).loaded, record, rows(index));
                };
                records.iter().enumerate().for_each(loaded);
            }
            Err(LoadError::Store(error)) if error.fault() == Fault::Data => {
                drop(batch);
                refused = split(target, store, &records, error.reason()).await?;
                let mut bad = refused.iter().map(|(index, _)| *index).peekable();
                for (index, record) in records.iter().enumerate() {
                    match bad.next_if_eq(&index) {
                        Some(_) => add(&mut tallies.of(record.file).rejected, record, 1),
                        None => add(&mut tallies.of(record.file).loaded, record, rows(index)),
                    }
                }
            }
            Err(error) => return Err(error),
        }
        let rejects: Vec<_> = refused
            .iter()
            .map(|(index, reason)| reject(target, records.get(*index), reason))
            .chain(rejected.iter().zip(&reasons).map(|(record, reason)| reject(target, record, reason)))
            .collect();
        if !rejects.is_empty() {
            store.persist(async |session| session.note_rejected(target.table.name(), &rejects).await).await?;
            rejected.iter().for_each(|record| add(&mut tallies.of(record.file).rejected, record, 1));
        }
        pass(Side::After, Step::Written);
        for (file, Tally { loaded, rejected }) in &tallies.0 {
            let records = || vec![counted("deltawave.records", loaded.records() + rejected.records())];
            target.journeys.step(*file, "write", since, records);
        }
        Ok(Written { tallies: tallies.0, unmapped, told, was_there })
    }
}

/// Whether live rows stand in the place of all of these, so that nothing has to be written. That they are durable is
/// counted after the FLUSH, as of any.
async fn there_already(target: &Target<'_>, records: &Records, store: &Store) -> Result<bool, LoadError> {
    // A record of several rows would have to be counted record by record.
    let Some(live) = target.live.filter(|_| !target.table.is_indexed()) else { return Ok(false) };
    let mut partitions = BTreeMap::<PartitionId, Vec<Record<'_>>>::new();
    for record in records.iter() {
        partitions.entry(target.files[record.file].name.partition).or_default().push(record);
    }
    let mut ranges = Vec::new();
    for (partition, mut records) in partitions {
        records.sort_unstable_by_key(|record| (record.sequence_number, record.enqueued_time));
        let mut runs = Runs::default();
        records.into_iter().for_each(|record| add(&mut runs, record, 1));
        if !live.may_have(partition, &runs) {
            return Ok(false);
        }
        let range = |run: &Run| KeyRange {
            target: target.table.name(),
            hub: target.hub,
            partition,
            shelf: Shelf::Rows,
            run: *run,
        };
        ranges.extend(runs.iter().map(range));
    }
    if ranges.is_empty() || ranges.len() > RANGES {
        return Ok(false);
    }
    let counts = store.persist(async |session| session.count_ranges(&ranges).await).await?;
    let all = ranges.iter().zip(&counts).all(|(range, count)| range.run.records() == *count);
    if all {
        counter!("deltawave_loader_rows_already_there_total", &target.labels()).increment(counts.iter().sum());
    }
    Ok(all)
}

/// Ranges that are counted before a batch is written; of more, writing costs less.
const RANGES: usize = 20;

/// Writes all but the records the store refuses, and says which those are and why, in order. Costs about two
/// statements a bad record and halving.
async fn split(
    target: &Target<'_>,
    store: &Store,
    records: &Records,
    first_reason: &str,
) -> Result<Vec<(usize, String)>, LoadError> {
    let mut refused = Vec::new();
    let mut ranges = Vec::new();
    halve(0..records.len(), first_reason, &mut ranges, &mut refused);
    while let Some(range) = ranges.pop() {
        let mut rower = Rower::new(target.table, target.decoding);
        for index in range.clone() {
            let record = records.get(index);
            // It fitted before, so it fits now.
            let _ = rower.push(envelope(target, record), &record.attributes, record.body);
        }
        let batch = rower.take();
        match store.persist(async |session| session.insert(target.table, &batch).await).await {
            Ok(_) => {}
            Err(LoadError::Store(error)) if error.fault() == Fault::Data => {
                halve(range, error.reason(), &mut ranges, &mut refused);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

/// The first half ends on top, so that what is refused is found in order.
fn halve(
    range: std::ops::Range<usize>,
    reason: &str,
    ranges: &mut Vec<std::ops::Range<usize>>,
    refused: &mut Vec<(usize, String)>,
) {
    if range.len() <= 1 {
        refused.extend(range.map(|index| (index, format!("the store refuses it: {reason}"))));
        return;
    }
    let middle = range.start + range.len() / 2;
    ranges.push(middle..range.end);
    ranges.push(range.start..middle);
}

fn add(runs: &mut Runs, record: Record<'_>, rows: u32) {
    runs.push_rows(record.sequence_number, record.enqueued_time, rows);
}

fn envelope<'a>(target: &Target<'a>, record: Record<'_>) -> Envelope<'a> {
    Envelope {
        event_hub: target.hub,
        partition: target.files[record.file].name.partition,
        sequence_number: record.sequence_number,
        enqueued_time: record.enqueued_time,
    }
}

fn reject<'a>(target: &Target<'a>, record: Record<'a>, reason: &'a str) -> Rejected<'a> {
    let blob = &target.files[record.file].blob;
    Rejected { envelope: envelope(target, record), blob, reason, body: record.body }
}

/// Batches hold few files, mostly in order: the one looked for is nearly always the last.
#[derive(Default)]
struct Tallies(Vec<(usize, Tally)>);

impl Tallies {
    fn of(&mut self, file: usize) -> &mut Tally {
        let position = self.0.iter().rposition(|(known, _)| *known == file).unwrap_or_else(|| {
            self.0.push((file, Tally::default()));
            self.0.len() - 1
        });
        &mut self.0[position].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_finds_bad_records_in_order_in_few_steps() {
        let bad = [3, 700, 701, 999];
        let (mut ranges, mut refused, mut statements) = (Vec::new(), Vec::new(), 1);
        halve(0..1000, "first", &mut ranges, &mut refused);
        while let Some(range) = ranges.pop() {
            statements += 1;
            if bad.iter().any(|index| range.contains(index)) {
                halve(range, "no", &mut ranges, &mut refused);
            }
        }
        assert_eq!(refused.iter().map(|(index, _)| *index).collect::<Vec<_>>(), bad);
        assert!(statements < 80, "{statements} statements");
    }
}
