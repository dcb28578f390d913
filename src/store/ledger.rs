use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use time::OffsetDateTime;

use super::error::StoreError;
use super::session::Session;
use super::statement::literal;
use crate::capture::EnqueuedTime;
use crate::ledger::{Entry, FileVersion, Outcome, Span};
use crate::rows::{ArrayLiteral, Batch, ColumnType};

const COLUMNS: [(&str, ColumnType); 22] = [
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
    ("skipped", ColumnType::BigInt),
    ("unmapped", ColumnType::BigInt),
    ("table_rows", ColumnType::BigInt),
    ("committed_at", ColumnType::Timestamp),
    ("last_enqueued_at", ColumnType::Timestamp),
];

/// Columns that a ledger made by an earlier version lacks until `init` adds them.
const ADDED: [(&str, &str); 5] = [
    ("skipped", "bigint"),
    ("unmapped", "bigint"),
    ("table_rows", "bigint"),
    ("committed_at", "timestamp"),
    ("last_enqueued_at", "timestamp"),
];

const KEY: [&str; 3] = ["container", "target", "blob"];

/// A page of a listing is a range of names, and so a range of the primary key: nothing else is read.
const DONE: &str = "SELECT blob, etag FROM capture_files \
     WHERE container = $1 AND target = $2 AND blob >= $3 AND blob <= $4";

/// Names in one statement.
pub(super) const NAMES: usize = 500;

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

    /// Which of these files the ledger has rows of, whatever they say.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn files_noted(
        &self,
        container: &str,
        target: &str,
        blobs: &[&str],
    ) -> Result<HashSet<String>, StoreError> {
        let mut noted = HashSet::new();
        for blobs in blobs.chunks(NAMES) {
            // Constants, so that only these keys are read.
            let names: Vec<_> = blobs.iter().map(|blob| literal(blob)).collect();
            let sql = format!(
                "SELECT blob FROM capture_files WHERE container = {} AND target = {} AND blob IN ({})",
                literal(container),
                literal(target),
                names.join(", ")
            );
            let (_, rows) = self.query_text(&sql).await?;
            noted.extend(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()));
        }
        Ok(noted)
    }

    /// Notes files as done, replacing what was known of them. Their records must be durable.
    ///
    /// # Errors
    /// When the store cannot be asked; the files then count as not done, whatever was applied.
    pub async fn note_files(&self, container: &str, target: &str, entries: &[Entry]) -> Result<(), StoreError> {
        let rows = entries.iter().map(|Entry { file, contents, loaded, rows, rejected, loaded_at }| {
            let (reason, damaged_at) = match &contents.outcome {
                Outcome::Loaded => (None, None),
                Outcome::Quarantined { reason, at } => (Some(reason.as_str()), *at),
            };
            Row {
                file,
                etag: &file.etag,
                span: contents.span,
                records: contents.records,
                loaded: *loaded,
                rejected: *rejected,
                status: contents.outcome.status(),
                reason,
                damaged_at,
                loaded_at: Some(*loaded_at),
                skipped: contents.skipped,
                unmapped: contents.unmapped,
                table_rows: *rows,
                committed_at: file.committed_at,
                last_enqueued_at: contents.last_enqueued_at.map(EnqueuedTime::utc),
            }
        });
        self.note(container, target, rows).await
    }

    /// Notes files as not done, whatever was known of them, each with what it waits for.
    ///
    /// # Errors
    /// When the store cannot be asked; some may be noted.
    pub async fn note_waiting(
        &self,
        container: &str,
        target: &str,
        files: impl IntoIterator<Item = (&FileVersion, &str)>,
    ) -> Result<(), StoreError> {
        let rows = files.into_iter().map(|(file, reason)| Row {
            file,
            // No version of a file has it, so every listing takes the file for a new one.
            etag: "",
            span: None,
            records: 0,
            loaded: 0,
            rejected: 0,
            status: WAITING,
            reason: Some(reason),
            damaged_at: None,
            loaded_at: None,
            skipped: 0,
            unmapped: 0,
            table_rows: None,
            committed_at: file.committed_at,
            last_enqueued_at: None,
        });
        self.note(container, target, rows).await
    }

    async fn note<'r>(
        &self,
        container: &str,
        target: &str,
        rows: impl Iterator<Item = Row<'r>>,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = rows.collect();
        let counts = rows.iter().any(|row| row.table_rows.is_some());
        let skips = rows.iter().any(|row| row.skipped > 0);
        // Worth a look only where something went nowhere, and then still no reason to fail.
        let drops = rows.iter().any(|row| row.unmapped > 0) && self.ledger_has("unmapped").await?;
        let timed = [self.ledger_has("committed_at").await?, self.ledger_has("last_enqueued_at").await?];
        let wanted = |name: &str| match name {
            "skipped" => skips,
            "unmapped" => drops,
            "table_rows" => counts,
            "committed_at" => timed[0],
            "last_enqueued_at" => timed[1],
            _ => true,
        };
        let columns: Vec<_> = COLUMNS.into_iter().filter(|(name, _)| wanted(name)).collect();
        let batch = batch(container, target, &columns, rows.into_iter());
        self.insert_own("capture_files", &columns, &KEY, &batch).await
    }

    /// Whether the ledger has a column; one that an earlier version made lacks some.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn ledger_has(&self, column: &str) -> Result<bool, StoreError> {
        if self.ledger_columns().contains(column) {
            return Ok(true);
        }
        let sql = format!(
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' \
             AND table_name = 'capture_files' AND column_name = {}",
            literal(column)
        );
        let has = self.query_number(&sql).await? > 0;
        if has {
            self.ledger_columns().insert(column.to_owned());
        }
        Ok(has)
    }

    /// Adds the columns that a ledger of an earlier version lacks.
    ///
    /// # Errors
    /// When the store refuses. It may be called again.
    pub(super) async fn complete_ledger(&self) -> Result<(), StoreError> {
        for (column, kind) in ADDED {
            if !self.ledger_has(column).await? {
                self.execute_script(&format!("ALTER TABLE capture_files ADD COLUMN {column} {kind}")).await?;
            }
        }
        Ok(())
    }
}

