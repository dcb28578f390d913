//! The ledger of a Delta table: a second one beside it, with a row for each Capture file whose records are in the first.

use std::sync::Arc;

use arrow_array::{Array as _, ArrayRef, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use bytes::Bytes;
use parquet::errors::ParquetError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use super::action::Add;
use super::file::{Writing, batch, moments, numbers, read as read_parquet, texts};
use super::schema::field;
use crate::ledger::{Entry, Outcome};

/// What a commit says of the files whose records came with it: all that the ledger says of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Counts the commits of all loaders into this table.
    pub(super) batch: i64,
    /// Tells a try of one commit from another's.
    pub(super) id: String,
    pub(super) files: Vec<NotedFile>,
    /// Files of the table of rejected records that came with it.
    #[serde(default)]
    pub(super) rejected: Vec<Add>,
}

/// One row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedFile {
    pub(super) container: String,
    pub(super) blob: String,
    pub(super) etag: String,
    pub(super) size: i64,
    pub(super) event_hub: String,
    pub(super) partition_id: i32,
    /// In microseconds since 1970, as all times here.
    pub(super) window_start: i64,
    pub(super) first: Option<i64>,
    pub(super) last: Option<i64>,
    pub(super) records: i64,
    pub(super) loaded: i64,
    pub(super) rejected: i64,
    pub(super) status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) damaged_at: Option<i64>,
    pub(super) loaded_at: i64,
    pub(super) skipped: i64,
    pub(super) unmapped: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) table_rows: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) committed_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_enqueued_at: Option<i64>,
    /// Rows that an earlier file had brought.
    pub(super) already_there: i64,
    /// Rejected records that an earlier file had brought.
    pub(super) already_rejected: i64,
}

fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl NotedFile {
    /// What is noted of a file.
    pub fn of(container: &str, entry: &Entry, already_there: u64, already_rejected: u64) -> Self {
        let Entry { file, contents, loaded, rows, rejected, loaded_at } = entry;
        let (reason, damaged_at) = match &contents.outcome {
            Outcome::Loaded => (None, None),
            Outcome::Quarantined { reason, at } => (Some(reason.clone()), at.map(whole)),
        };
        NotedFile {
            container: container.to_owned(),
            blob: file.blob.clone(),
            etag: file.etag.clone(),
            size: whole(file.size),
            event_hub: file.name.hub.name().to_owned(),
            partition_id: file.name.partition.0,
            window_start: micros(file.name.window_start),
            first: contents.span.map(|span| span.first.0),
            last: contents.span.map(|span| span.last.0),
            records: whole(contents.records),
            loaded: whole(*loaded),
            rejected: whole(*rejected),
            status: contents.outcome.status().to_owned(),
            reason,
            damaged_at,
            loaded_at: micros(*loaded_at),
            skipped: whole(contents.skipped),
            unmapped: whole(contents.unmapped),
            table_rows: rows.map(whole),
            committed_at: file.committed_at.map(micros),
            last_enqueued_at: contents.last_enqueued_at.map(|at| micros(at.utc())),
            already_there: whole(already_there),
            already_rejected: whole(already_rejected),
        }
    }
}

/// The ledger's columns: those of `capture_files`, how many rows an earlier file had brought, and by which commit.
pub(super) fn fields() -> Vec<Value> {
    let columns = [
        ("container", "string"),
        ("target", "string"),
        ("blob", "string"),
        ("etag", "string"),
        ("size", "long"),
        ("event_hub", "string"),
        ("partition_id", "integer"),
        ("window_start", "timestamp"),
        ("first_sequence_number", "long"),
        ("last_sequence_number", "long"),
        ("records", "long"),
        ("loaded", "long"),
        ("rejected", "long"),
        ("status", "string"),
        ("reason", "string"),
        ("damaged_at", "long"),
        ("loaded_at", "timestamp"),
        ("skipped", "long"),
        ("unmapped", "long"),
        ("table_rows", "long"),
        ("committed_at", "timestamp"),
        ("last_enqueued_at", "timestamp"),
        ("already_there", "long"),
        ("already_rejected", "long"),
        ("batch", "long"),
    ];
    columns.map(|(name, kind)| field(name, kind, false, None)).into()
}

