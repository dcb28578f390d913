//! Questions about what is in the store, for those who check it. Nothing here writes.

use std::collections::HashMap;
use std::str::FromStr;

use super::error::StoreError;
use super::ledger::{PRUNED, WAITING};
use super::session::{Cell, Session};
use super::statement::literal;
use super::table_name::quote_table;
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use crate::ledger::{CoveredFile, FileState, Span};

/// Whose records are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Numbers<'a> {
    /// The table they were loaded into, as the ledger names it.
    pub target: &'a str,
    /// The event hub.
    pub hub: &'a str,
    /// The partition.
    pub partition: PartitionId,
    /// From which sequence number to which.
    pub span: Span,
    /// Only what the broker took at that time or later, if one is given.
    pub since: Option<EnqueuedTime>,
    /// But for these, if any are left out.
    pub but: Option<Behind>,
}

/// What is behind the last number that files gave. Where numbers began again, rows of a former life of the hub have higher
/// ones too: then also only what the broker took at that record's time or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    pub(super) last: SequenceNumber,
    pub(super) since: Option<EnqueuedTime>,
}

impl Behind {
    /// Behind no file at all.
    pub const EVERYTHING: Behind = Behind { last: SequenceNumber(-1), since: None };

    /// Whether rows of a former life are told apart.
    pub fn is_of_a_life(&self) -> bool {
        self.since.is_some()
    }

    /// As a statement has it.
    pub(super) fn condition(&self) -> String {
        let since = self.since.map(|at| format!(" AND enqueued_at >= {}", time(at))).unwrap_or_default();
        format!("sequence_number > {}{since}", self.last)
    }
}

/// How many rows there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// All.
    pub rows: u64,
    /// Different sequence numbers among them.
    pub numbers: u64,
}

/// What the ledger says of one partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The table.
    pub target: String,
    /// The event hub.
    pub hub: String,
    /// The partition.
    pub partition: PartitionId,
    /// Files that are done.
    pub files: u64,
    /// Those of them that are quarantined.
    pub quarantined: u64,
    /// Records in them.
    pub records: u64,
    /// Records in `rejected_events`.
    pub rejected: u64,
    /// Values of their records that went nowhere, for want of a column.
    pub unmapped: u64,
    /// The last number of the file with the newest window that has any.
    pub last: Option<SequenceNumber>,
    /// How long ago that was, by the server's clock, in seconds.
    pub loaded_ago: Option<f64>,
    /// How long ago the newest window began, by the server's clock, in seconds.
    pub window_ago: Option<f64>,
    /// The highest number of any file, which is more where the hub was made anew.
    pub highest: Option<SequenceNumber>,
}

/// A partition's file with the newest window that has records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestFile {
    /// The partition.
    pub partition: PartitionId,
    /// Its name in the container that was asked for.
    pub blob: String,
    /// The version that was loaded.
    pub etag: String,
    /// The last number in it.
    pub last: SequenceNumber,
    /// When the broker took its last record, where the ledger has that.
    pub last_enqueued_at: Option<EnqueuedTime>,
}