/// The `status` of a file that is known and not done.
pub(super) const WAITING: &str = "waiting";
/// The `status` of a file whose rows were deleted for their age.
pub(super) const PRUNED: &str = "pruned";

/// What a row says beside whose file it is.
struct Row<'r> {
    file: &'r FileVersion,
    etag: &'r str,
    span: Option<Span>,
    records: u64,
    loaded: u64,
    rejected: u64,
    status: &'static str,
    reason: Option<&'r str>,
    damaged_at: Option<u64>,
    loaded_at: Option<OffsetDateTime>,
    skipped: u64,
    unmapped: u64,
    table_rows: Option<u64>,
    committed_at: Option<OffsetDateTime>,
    last_enqueued_at: Option<OffsetDateTime>,
}

fn batch<'r>(
    container: &str,
    target: &str,
    wanted: &[(&str, ColumnType)],
    entries: impl Iterator<Item = Row<'r>>,
) -> Batch {
    let mut columns = vec![ArrayLiteral::default(); wanted.len()];
    let mut rows = 0;
    for row in entries {
        rows += 1;
        let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for (column, (name, _)) in columns.iter_mut().zip(wanted) {
            match *name {
                "container" => column.push_text(container),
                "target" => column.push_text(target),
                "blob" => column.push_text(&row.file.blob),
                "etag" => column.push_text(row.etag),
                "size" => column.push_integer(integer(row.file.size)),
                "event_hub" => column.push_text(row.file.name.hub.name()),
                "partition_id" => column.push_integer(i64::from(row.file.name.partition.0)),
                "window_start" => push_time(column, row.file.name.window_start),
                "first_sequence_number" => push_option(column, row.span.map(|span| span.first.0)),
                "last_sequence_number" => push_option(column, row.span.map(|span| span.last.0)),
                "records" => column.push_integer(integer(row.records)),
                "loaded" => column.push_integer(integer(row.loaded)),
                "rejected" => column.push_integer(integer(row.rejected)),
                "status" => column.push_text(row.status),
                "reason" => column.push_text_or_null(row.reason),
                "damaged_at" => push_option(column, row.damaged_at.map(integer)),
                "loaded_at" => push_moment(column, row.loaded_at),
                "committed_at" => push_moment(column, row.committed_at),
                "last_enqueued_at" => push_moment(column, row.last_enqueued_at),
                "skipped" => column.push_integer(integer(row.skipped)),
                "unmapped" => column.push_integer(integer(row.unmapped)),
                "table_rows" => push_option(column, row.table_rows.map(integer)),
                name => unreachable!("column {name} of the ledger has no value"),
            }
        }
    }
    Batch { columns: columns.iter_mut().map(ArrayLiteral::take).collect(), rows }
}

fn push_option(column: &mut ArrayLiteral, number: Option<i64>) {
    match number {
        Some(number) => column.push_integer(number),
        None => column.push_null(),
    }
}

/// To the millisecond, as the time between two of them is of interest.
fn push_moment(column: &mut ArrayLiteral, at: Option<OffsetDateTime>) {
    match at {
        Some(at) => column.push_with(|out| {
            EnqueuedTime::from_utc(at).push_sql(out);
            let _ = write!(out, ".{:03}", at.millisecond());
        }),
        None => column.push_null(),
    }
}

pub(super) fn push_time(column: &mut ArrayLiteral, at: OffsetDateTime) {
    column.push_with(|out| EnqueuedTime::from_utc(at).push_sql(out));
}
