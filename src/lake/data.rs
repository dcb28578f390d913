//! Rows on their way into data files: one file a partition of the hub and a day.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::errors::ParquetError;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::error::LakeError;
use super::file::{Writing, batch as batch_of};
use super::schema::{DAY, field};
use super::stats::Stats;
use super::values;
use crate::rows::{Batch, Table};

pub(super) const KEYS: [&str; 3] = ["partition_id", "sequence_number", "enqueued_at"];
const DAY_MICROS: i64 = 86_400_000_000;

/// A record's number and moment, in microseconds since 1970: what identifies it in its partition.
pub type RowKey = (i64, i64);

/// Which rows of one partition go into a file.
pub struct Rows {
    table: Arc<Table>,
    schema: SchemaRef,
    hub: String,
    partition: i32,
    by_day: bool,
    /// By days since 1970; one only where files do not lie by days.
    files: BTreeMap<i64, Part>,
}

struct Part {
    writing: Writing,
    stats: Stats,
}

/// A file that is to be uploaded.
pub struct Finished {
    pub(super) path: String,
    pub(super) bytes: Bytes,
    pub(super) stats: Stats,
    pub(super) day: Option<String>,
}

impl Rows {
    pub(super) fn new(table: &Arc<Table>, hub: &str, partition: i32, by_day: bool) -> Self {
        let fields: Vec<_> =
            table.columns().iter().map(|column| Field::new(&column.name, values::data_type(column), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let (table, hub) = (Arc::clone(table), hub.to_owned());
        Rows { table, schema, hub, partition, by_day, files: BTreeMap::new() }
    }

    /// The columns of its files.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Adds the rows of a batch whose keys these are, but for those that `keep` leaves out.
    ///
    /// # Errors
    /// When a value is not of its column's type, which the mapper does not let through.
    pub fn push(&mut self, batch: &Batch, keys: &[RowKey], keep: Option<&[bool]>) -> Result<(), LakeError> {
        let day = |at: i64| if self.by_day { at.div_euclid(DAY_MICROS) } else { 0 };
        let kept = |row: usize| keep.is_none_or(|keep| keep[row]);
        let mut days: Vec<i64> =
            keys.iter().enumerate().filter(|(row, _)| kept(*row)).map(|(_, (_, at))| day(*at)).collect();
        days.sort_unstable();
        days.dedup();
        for wanted in &days {
            let mask: Option<Vec<bool>> = (days.len() > 1 || keep.is_some())
                .then(|| keys.iter().enumerate().map(|(row, (_, at))| kept(row) && day(*at) == *wanted).collect());
            let columns = self.table.columns().iter().zip(&batch.columns).map(|(column, literal)| {
                values::array(column, literal, mask.as_deref()).map_err(|reason| LakeError::Value {
                    table: self.table.name().to_owned(),
                    column: column.name.clone(),
                    reason,
                })
            });
            let columns: Vec<_> = columns.collect::<Result<_, _>>()?;
            let table = self.table.name();
            let broken = |error: ParquetError| LakeError::damaged(table, "a file to be written", error);
            let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|error| broken(error.into()))?;
            if !self.files.contains_key(wanted) {
                let writing = Writing::new(Arc::clone(&self.schema), &KEYS).map_err(broken)?;
                self.files.insert(*wanted, Part { writing, stats: Stats::of(&self.hub) });
            }
            let Some(part) = self.files.get_mut(wanted) else { continue };
            part.writing.write(&rows).map_err(broken)?;
            for (row, (number, at)) in keys.iter().enumerate() {
                if mask.as_ref().is_none_or(|mask| mask[row]) {
                    part.stats.add(i64::from(self.partition), *number, *at);
                }
            }
        }
        Ok(())
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.files.values().map(|part| part.writing.bytes()).sum()
    }

    /// The files, named after what is in them; `etags` are those of the Capture files that the rows come from.
    ///
    /// # Errors
    /// When one cannot be written, which is a mistake of the loader's own.
    pub fn finish(self, etags: &str) -> Result<Vec<Finished>, LakeError> {
        let Rows { table, hub, partition, by_day, files, .. } = self;
        let finish = |(day, Part { writing, stats }): (i64, Part)| {
            let bytes =
                writing.finish().map_err(|error| LakeError::damaged(table.name(), "a file to be written", error))?;
            let day = by_day.then(|| date(day));
            let folder = day.as_ref().map(|day| format!("{DAY}={day}/")).unwrap_or_default();
            let (first, last) = stats.numbers.unwrap_or_default();
            let name = format!("{hub}-{partition}-{first}-{last}-{}.zstd.parquet", hash(etags, &bytes));
            Ok(Finished { path: format!("{folder}{name}"), bytes, stats, day })
        };
        files.into_iter().map(finish).collect()
    }
}

/// Of a file's sources and of all its bytes: no two files share a name.
pub(super) fn hash(etags: &str, bytes: &[u8]) -> String {
    let digest = Sha256::new().chain_update(etags).chain_update([0]).chain_update(bytes).finalize();
    digest[..12].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `2026-01-31`, of days since 1970.
fn date(days: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(days * 86_400).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day())
}

/// A record that does not fit, whole, with the reason.
#[derive(Debug, Clone)]
pub struct RejectedRow {
    /// Its number and moment.
    pub key: RowKey,
    /// The file it stands in.
    pub blob: String,
    /// Why it is no row.
    pub reason: String,
    /// Its payload.
    pub body: Option<Vec<u8>>,
}

/// The columns of the table of rejected records: those of `rejected_events`.
pub(super) fn rejected_fields() -> Vec<serde_json::Value> {
    let columns = [
        ("target", "string"),
        ("event_hub", "string"),
        ("partition_id", "integer"),
        ("sequence_number", "long"),
        ("enqueued_at", "timestamp"),
        ("blob", "string"),
        ("reason", "string"),
        ("body", "string"),
        ("body_bytes", "binary"),
        ("rejected_at", "timestamp"),
    ];
    columns.map(|(name, kind)| field(name, kind, false, None)).into()
}

/// Rejected records of one partition, as a file; nothing if there are none.
pub(super) fn rejected(
    target: &str,
    hub: &str,
    partition: i32,
    rows: &[RejectedRow],
    now: i64,
) -> Result<Option<Finished>, ParquetError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let mut stats = Stats::of(hub);
    rows.iter().for_each(|row| stats.add(i64::from(partition), row.key.0, row.key.1));
    let same = |text: &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(|_| text))) };
    let time = |times: Vec<i64>| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")) };
    let text = |row: &RejectedRow| row.body.as_ref().is_some_and(|body| std::str::from_utf8(body).is_ok());
    let batch = batch_of(vec![
        ("target", same(target)),
        ("event_hub", same(hub)),
        ("partition_id", Arc::new(Int32Array::from_iter_values(rows.iter().map(|_| partition)))),
        ("sequence_number", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.key.0)))),
        ("enqueued_at", time(rows.iter().map(|row| row.key.1).collect())),
        ("blob", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.blob)))),
        ("reason", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.reason)))),
        (
            "body",
            Arc::new(StringArray::from_iter(
                rows.iter().map(|row| row.body.as_ref().and_then(|body| std::str::from_utf8(body).ok())),
            )),
        ),
        (
            "body_bytes",
            Arc::new(BinaryArray::from_iter(rows.iter().map(|row| row.body.as_ref().filter(|_| !text(row))))),
        ),
        ("rejected_at", time(rows.iter().map(|_| now).collect())),
    ])?;
    let mut writing = Writing::new(batch.schema(), &KEYS)?;
    writing.write(&batch)?;
    let bytes = writing.finish()?;
    let (first, last) = stats.numbers.unwrap_or_default();
    let path = format!("{hub}-{partition}-{first}-{last}-{}.zstd.parquet", hash("", &bytes));
    Ok(Some(Finished { path, bytes, stats, day: None }))
}