/// Rows for the files of these notes, as a Parquet file, and how many.
pub(super) fn write(target: &str, notes: &[Note]) -> Result<(Bytes, u64), ParquetError> {
    let rows: Vec<(&NotedFile, i64)> =
        notes.iter().flat_map(|note| note.files.iter().map(|file| (file, note.batch))).collect();
    let text = |of: &dyn for<'r> Fn(&'r NotedFile) -> Option<&'r str>| -> ArrayRef {
        Arc::new(StringArray::from_iter(rows.iter().map(|(file, _)| of(file))))
    };
    let long = |of: &dyn Fn(&NotedFile) -> Option<i64>| -> ArrayRef {
        Arc::new(Int64Array::from_iter(rows.iter().map(|(file, _)| of(file))))
    };
    let time = |of: &dyn Fn(&NotedFile) -> Option<i64>| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter(rows.iter().map(|(file, _)| of(file)));
        Arc::new(times.with_timezone("UTC"))
    };
    let batch = batch(vec![
        ("container", text(&|file| Some(&file.container))),
        ("target", Arc::new(StringArray::from_iter_values(rows.iter().map(|_| target)))),
        ("blob", text(&|file| Some(&file.blob))),
        ("etag", text(&|file| Some(&file.etag))),
        ("size", long(&|file| Some(file.size))),
        ("event_hub", text(&|file| Some(&file.event_hub))),
        ("partition_id", Arc::new(Int32Array::from_iter_values(rows.iter().map(|(file, _)| file.partition_id)))),
        ("window_start", time(&|file| Some(file.window_start))),
        ("first_sequence_number", long(&|file| file.first)),
        ("last_sequence_number", long(&|file| file.last)),
        ("records", long(&|file| Some(file.records))),
        ("loaded", long(&|file| Some(file.loaded))),
        ("rejected", long(&|file| Some(file.rejected))),
        ("status", text(&|file| Some(&file.status))),
        ("reason", text(&|file| file.reason.as_deref())),
        ("damaged_at", long(&|file| file.damaged_at)),
        ("loaded_at", time(&|file| Some(file.loaded_at))),
        ("skipped", long(&|file| Some(file.skipped))),
        ("unmapped", long(&|file| Some(file.unmapped))),
        ("table_rows", long(&|file| file.table_rows)),
        ("committed_at", time(&|file| file.committed_at)),
        ("last_enqueued_at", time(&|file| file.last_enqueued_at)),
        ("already_there", long(&|file| Some(file.already_there))),
        ("already_rejected", long(&|file| Some(file.already_rejected))),
        ("batch", Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, batch)| *batch)))),
    ])?;
    let mut writing = Writing::new(batch.schema(), &[])?;
    writing.write(&batch)?;
    Ok((writing.finish()?, rows.len() as u64))
}

/// What a loader must know of a noted file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) container: String,
    pub(super) blob: String,
    pub(super) etag: String,
    pub(super) event_hub: String,
    pub(super) partition: i32,
    pub(super) span: Option<(i64, i64)>,
    pub(super) batch: i64,
}

const WANTED: [&str; 8] = [
    "container",
    "blob",
    "etag",
    "event_hub",
    "partition_id",
    "first_sequence_number",
    "last_sequence_number",
    "batch",
];

