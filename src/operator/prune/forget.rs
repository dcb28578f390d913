//! Deleting every record of a key, and of records that have several rows the rows of that key. Which they were is noted
//! first: `verify` then knows that they are missing because someone wanted so, and what brings them back can be undone.

use std::collections::{BTreeMap, BTreeSet};

use super::body::{OfKey, of_key};
use super::error::PruneError;
use super::plan::{Doomed, Partition};
use super::step::step;
use crate::capture::PartitionId;
use crate::ledger::{CoveredFile, FileState, Forgotten, PrunedRange};
use crate::operator::progress::Ongoing;
use crate::rows::Column;
use crate::store::{Identity, KeyValue, Place, RejectedBody, Session, Shelf};

/// How often records are looked for again: those that came meanwhile, and those that the store did not forget.
const TRIES: usize = 5;

/// The table whose latest state may be kept apart, and the key of that.
const HISTORY: (&str, &str) = ("user_event_log", "id");

/// Where rows of records that have several are noted.
const ROWS: &str = "forgotten_rows";

/// Records by where they are: those of the table, and those of `rejected_events`.
type Records = BTreeMap<(String, PartitionId), Vec<Forgotten>>;

/// What a target has of a key.
#[derive(Debug, Default)]
pub(super) struct Of {
    records: Records,
    pub(super) rows: u64,
    pub(super) rejected: u64,
    /// Rows of the latest state, where that is kept apart: elsewhere it goes with the rows.
    pub(super) latest: Option<i64>,
    /// Capture files that hold them.
    pub(super) blobs: BTreeSet<String>,
    /// Rejected records that are no objects and may be of it, and the files that hold them.
    pub(super) perhaps: BTreeSet<(Place, String)>,
}

/// One key of one target.
pub(super) struct Key<'a> {
    session: &'a Session,
    target: &'a str,
    column: &'a str,
    value: &'a str,
    key: KeyValue,
    /// Whether the table tells the rows of a record apart, which may be of other keys.
    is_indexed: bool,
    latest_is_apart: bool,
}

impl<'a> Key<'a> {
    /// A key of a column that the table has.
    ///
    /// # Errors
    /// When it has none such, or the value is none of it.
    pub(super) async fn of(
        session: &'a Session,
        target: &'a str,
        column: &'a str,
        value: &'a str,
    ) -> Result<Self, PruneError> {
        let table = session.table(target, &[]).await??;
        if table.is_indexed() && !session.has_table(ROWS).await? {
            return Err(PruneError::NoTable(ROWS, session.address().to_string()));
        }
        let columns = table.columns();
        let found = columns.iter().find(|known| known.name == column).ok_or_else(|| {
            let names: Vec<_> = columns.iter().map(|Column { name, .. }| name.as_str()).collect();
            PruneError::Key(format!("{target} has no column {column}; it has {}", names.join(", ")))
        })?;
        if target == HISTORY.0 && column != HISTORY.1 {
            let text = format!("the key of {target} is {}: its latest state has a row for each", HISTORY.1);
            return Err(PruneError::Key(text));
        }
        let key = KeyValue::new(column, found.kind, value).map_err(PruneError::Key)?;
        let latest_is_apart = target == HISTORY.0 && session.latest_is_apart().await?;
        Ok(Key { session, target, column, value, key, is_indexed: table.is_indexed(), latest_is_apart })
    }

