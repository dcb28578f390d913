use std::collections::HashSet;

use time::OffsetDateTime;

use super::error::StoreError;
use super::ledger::push_time;
use super::session::Session;
use super::statement::Conflict;
use crate::rows::{ArrayLiteral, Batch, ColumnType, Envelope};

const COLUMNS: [(&str, ColumnType); 10] = [
    ("target", ColumnType::Varchar),
    ("event_hub", ColumnType::Varchar),
    ("partition_id", ColumnType::Integer),
    ("sequence_number", ColumnType::BigInt),
    ("enqueued_at", ColumnType::Timestamp),
    ("blob", ColumnType::Varchar),
    ("reason", ColumnType::Varchar),
    ("body", ColumnType::Varchar),
    ("body_bytes", ColumnType::Bytea),
    ("rejected_at", ColumnType::Timestamp),
];

const KEY: [&str; 5] = ["target", "event_hub", "partition_id", "sequence_number", "enqueued_at"];

/// A record that does not fit its table, whole, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected<'a> {
    /// What identifies it.
    pub envelope: Envelope<'a>,
    /// The file it stands in.
    pub blob: &'a str,
    /// Why it is no row.
    pub reason: &'a str,
    /// Its payload.
    pub body: Option<&'a [u8]>,
}

impl Session {
    /// Writes rejected records; not durable before a flush, and a repeat replaces.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn note_rejected(&self, target: &str, rejected: &[Rejected<'_>]) -> Result<(), StoreError> {
        let batch = batch(target, rejected, OffsetDateTime::now_utc());
        self.insert_columns("rejected_events", &COLUMNS, &KEY, Conflict::Replace, &batch).await
    }
}

fn batch(target: &str, rejected: &[Rejected<'_>], now: OffsetDateTime) -> Batch {
    let mut columns = vec![ArrayLiteral::default(); COLUMNS.len()];
    // Files may overlap, but PostgreSQL replaces no row twice in one statement.
    let mut seen = HashSet::with_capacity(rejected.len());
    let once = rejected.iter().filter(|Rejected { envelope, .. }| {
        seen.insert((envelope.event_hub, envelope.partition, envelope.sequence_number, envelope.enqueued_time))
    });
    let mut rows = 0;
    for Rejected { envelope, blob, reason, body } in once {
        rows += 1;
        let text = body.and_then(|body| std::str::from_utf8(body).ok()).filter(|text| !text.contains('\0'));
        let bytes = if text.is_some() { None } else { *body };
        for (column, (name, _)) in columns.iter_mut().zip(COLUMNS) {
            match name {
                "target" => column.push_text(target),
                "event_hub" => column.push_text(envelope.event_hub),
                "partition_id" => column.push_integer(i64::from(envelope.partition.0)),
                "sequence_number" => column.push_integer(envelope.sequence_number.0),
                "enqueued_at" => push_time(column, envelope.enqueued_time.utc()),
                "blob" => column.push_text(blob),
                "reason" => column.push_text(&reason.replace('\0', "\\0")),
                "body" => column.push_text_or_null(text),
                "body_bytes" => match bytes {
                    Some(bytes) => column.push_bytes(bytes),
                    None => column.push_null(),
                },
                "rejected_at" => push_time(column, now),
                name => unreachable!("column {name} of the rejected records has no value"),
            }
        }
    }
    Batch { columns: columns.iter_mut().map(ArrayLiteral::take).collect(), rows }
}