/// Hands out what the ledger's file says.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(bytes: Bytes, mut take: impl FnMut(Known)) -> Result<(), ParquetError> {
    read_parquet(bytes, Some(&WANTED), |batch| {
        let lacks = |name: &str| ParquetError::General(format!("it has no column {name}"));
        let text = |name| texts(&batch, name).ok_or_else(|| lacks(name));
        let number = |name| numbers(&batch, name).ok_or_else(|| lacks(name));
        let (container, blob, etag, hub) = (text("container")?, text("blob")?, text("etag")?, text("event_hub")?);
        let (partition, number_of_batch) = (number("partition_id")?, number("batch")?);
        let (first, last) = (number("first_sequence_number")?, number("last_sequence_number")?);
        for row in 0..batch.num_rows() {
            take(Known {
                container: container.value(row).to_owned(),
                blob: blob.value(row).to_owned(),
                etag: etag.value(row).to_owned(),
                event_hub: hub.value(row).to_owned(),
                partition: partition[row].and_then(|number| i32::try_from(number).ok()).unwrap_or(-1),
                span: first[row].zip(last[row]),
                batch: number_of_batch[row].unwrap_or_default(),
            });
        }
        Ok(())
    })
}

/// Hands out the ledger's rows, each with the commit that it came with.
///
/// # Errors
/// When it cannot be read.
pub(super) fn rows(bytes: Bytes, mut take: impl FnMut(NotedFile, i64)) -> Result<(), ParquetError> {
    read_parquet(bytes, None, |batch| {
        let lacks = |name: &str| ParquetError::General(format!("it has no column {name}"));
        let text = |name| texts(&batch, name).ok_or_else(|| lacks(name));
        let number = |name| numbers(&batch, name).ok_or_else(|| lacks(name));
        let time = |name| moments(&batch, name).ok_or_else(|| lacks(name));
        let (container, blob, etag, hub) = (text("container")?, text("blob")?, text("etag")?, text("event_hub")?);
        let (status, reason, size) = (text("status")?, text("reason")?, number("size")?);
        let (partition, of_batch) = (number("partition_id")?, number("batch")?);
        let (first, last) = (number("first_sequence_number")?, number("last_sequence_number")?);
        let (records, loaded, rejected) = (number("records")?, number("loaded")?, number("rejected")?);
        let (skipped, unmapped, table_rows) = (number("skipped")?, number("unmapped")?, number("table_rows")?);
        let (there, rejected_there) = (number("already_there")?, number("already_rejected")?);
        let (committed_at, last_enqueued_at) = (time("committed_at")?, time("last_enqueued_at")?);
        let (damaged_at, window_start, loaded_at) = (number("damaged_at")?, time("window_start")?, time("loaded_at")?);
        for row in 0..batch.num_rows() {
            let file = NotedFile {
                container: container.value(row).to_owned(),
                blob: blob.value(row).to_owned(),
                etag: etag.value(row).to_owned(),
                size: size[row].unwrap_or_default(),
                event_hub: hub.value(row).to_owned(),
                partition_id: partition[row].and_then(|number| i32::try_from(number).ok()).unwrap_or(-1),
                window_start: window_start[row].unwrap_or_default(),
                first: first[row],
                last: last[row],
                records: records[row].unwrap_or_default(),
                loaded: loaded[row].unwrap_or_default(),
                rejected: rejected[row].unwrap_or_default(),
                status: status.value(row).to_owned(),
                reason: reason.is_valid(row).then(|| reason.value(row).to_owned()),
                damaged_at: damaged_at[row],
                loaded_at: loaded_at[row].unwrap_or_default(),
                skipped: skipped[row].unwrap_or_default(),
                unmapped: unmapped[row].unwrap_or_default(),
                table_rows: table_rows[row],
                committed_at: committed_at[row],
                last_enqueued_at: last_enqueued_at[row],
                already_there: there[row].unwrap_or_default(),
                already_rejected: rejected_there[row].unwrap_or_default(),
            };
            take(file, of_batch[row].unwrap_or_default());
        }
        Ok(())
    })
}

impl NotedFile {
    pub(super) fn known(&self, batch: i64) -> Known {
        Known {
            container: self.container.clone(),
            blob: self.blob.clone(),
            etag: self.etag.clone(),
            event_hub: self.event_hub.clone(),
            partition: self.partition_id,
            span: self.first.zip(self.last),
            batch,
        }
    }
}