    /// What there is of it.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(super) async fn look(&self) -> Result<Of, PruneError> {
        let mut of = Of::default();
        let mut add = |place: Place, rejected: bool, index: Option<i32>| {
            let (number, at) = place.record;
            let forgotten = Forgotten { number, at, rejected, index };
            of.records.entry((place.hub, place.partition)).or_default().push(forgotten);
        };
        let rows = self.session.rows_of(self.target, &self.key, self.is_indexed).await?;
        of.rows = rows.len() as u64;
        let there: BTreeSet<Place> = rows.iter().map(|(place, _)| place.clone()).collect();
        rows.into_iter().for_each(|(place, index)| add(place, false, index));
        for RejectedBody { place, blob, body, bytes } in self.session.rejected_with(self.target, self.value).await? {
            let body = body.as_ref().map_or(bytes.as_slice(), |body| body.as_bytes());
            match of_key(body, self.column, self.value) {
                OfKey::No => {}
                OfKey::Perhaps => {
                    of.perhaps.insert((place, blob));
                }
                OfKey::Yes => {
                    of.rejected += 1;
                    of.blobs.insert(blob);
                    // What is a row too was loaded after all, and goes with that.
                    if !there.contains(&place) {
                        add(place, true, None);
                    }
                }
            }
        }
        if self.latest_is_apart {
            of.latest = Some(self.session.count_latest(&self.key).await?);
        }
        for ((hub, partition), records) in &of.records {
            let files = self.session.ledger_files(self.target, hub, *partition).await?;
            let holds = |file: &&CoveredFile| {
                file.span.is_some_and(|span| {
                    records.iter().any(|record| span.first <= record.number && record.number <= span.last)
                })
            };
            of.blobs.extend(files.iter().filter(holds).map(|file| file.blob.clone()));
        }
        Ok(of)
    }

    /// Deletes all of it, and says what that was.
    ///
    /// # Errors
    /// When the store refuses, or records come faster than they go.
    pub(super) async fn forget(&self, ongoing: &Ongoing) -> Result<Of, PruneError> {
        let mut all = Of::default();
        for _ in 0..TRIES {
            let of = self.look().await?;
            let is_done = of.records.is_empty() && of.latest.unwrap_or(0) == 0;
            all.rows += of.rows;
            all.rejected += of.rejected;
            all.latest = all.latest.max(of.latest);
            all.blobs.extend(of.blobs.iter().cloned());
            all.perhaps = of.perhaps;
            if is_done {
                return Ok(all);
            }
            for ((hub, partition), records) in &of.records {
                ongoing.say(|| format!("forgetting {} records of {hub}/{partition}", records.len()));
                let partition = Partition { session: self.session, target: self.target, hub, partition: *partition };
                partition.forget(records).await?;
            }
            if self.latest_is_apart {
                // The last: what is deleted from the history may be put here.
                step(self.session.delete_latest(&self.key)).await?;
            }
            self.session.flush().await?;
        }
        let of = self.look().await?;
        let rows = of.rows + of.rejected + of.latest.unwrap_or(0).unsigned_abs();
        if rows == 0 { Ok(all) } else { Err(PruneError::StillThere { table: self.target.to_owned(), rows }) }
    }
}

