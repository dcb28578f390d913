use std::borrow::Cow;
use std::collections::HashSet;

use time::OffsetDateTime;

use super::audit::{identity, number, text};
use super::error::StoreError;
use super::fault::Fault;
use super::ledger::push_time;
use super::prune::Identity;
use super::session::{Cell, Session};
use super::statement::literal;
use crate::capture::PartitionId;
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

/// Which record was rejected, and the file it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Which it is in its partition.
    pub record: Identity,
    /// The file.
    pub blob: String,
}

/// How much of a record its note holds. A store may refuse a text that its encoding has no letters for, and a note that
/// it refuses must neither stop the loader nor be tried for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Note {
    /// Texts as texts.
    Whole,
    /// Texts as bytes, unless they are ASCII.
    Bytes,
    /// Only which record it is, and why it was rejected.
    Bare,
}

impl Session {
    /// The files of a hub that have records in `rejected_events`.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn rejected_files(&self, target: &str, hub: &str) -> Result<Vec<(PartitionId, String)>, StoreError> {
        let sql = format!(
            "SELECT DISTINCT partition_id, blob FROM rejected_events WHERE target = {} AND event_hub = {}",
            literal(target),
            literal(hub)
        );
        let (_, rows) = self.query_text(&sql).await?;
        Ok(rows.iter().filter_map(|row| Some((PartitionId(number(row, 0)?), text(row, 1)))).collect())
    }

    /// The rejected records of a partition that stand in one of these files, in order.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn rejections(
        &self,
        target: &str,
        hub: &str,
        partition: PartitionId,
        blobs: &[&str],
    ) -> Result<Vec<Rejection>, StoreError> {
        if blobs.is_empty() {
            return Ok(Vec::new());
        }
        let blobs: Vec<_> = blobs.iter().map(|blob| literal(blob)).collect();
        let sql = format!(
            "SELECT sequence_number, enqueued_at, blob FROM rejected_events \
             WHERE target = {} AND event_hub = {} AND partition_id = {partition} AND blob IN ({}) \
             ORDER BY sequence_number, enqueued_at",
            literal(target),
            literal(hub),
            blobs.join(", ")
        );
        let (_, rows) = self.query_text(&sql).await?;
        let rejection = |row: &Vec<Cell>| Some(Rejection { record: identity(row)?, blob: text(row, 2) });
        Ok(rows.iter().filter_map(rejection).collect())
    }

    /// Writes rejected records; not durable before a flush, and a repeat replaces. What the store does not take of a
    /// record is noted in a form that it does.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn note_rejected(&self, target: &str, rejected: &[Rejected<'_>]) -> Result<(), StoreError> {
        let now = OffsetDateTime::now_utc();
        let mut refusal = None;
        for note in [Note::Whole, Note::Bytes, Note::Bare] {
            let batch = batch(target, rejected, note, now);
            match self.insert_own("rejected_events", &COLUMNS, &KEY, &batch).await {
                Err(error) if error.fault() == Fault::Data => refusal = Some(error),
                noted => return noted,
            }
        }
        refusal.map_or(Ok(()), Err)
    }
}

impl Note {
    fn text(self, body: Option<&[u8]>) -> Option<&str> {
        let text = body.and_then(|body| std::str::from_utf8(body).ok()).filter(|text| !text.contains('\0'))?;
        match self {
            Note::Whole => Some(text),
            Note::Bytes => Some(text).filter(|text| text.is_ascii()),
            Note::Bare => None,
        }
    }

    fn reason(self, reason: &str) -> Cow<'_, str> {
        match self {
            Note::Whole if !reason.contains('\0') => Cow::Borrowed(reason),
            Note::Whole => Cow::Owned(reason.replace('\0', "\\0")),
            Note::Bytes => Cow::Owned(ascii(reason)),
            Note::Bare => Cow::Owned(format!("{} (the store takes no note of its body)", ascii(reason))),
        }
    }
}

/// The text with what is not ASCII written out: `Zo\u{eb}`.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push_str("\\0"),
            c if c.is_ascii() => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    out
}

fn batch(target: &str, rejected: &[Rejected<'_>], note: Note, now: OffsetDateTime) -> Batch {
    let mut columns = vec![ArrayLiteral::default(); COLUMNS.len()];
    // Files may overlap, but PostgreSQL replaces no row twice in one statement.
    let mut seen = HashSet::with_capacity(rejected.len());
    let once = rejected.iter().filter(|Rejected { envelope, .. }| {
        seen.insert((envelope.event_hub, envelope.partition, envelope.sequence_number, envelope.enqueued_time))
    });
    let mut rows = 0;
    for Rejected { envelope, blob, reason, body } in once {
        rows += 1;
        let text = note.text(*body);
        let bytes = if text.is_some() || note == Note::Bare { None } else { *body };
        for (column, (name, _)) in columns.iter_mut().zip(COLUMNS) {
            match name {
                "target" => column.push_text(target),
                "event_hub" => column.push_text(envelope.event_hub),
                "partition_id" => column.push_integer(i64::from(envelope.partition.0)),
                "sequence_number" => column.push_integer(envelope.sequence_number.0),
                "enqueued_at" => push_time(column, envelope.enqueued_time.utc()),
                "blob" => column.push_text(blob),
                "reason" => column.push_text(&note.reason(reason)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};

    #[test]
    fn a_note_holds_what_the_store_can_take() {
        let envelope = Envelope {
            event_hub: "hub",
            partition: PartitionId(0),
            sequence_number: SequenceNumber(7),
            enqueued_time: EnqueuedTime::from_utc(OffsetDateTime::UNIX_EPOCH),
        };
        let body = "Zoë".as_bytes();
        let rejected = [Rejected { envelope, blob: "b", reason: "field `名\0`", body: Some(body) }];
        let noted = |note| {
            let batch = batch("t", &rejected, note, OffsetDateTime::UNIX_EPOCH);
            [6, 7, 8].map(|column| batch.columns[column].clone())
        };
        let texts = |[reason, body, bytes]: [&str; 3]| [reason, body, bytes].map(str::to_owned);
        assert_eq!(noted(Note::Whole), texts([r#"{"field `名\\0`"}"#, r#"{"Zoë"}"#, "{NULL}"]));
        let bytes = r#"{"\\x5a6fc3ab"}"#;
        assert_eq!(noted(Note::Bytes), texts([r#"{"field `\\u{540d}\\0`"}"#, "{NULL}", bytes]));
        let bare = r#"{"field `\\u{540d}\\0` (the store takes no note of its body)"}"#;
        assert_eq!(noted(Note::Bare), texts([bare, "{NULL}", "{NULL}"]));
    }
}