impl Session {
    /// The newest file with records of each partition of a hub that was loaded from a container.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn newest_files(&self, container: &str, target: &str, hub: &str) -> Result<Vec<NewestFile>, StoreError> {
        let of_hub = format!(
            "container = {} AND target = {} AND event_hub = {} AND status = 'loaded' AND records > 0",
            literal(container),
            literal(target),
            literal(hub)
        );
        let at = if self.ledger_has("last_enqueued_at").await? { "f.last_enqueued_at" } else { "NULL" };
        let sql = format!(
            "SELECT f.partition_id, f.blob, f.etag, f.last_sequence_number, {at} FROM capture_files f JOIN (\
             SELECT partition_id, max(window_start) AS newest FROM capture_files WHERE {of_hub} GROUP BY partition_id) n \
             ON n.partition_id = f.partition_id AND n.newest = f.window_start WHERE {of_hub}"
        );
        let (_, rows) = self.query_text(&sql).await?;
        let file = |row: &Vec<Cell>| {
            Some(NewestFile {
                partition: PartitionId(number(row, 0)?),
                blob: text(row, 1),
                etag: text(row, 2),
                last: SequenceNumber(number(row, 3)?),
                last_enqueued_at: row.get(4).and_then(Option::as_deref).and_then(EnqueuedTime::parse_sql),
            })
        };
        Ok(rows.iter().filter_map(file).collect())
    }

    /// Which hubs' files the ledger has, and for which tables: (target, hub).
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn ledger_routes(&self) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT DISTINCT target, event_hub FROM capture_files ORDER BY target, event_hub";
        let (_, rows) = self.query_text(sql).await?;
        Ok(rows.into_iter().map(|row| (text(&row, 0), text(&row, 1))).collect())
    }

    /// Which partitions of a hub the ledger has files of, for a table.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn ledger_partitions(&self, target: &str, hub: &str) -> Result<Vec<PartitionId>, StoreError> {
        let sql = format!(
            "SELECT DISTINCT partition_id FROM capture_files WHERE target = {} AND event_hub = {}",
            literal(target),
            literal(hub)
        );
        let (_, rows) = self.query_text(&sql).await?;
        Ok(rows.iter().filter_map(|row| number(row, 0)).map(PartitionId).collect())
    }

    /// Every file of a partition that the ledger has for a table.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn ledger_files(
        &self,
        target: &str,
        hub: &str,
        partition: PartitionId,
    ) -> Result<Vec<CoveredFile>, StoreError> {
        let skipped = if self.ledger_has("skipped").await? { "skipped" } else { "0" };
        let rows = if self.ledger_has("table_rows").await? { "table_rows" } else { "NULL::bigint" };
        let sql = format!(
            "SELECT container, blob, etag, window_start, first_sequence_number, last_sequence_number, records, loaded, \
             rejected, status, reason, damaged_at, {skipped}, {rows} FROM capture_files \
             WHERE target = {} AND event_hub = {} AND partition_id = {partition} AND status <> '{WAITING}'",
            literal(target),
            literal(hub)
        );
        let (_, rows) = self.query_text(&sql).await?;
        let file = |row: &Vec<Cell>| {
            let span = number(row, 4).zip(number(row, 5));
            let state = match text(row, 9).as_str() {
                "loaded" => FileState::Loaded,
                PRUNED => FileState::Pruned,
                _ if number::<u64>(row, 11).is_none() => FileState::NotKept(text(row, 10)),
                _ => FileState::Damaged(text(row, 10)),
            };
            CoveredFile {
                container: text(row, 0),
                blob: text(row, 1),
                etag: text(row, 2),
                window_start: text(row, 3),
                span: span.map(|(first, last)| Span { first: SequenceNumber(first), last: SequenceNumber(last) }),
                records: number(row, 6).unwrap_or(0),
                loaded: number(row, 7).unwrap_or(0),
                rows: number(row, 13).or_else(|| number(row, 7)).unwrap_or(0),
                is_indexed: number::<u64>(row, 13).is_some(),
                rejected: number(row, 8).unwrap_or(0),
                skipped: number(row, 12).unwrap_or(0),
                state,
            }
        };
        Ok(rows.iter().map(file).collect())
    }

    /// What the ledger says of files of a partition that are not done, by their names.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn ledger_waiting(
        &self,
        target: &str,
        hub: &str,
        partition: PartitionId,
    ) -> Result<HashMap<String, String>, StoreError> {
        let sql = format!(
            "SELECT blob, reason FROM capture_files \
             WHERE target = {} AND event_hub = {} AND partition_id = {partition} AND status = '{WAITING}'",
            literal(target),
            literal(hub)
        );
        let (_, rows) = self.query_text(&sql).await?;
        Ok(rows.iter().map(|row| (text(row, 0), text(row, 1))).collect())
    }

    /// How many rows of the target have these numbers. Reads a range of its primary key.
    ///
    /// # Errors
    /// When the store cannot be asked, or has no such table.
    pub async fn count_rows(&self, wanted: &Numbers<'_>) -> Result<Counted, StoreError> {
        let sql = format!(
            "SELECT count(*), count(DISTINCT sequence_number) FROM {} WHERE {}",
            quote_table(wanted.target),
            wanted.condition()
        );
        self.counted(&sql).await
    }

    /// How many rejected records of the target have these numbers.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn count_rejected(&self, wanted: &Numbers<'_>) -> Result<Counted, StoreError> {
        let sql = format!(
            "SELECT count(*), count(DISTINCT sequence_number) FROM rejected_events WHERE target = {} AND {}",
            literal(wanted.target),
            wanted.condition()
        );
        self.counted(&sql).await
    }

    /// Records that are in the target more than once, or of whose rows one is; `is_indexed` says whether the table tells
    /// a record's rows apart. The number, the time that completes its identity, and how many
    /// rows it has. At most `most`.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn doubled(
        &self,
        wanted: &Numbers<'_>,
        is_indexed: bool,
        most: usize,
    ) -> Result<Vec<(SequenceNumber, String, u64)>, StoreError> {
        let index = if is_indexed { ", event_index" } else { "" };
        let sql = format!(
            "SELECT sequence_number, enqueued_at, count(*) FROM {} WHERE {} \
             GROUP BY sequence_number, enqueued_at{index} HAVING count(*) > 1 ORDER BY sequence_number LIMIT {most}",
            quote_table(wanted.target),
            wanted.condition()
        );
        let (_, rows) = self.query_text(&sql).await?;
        let row =
            |row: &Vec<Cell>| (SequenceNumber(number(row, 0).unwrap_or(0)), text(row, 1), number(row, 2).unwrap_or(0));
        Ok(rows.iter().map(row).collect())
    }

    /// What identifies each row and each rejected record of the target with these numbers beyond its partition.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn identities(&self, wanted: &Numbers<'_>) -> Result<Vec<(SequenceNumber, EnqueuedTime)>, StoreError> {
        let condition = wanted.condition();
        let sql = format!(
            "SELECT sequence_number, enqueued_at FROM {} WHERE {condition} UNION \
             SELECT sequence_number, enqueued_at FROM rejected_events WHERE target = {} AND {condition}",
            quote_table(wanted.target),
            literal(wanted.target)
        );
        let (_, rows) = self.query_text(&sql).await?;
        Ok(rows.iter().filter_map(|row| identity(row)).collect())
    }

    /// The ledger in short, a line a partition.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn ledger_summary(&self) -> Result<Vec<Summary>, StoreError> {
        let unmapped = if self.ledger_has("unmapped").await? { "sum(f.unmapped)::bigint" } else { "0" };
        let sql = format!(
            "SELECT f.target, f.event_hub, f.partition_id, count(*), \
             sum(CASE WHEN f.status = 'quarantined' THEN 1 ELSE 0 END)::bigint, \
             sum(f.records)::bigint, sum(f.rejected)::bigint, {unmapped}, \
             max(CASE WHEN f.window_start = n.newest THEN f.last_sequence_number END), \
             extract(epoch FROM now()) - extract(epoch FROM max(f.loaded_at)), \
             extract(epoch FROM now()) - extract(epoch FROM max(f.window_start)), \
             max(f.last_sequence_number) \
             FROM capture_files f LEFT JOIN (\
             SELECT target, event_hub, partition_id, max(window_start) AS newest FROM capture_files \
             WHERE records > 0 GROUP BY target, event_hub, partition_id) n \
             ON n.target = f.target AND n.event_hub = f.event_hub AND n.partition_id = f.partition_id \
             WHERE f.status <> 'waiting' GROUP BY f.target, f.event_hub, f.partition_id \
             ORDER BY f.target, f.event_hub, f.partition_id"
        );
        let (_, rows) = self.query_text(&sql).await?;
        let summary = |row: &Vec<Cell>| Summary {
            target: text(row, 0),
            hub: text(row, 1),
            partition: PartitionId(number(row, 2).unwrap_or(-1)),
            files: number(row, 3).unwrap_or(0),
            quarantined: number(row, 4).unwrap_or(0),
            records: number(row, 5).unwrap_or(0),
            rejected: number(row, 6).unwrap_or(0),
            unmapped: number(row, 7).unwrap_or(0),
            last: number(row, 8).map(SequenceNumber),
            loaded_ago: number(row, 9),
            window_ago: number(row, 10),
            highest: number(row, 11).map(SequenceNumber),
        };
        Ok(rows.iter().map(summary).collect())
    }

    async fn counted(&self, sql: &str) -> Result<Counted, StoreError> {
        let (_, rows) = self.query_text(sql).await?;
        let row = rows.first().map(Vec::as_slice).unwrap_or_default();
        match (number(row, 0), number(row, 1)) {
            (Some(rows), Some(numbers)) => Ok(Counted { rows, numbers }),
            _ => Err(StoreError::permanent(self.address(), format!("`{sql}` gave no numbers"))),
        }
    }
}

impl Numbers<'_> {
    pub(super) fn condition(&self) -> String {
        let Span { first, last } = self.span;
        let since = self.since.map(|at| format!(" AND enqueued_at >= {}", time(at))).unwrap_or_default();
        let but = self.but.map(|but| format!(" AND NOT ({})", but.condition())).unwrap_or_default();
        format!(
            "event_hub = {} AND partition_id = {} AND sequence_number >= {first} AND sequence_number <= {last}{since}{but}",
            literal(self.hub),
            self.partition
        )
    }
}

/// A time as a statement has it.
pub(super) fn time(at: EnqueuedTime) -> String {
    format!("'{}'::timestamp", at.sql())
}

/// A number and the time beside it.
pub(super) fn identity(row: &[Cell]) -> Option<(SequenceNumber, EnqueuedTime)> {
    Some((SequenceNumber(number(row, 0)?), EnqueuedTime::parse_sql(row.get(1)?.as_deref()?)?))
}

pub(super) fn text(row: &[Cell], at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}

pub(super) fn number<T: FromStr>(row: &[Cell], at: usize) -> Option<T> {
    row.get(at)?.as_deref()?.parse().ok()
}