impl Partition<'_> {
    /// Notes records as forgotten, and deletes them.
    ///
    /// # Errors
    /// When the store refuses, or does not keep what is noted.
    pub(super) async fn forget(&self, records: &[Forgotten]) -> Result<(), PruneError> {
        let Partition { session, target, hub, partition } = *self;
        self.note_forgotten(records).await?;
        let kept = self.open_range(records).await?;
        let identity = |record: &Forgotten| (record.number, record.at);
        let identities: Vec<Identity> = records.iter().map(identity).collect();
        step(session.delete_records(target, Shelf::Rejected, hub, partition, &identities)).await?;
        let whole = records.iter().filter(|record| record.index.is_none());
        let identities: Vec<Identity> = whole.map(identity).collect();
        step(session.delete_records(target, Shelf::Rows, hub, partition, &identities)).await?;
        let rows: Vec<(Identity, i32)> =
            records.iter().filter_map(|record| Some((identity(record), record.index?))).collect();
        step(session.delete_rows(target, hub, partition, &rows)).await?;
        session.flush().await?;
        match kept {
            Some(range) => self.close_range(range).await,
            None => Ok(()),
        }
    }

    async fn note_forgotten(&self, records: &[Forgotten]) -> Result<(), PruneError> {
        let Partition { session, target, hub, partition } = *self;
        for _ in 0..TRIES {
            step(session.note_forgotten(target, hub, partition, records)).await?;
            session.flush().await?;
            let noted = session.forgotten(target, hub, partition).await?;
            if records.iter().all(|record| noted.contains(record)) {
                return Ok(());
            }
        }
        Err(PruneError::NotNoted("forgotten_records and forgotten_rows"))
    }

    /// Where rows that were kept when others were pruned are to go: their number changes.
    async fn open_range(&self, records: &[Forgotten]) -> Result<Option<PrunedRange>, PruneError> {
        let Partition { session, target, hub, partition } = *self;
        let range =
            session.pruned_range(target, hub, partition).await?.filter(|range| range.kept.is_some_and(|kept| kept > 0));
        let Some(range) = range else { return Ok(None) };
        let files = session.ledger_files(target, hub, partition).await?;
        let mut pruned = files.iter().filter(|file| file.state == FileState::Pruned).filter_map(|file| file.span);
        if !pruned.any(|span| records.iter().any(|record| span.first <= record.number && record.number <= span.last)) {
            return Ok(None);
        }
        self.note(&PrunedRange { kept: None, ..range }).await?;
        Ok(Some(range))
    }

    async fn close_range(&self, range: PrunedRange) -> Result<(), PruneError> {
        let Partition { session, target, hub, partition } = *self;
        let coverage = crate::ledger::Coverage::of(session.ledger_files(target, hub, partition).await?);
        let mut kept = 0;
        for span in coverage.pruned() {
            kept += session.count_old(&self.old(Shelf::Rows, Doomed { span, before: range.before }, &[])).await?;
        }
        self.note(&PrunedRange { kept: Some(kept), ..range }).await
    }
}

/// Deletes again what was forgotten and has been loaded again since, and says how many records, or rows of them, that was.
///
/// # Errors
/// When the store refuses.
pub(in crate::operator) async fn forget_again(
    session: &Session,
    target: &str,
    really: bool,
) -> Result<u64, PruneError> {
    let is_indexed = session.table(target, &[]).await??.is_indexed();
    let latest_is_apart = target == HISTORY.0 && session.latest_is_apart().await?;
    let column = latest_is_apart.then_some(HISTORY.1);
    let mut records = 0;
    for (hub, partition) in session.forgotten_partitions(target).await? {
        let target_of = (target, is_indexed);
        let rows = session.forgotten_there(target_of, Shelf::Rows, &hub, partition, column).await?;
        let rejected = session.forgotten_there(target_of, Shelf::Rejected, &hub, partition, None).await?;
        let in_table: BTreeSet<(Identity, Option<i32>)> = rows.iter().map(|row| (row.record, row.index)).collect();
        let records_in_table: BTreeSet<Identity> = rows.iter().map(|row| row.record).collect();
        let rejected = rejected.iter().map(|row| row.record).filter(|record| !records_in_table.contains(record));
        let forgotten =
            |rejected| move |((number, at), index): (Identity, Option<i32>)| Forgotten { number, at, rejected, index };
        let there: Vec<Forgotten> = in_table
            .iter()
            .copied()
            .map(forgotten(false))
            .chain(rejected.map(|record| forgotten(true)((record, None))))
            .collect();
        records += there.len() as u64;
        if there.is_empty() || !really {
            continue;
        }
        Partition { session, target, hub: &hub, partition }.forget(&there).await?;
        if latest_is_apart {
            let (identities, ids): (Vec<Identity>, Vec<String>) =
                rows.into_iter().filter(|row| !row.column.is_empty()).map(|row| (row.record, row.column)).unzip();
            step(session.delete_latest_records(&ids, &identities)).await?;
            session.flush().await?;
        }
    }
    Ok(records)
}
