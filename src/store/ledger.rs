use std::collections::HashMap;

use time::OffsetDateTime;

use super::error::StoreError;
use super::session::Session;
use crate::capture::EnqueuedTime;
use crate::ledger::{Entry, Outcome};
use crate::rows::{ArrayLiteral, Batch, ColumnType};

const COLUMNS: [(&str, ColumnType); 18] = [
    ("container", ColumnType::Varchar),
    ("target", ColumnType::Varchar),
    ("blob", ColumnType::Varchar),
    ("etag", ColumnType::Varchar),
    ("size", ColumnType::BigInt),
    ("event_hub", ColumnType::Varchar),
    ("partition_id", ColumnType::Integer),
    ("window_start", ColumnType::Timestamp),
    ("first_sequence_number", ColumnType::BigInt),
    ("last_sequence_number", ColumnType::BigInt),
    ("records", ColumnType::BigInt),
    ("loaded", ColumnType::BigInt),
    ("rejected", ColumnType::BigInt),
    ("status", ColumnType::Varchar),
    ("reason", ColumnType::Varchar),
    ("damaged_at", ColumnType::BigInt),
    ("loaded_at", ColumnType::Timestamp),
    // Last: a ledger that was made before there was this column is written without it.
    ("skipped", ColumnType::BigInt),
];

const KEY: [&str; 3] = ["container", "target", "blob"];

/// A page of a listing is a range of names, and so a range of the primary key: nothing else is read.
const DONE: &str = "SELECT blob, etag FROM capture_files \
     WHERE container = $1 AND target = $2 AND blob >= $3 AND blob <= $4";

impl Session {
    /// Which files between two names (both included) are done: their etags by name.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn files_done(
        &self,
        container: &str,
        target: &str,
        first: &str,
        last: &str,
    ) -> Result<HashMap<String, String>, StoreError> {
        let rows = self.query(DONE, &[container, target, first, last]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Notes files as done, replacing what was known of them. Their records must be durable.
    ///
    /// # Errors
    /// When the store cannot be asked; the files then count as not done, whatever was applied.
    pub async fn note_files(&self, container: &str, target: &str, entries: &[Entry]) -> Result<(), StoreError> {
        let mut batch = batch(container, target, entries);
        let skips = entries.iter().any(|entry| entry.contents.skipped > 0);
        let columns = if skips { &COLUMNS[..] } else { &COLUMNS[..COLUMNS.len() - 1] };
        batch.columns.truncate(columns.len());
        self.insert_own("capture_files", columns, &KEY, &batch).await
    }

    /// Whether the ledger has a place for records that were skipped; one that an earlier version made has none.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn ledger_notes_skipped(&self) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' \
             AND table_name = 'capture_files' AND column_name = 'skipped'";
        Ok(self.query_number(SQL).await? > 0)
    }
}

fn batch(container: &str, target: &str, entries: &[Entry]) -> Batch {
    let mut columns = vec![ArrayLiteral::default(); COLUMNS.len()];
    for Entry { file, contents, loaded, rejected, loaded_at } in entries {
        let (reason, damaged_at) = match &contents.outcome {
            Outcome::Loaded => (None, None),
            Outcome::Quarantined { reason, at } => (Some(reason.as_str()), Some(*at)),
        };
        let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let first = contents.span.map(|span| span.first.0);
        let last = contents.span.map(|span| span.last.0);
        for (column, (name, _)) in columns.iter_mut().zip(COLUMNS) {
            match name {
                "container" => column.push_text(container),
                "target" => column.push_text(target),
                "blob" => column.push_text(&file.blob),
                "etag" => column.push_text(&file.etag),
                "size" => column.push_integer(integer(file.size)),
                "event_hub" => column.push_text(file.name.hub.name()),
                "partition_id" => column.push_integer(i64::from(file.name.partition.0)),
                "window_start" => push_time(column, file.name.window_start),
                "first_sequence_number" => push_option(column, first),
                "last_sequence_number" => push_option(column, last),
                "records" => column.push_integer(integer(contents.records)),
                "loaded" => column.push_integer(integer(*loaded)),
                "rejected" => column.push_integer(integer(*rejected)),
                "status" => column.push_text(contents.outcome.status()),
                "reason" => column.push_text_or_null(reason),
                "damaged_at" => push_option(column, damaged_at.map(integer)),
                "loaded_at" => push_time(column, *loaded_at),
                "skipped" => column.push_integer(integer(contents.skipped)),
                name => unreachable!("column {name} of the ledger has no value"),
            }
        }
    }
    Batch { columns: columns.iter_mut().map(ArrayLiteral::take).collect(), rows: entries.len() }
}

fn push_option(column: &mut ArrayLiteral, number: Option<i64>) {
    match number {
        Some(number) => column.push_integer(number),
        None => column.push_null(),
    }
}

pub(super) fn push_time(column: &mut ArrayLiteral, at: OffsetDateTime) {
    column.push_with(|out| EnqueuedTime::from_utc(at).push_sql(out));
}
