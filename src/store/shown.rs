//! What a page shows people of the ledger: each question is one statement whose answer is short.

use super::audit::{number, text};
use super::error::StoreError;
use super::ledger::WAITING;
use super::session::{Cell, Session};
use super::statement::literal;

/// What the ledger says of one partition of a target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerPlace {
    /// The table.
    pub target: String,
    /// The event hub.
    pub hub: String,
    /// The partition.
    pub partition: i32,
    /// Files that are done.
    pub files: u64,
    /// Records of theirs that are in the table.
    pub loaded: u64,
    /// And in `rejected_events`.
    pub rejected: u64,
    /// Files that are damaged.
    pub quarantined: u64,
    /// Files that cannot be read yet.
    pub waiting: u64,
    /// The highest number of any.
    pub last: Option<i64>,
    /// The newest window of those that are done, as the store writes times.
    pub newest_window: Option<String>,
    /// When a file was noted last.
    pub loaded_at: Option<String>,
}

/// A file as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerFile {
    /// The table.
    pub target: String,
    /// Its name.
    pub blob: String,
    /// `loaded`, `waiting` or `quarantined`.
    pub status: String,
    /// How many records it has.
    pub records: u64,
    /// How many of them were rejected.
    pub rejected: u64,
    /// Why it is not loaded.
    pub reason: Option<String>,
    /// When it was noted, if it is done.
    pub loaded_at: Option<String>,
}

/// A record that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRecord {
    /// The table.
    pub target: String,
    /// The event hub.
    pub hub: String,
    /// The partition.
    pub partition: i32,
    /// Its number.
    pub number: i64,
    /// When the broker took it.
    pub enqueued_at: String,
    /// The file it is in.
    pub blob: String,
    /// Why it is no row.
    pub reason: String,
    /// The beginning of its body; none where it is no text.
    pub body: Option<String>,
    /// How many characters that body has.
    pub length: u64,
    /// When it was rejected.
    pub rejected_at: String,
}

/// How much of a body is shown.
const BODY: usize = 2000;

impl Session {
    /// What the ledger says of each partition of these targets.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn ledger_places(&self, targets: &[&str]) -> Result<Vec<LedgerPlace>, StoreError> {
        let sql = format!(
            "SELECT target, event_hub, partition_id, \
             sum(CASE WHEN status = '{WAITING}' THEN 0 ELSE 1 END)::bigint, sum(loaded)::bigint, sum(rejected)::bigint, \
             sum(CASE WHEN status = 'quarantined' THEN 1 ELSE 0 END)::bigint, \
             sum(CASE WHEN status = '{WAITING}' THEN 1 ELSE 0 END)::bigint, max(last_sequence_number), \
             max(CASE WHEN status <> '{WAITING}' THEN window_start END), max(loaded_at) \
             FROM capture_files WHERE {} GROUP BY target, event_hub, partition_id",
            of(targets)
        );
        let (_, rows) = self.query_text(&page(&sql)).await?;
        let place = |row: &Vec<Cell>| LedgerPlace {
            target: text(row, 0),
            hub: text(row, 1),
            partition: number(row, 2).unwrap_or(-1),
            files: number(row, 3).unwrap_or(0),
            loaded: number(row, 4).unwrap_or(0),
            rejected: number(row, 5).unwrap_or(0),
            quarantined: number(row, 6).unwrap_or(0),
            waiting: number(row, 7).unwrap_or(0),
            last: number(row, 8),
            newest_window: row.get(9).cloned().flatten(),
            loaded_at: row.get(10).cloned().flatten(),
        };
        Ok(rows.iter().map(place).collect())
    }

    /// Of these targets the newest files that wait, that are damaged, and that are loaded, so many of each at most.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn newest_ledger_files(&self, targets: &[&str], most: usize) -> Result<Vec<LedgerFile>, StoreError> {
        let of = of(targets);
        let some = |status: &str, order: &str| {
            format!(
                "SELECT * FROM (SELECT target, blob, status, records, rejected, reason, loaded_at FROM capture_files \
                 WHERE {of} AND status = '{status}' ORDER BY {order} DESC LIMIT {most}) AS {status}"
            )
        };
        let parts = [some(WAITING, "window_start"), some("quarantined", "loaded_at"), some("loaded", "loaded_at")];
        let (_, rows) = self.query_text(&page(&parts.join(" UNION ALL "))).await?;
        let file = |row: &Vec<Cell>| LedgerFile {
            target: text(row, 0),
            blob: text(row, 1),
            status: text(row, 2),
            records: number(row, 3).unwrap_or(0),
            rejected: number(row, 4).unwrap_or(0),
            reason: row.get(5).cloned().flatten(),
            loaded_at: row.get(6).cloned().flatten(),
        };
        Ok(rows.iter().map(file).collect())
    }

    /// The records of these targets that were rejected last, so many at most.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn newest_rejected(&self, targets: &[&str], most: usize) -> Result<Vec<RejectedRecord>, StoreError> {
        let sql = format!(
            "SELECT target, event_hub, partition_id, sequence_number, enqueued_at, blob, reason, \
             substr(body, 1, {BODY}), length(body), rejected_at FROM rejected_events WHERE {} \
             ORDER BY rejected_at DESC LIMIT {most}",
            of(targets)
        );
        let (_, rows) = self.query_text(&page(&sql)).await?;
        let record = |row: &Vec<Cell>| RejectedRecord {
            target: text(row, 0),
            hub: text(row, 1),
            partition: number(row, 2).unwrap_or(-1),
            number: number(row, 3).unwrap_or(-1),
            enqueued_at: text(row, 4),
            blob: text(row, 5),
            reason: text(row, 6),
            body: row.get(7).cloned().flatten(),
            length: number(row, 8).unwrap_or(0),
            rejected_at: text(row, 9),
        };
        Ok(rows.iter().map(record).collect())
    }
}

/// The statement with a word for whoever reads the server's log.
pub(super) fn page(sql: &str) -> String {
    format!("/* deltawave page */ {sql}")
}

fn of(targets: &[&str]) -> String {
    let names: Vec<_> = targets.iter().map(|target| literal(target)).collect();
    format!("target IN ({})", names.join(", "))
}
