//! Deleting the records of one key, and remembering which they were, so that what is missing is not taken for lost.

use time::OffsetDateTime;

use super::audit::{identity, number, text};
use super::count::Shelf;
use super::error::StoreError;
use super::ledger::push_time;
use super::prune::{Identity, LATEST, records};
use super::session::{Cell, Session};
use super::statement::literal;
use super::table_name::{quote, quote_table};
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use crate::ledger::Forgotten;
use crate::rows::{ArrayLiteral, Batch, ColumnType};

const COLUMNS: [(&str, ColumnType); 7] = [
    ("target", ColumnType::Varchar),
    ("event_hub", ColumnType::Varchar),
    ("partition_id", ColumnType::Integer),
    ("sequence_number", ColumnType::BigInt),
    ("enqueued_at", ColumnType::Timestamp),
    ("rejected", ColumnType::Boolean),
    ("forgotten_at", ColumnType::Timestamp),
];

const KEY: [&str; 5] = ["target", "event_hub", "partition_id", "sequence_number", "enqueued_at"];

/// Records in one statement.
const RECORDS: usize = 500;

/// A column and a value of it, as a statement has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    column: String,
    value: String,
}

impl KeyValue {
    /// A value of a column of that type.
    ///
    /// # Errors
    /// When the text is no value of that type, or the type is one that no key has.
    pub fn new(column: &str, kind: ColumnType, text: &str) -> Result<KeyValue, String> {
        let value = match kind {
            ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => {
                text.parse::<i64>().map_err(|_| format!("`{text}` is no whole number, as {column} is"))?.to_string()
            }
            ColumnType::Varchar => literal(text),
            ColumnType::Numeric => {
                let digits = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.');
                if text.is_empty() || !text.chars().all(digits) {
                    return Err(format!("`{text}` is no number, as {column} is"));
                }
                format!("{}::numeric", literal(text))
            }
            other => return Err(format!("{column} is {}: a key is a number or a text", other.sql())),
        };
        Ok(KeyValue { column: column.to_owned(), value })
    }

    fn condition(&self) -> String {
        format!("{} = {}", quote(&self.column), self.value)
    }
}

/// A record, wherever in its target it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its hub.
    pub hub: String,
    /// Its partition.
    pub partition: PartitionId,
    /// Which it is there.
    pub record: Identity,
}

/// A rejected record, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedBody {
    /// Which it is.
    pub place: Place,
    /// The file it stands in.
    pub blob: String,
    /// Its body, where that is text.
    pub body: Option<String>,
    /// Its body, where it is not.
    pub bytes: Vec<u8>,
}

impl Session {
    /// The rows of a target that have this key.
    ///
    /// # Errors
    /// When the store cannot be asked, or the table has no such column.
    pub async fn rows_of(&self, target: &str, key: &KeyValue) -> Result<Vec<Place>, StoreError> {
        let sql = format!(
            "SELECT event_hub, partition_id, sequence_number, enqueued_at FROM {} WHERE {}",
            quote_table(target),
            key.condition()
        );
        let (_, rows) = self.query_text(&sql).await?;
        Ok(rows.iter().filter_map(|row| place(row)).collect())
    }

    /// The rejected records of a target whose bodies hold this text, or may hold it in escapes, or are no text.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn rejected_with(&self, target: &str, part: &str) -> Result<Vec<RejectedBody>, StoreError> {
        let part = literal(&format!("%{}%", part.replace(['%', '_', '\\'], "_")));
        let sql = format!(
            "SELECT event_hub, partition_id, sequence_number, enqueued_at, blob, body, body_bytes FROM rejected_events \
             WHERE target = {} AND (body LIKE {part} OR body LIKE '%\\\\u%' OR body_bytes IS NOT NULL)",
            literal(target)
        );
        let (_, rows) = self.query_text(&sql).await?;
        let rejected = |row: &Vec<Cell>| {
            let bytes = text(row, 6);
            Some(RejectedBody {
                place: place(row)?,
                blob: text(row, 4),
                body: row.get(5).cloned().flatten(),
                bytes: bytes.strip_prefix("\\x").map(hex).unwrap_or_default(),
            })
        };
        Ok(rows.iter().filter_map(rejected).collect())
    }

    /// Deletes records by what identifies them; not durable before a flush.
    ///
    /// # Errors
    /// When the store cannot be asked; some may be deleted.
    pub async fn delete_records(
        &self,
        target: &str,
        shelf: Shelf,
        hub: &str,
        partition: PartitionId,
        identities: &[Identity],
    ) -> Result<(), StoreError> {
        let table = match shelf {
            Shelf::Rows => format!("{} WHERE", quote_table(target)),
            Shelf::Rejected => format!("rejected_events WHERE target = {} AND", literal(target)),
        };
        for identities in identities.chunks(RECORDS) {
            let sql = format!(
                "DELETE FROM {table} event_hub = {} AND partition_id = {partition} AND {}",
                literal(hub),
                records(identities)
            );
            self.execute_script(&sql).await?;
        }
        Ok(())
    }

    /// How many users the latest state that is kept apart has under this key.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn count_latest(&self, key: &KeyValue) -> Result<i64, StoreError> {
        self.query_number(&format!("SELECT count(*) FROM {LATEST} WHERE {}", key.condition())).await
    }

    /// Deletes a key from the latest state that is kept apart; not durable before a flush.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn delete_latest(&self, key: &KeyValue) -> Result<(), StoreError> {
        self.execute_script(&format!("DELETE FROM {LATEST} WHERE {}", key.condition())).await
    }

    /// Deletes from the latest state that is kept apart what was made of these records of these users; not durable before
    /// a flush.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn delete_latest_records(&self, ids: &[String], identities: &[Identity]) -> Result<(), StoreError> {
        let pairs: Vec<_> = ids.iter().zip(identities).collect();
        for pairs in pairs.chunks(RECORDS) {
            let (ids, identities): (Vec<String>, Vec<Identity>) =
                pairs.iter().map(|(id, identity)| ((*id).clone(), **identity)).unzip();
            let sql = format!("DELETE FROM {LATEST} WHERE id IN ({}) AND {}", ids.join(", "), records(&identities));
            self.execute_script(&sql).await?;
        }
        Ok(())
    }

    /// Which partitions of a target have forgotten records; none where there is no such table.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn forgotten_partitions(&self, target: &str) -> Result<Vec<(String, PartitionId)>, StoreError> {
        if !self.has_table("forgotten_records").await? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT DISTINCT event_hub, partition_id FROM forgotten_records WHERE target = {} \
             ORDER BY event_hub, partition_id",
            literal(target)
        );
        let (_, rows) = self.query_text(&sql).await?;
        Ok(rows.iter().filter_map(|row| Some((text(row, 0), PartitionId(number(row, 1)?)))).collect())
    }

    /// The forgotten records of a partition, in order; none where there is no such table.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn forgotten(
        &self,
        target: &str,
        hub: &str,
        partition: PartitionId,
    ) -> Result<Vec<Forgotten>, StoreError> {
        if !self.has_table("forgotten_records").await? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT sequence_number, enqueued_at, rejected FROM forgotten_records \
             WHERE target = {} AND event_hub = {} AND partition_id = {partition} ORDER BY sequence_number",
            literal(target),
            literal(hub)
        );
        let (_, rows) = self.query_text(&sql).await?;
        let record = |row: &Vec<Cell>| {
            let (number, at) = identity(row)?;
            Some(Forgotten { number, at, rejected: text(row, 2).starts_with('t') })
        };
        Ok(rows.iter().filter_map(record).collect())
    }

    /// Which forgotten records of a partition are there all the same, on that shelf. With each, the row's `column`, if one
    /// is wanted.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn forgotten_there(
        &self,
        target: &str,
        shelf: Shelf,
        hub: &str,
        partition: PartitionId,
        column: Option<&str>,
    ) -> Result<Vec<(Identity, String)>, StoreError> {
        let (table, of_target) = match shelf {
            Shelf::Rows => (quote_table(target), ""),
            Shelf::Rejected => ("rejected_events".to_owned(), " AND t.target = f.target"),
        };
        let column = column.map(|column| format!(", t.{}", quote(column))).unwrap_or_default();
        let sql = format!(
            "SELECT f.sequence_number, f.enqueued_at{column} FROM forgotten_records AS f JOIN {table} AS t \
             ON t.event_hub = f.event_hub AND t.partition_id = f.partition_id \
             AND t.sequence_number = f.sequence_number AND t.enqueued_at = f.enqueued_at{of_target} \
             WHERE f.target = {} AND f.event_hub = {} AND f.partition_id = {partition}",
            literal(target),
            literal(hub)
        );
        let (_, rows) = self.query_text(&sql).await?;
        Ok(rows.iter().filter_map(|row| Some((identity(row)?, text(row, 2)))).collect())
    }

    /// Notes records as forgotten; not durable before a flush, and a repeat replaces.
    ///
    /// # Errors
    /// When the store cannot be asked; some may be noted.
    pub async fn note_forgotten(
        &self,
        target: &str,
        hub: &str,
        partition: PartitionId,
        forgotten: &[Forgotten],
    ) -> Result<(), StoreError> {
        for forgotten in forgotten.chunks(10 * RECORDS) {
            let now = OffsetDateTime::now_utc();
            let mut columns = vec![ArrayLiteral::default(); COLUMNS.len()];
            for record in forgotten {
                for (column, (name, _)) in columns.iter_mut().zip(COLUMNS) {
                    match name {
                        "target" => column.push_text(target),
                        "event_hub" => column.push_text(hub),
                        "partition_id" => column.push_integer(i64::from(partition.0)),
                        "sequence_number" => column.push_integer(record.number.0),
                        "enqueued_at" => push_time(column, record.at.utc()),
                        "rejected" => column.push_plain(if record.rejected { "t" } else { "f" }),
                        "forgotten_at" => push_time(column, now),
                        name => unreachable!("column {name} of the forgotten records has no value"),
                    }
                }
            }
            let batch = Batch { columns: columns.iter_mut().map(ArrayLiteral::take).collect(), rows: forgotten.len() };
            self.insert_own("forgotten_records", &COLUMNS, &KEY, &batch).await?;
        }
        Ok(())
    }
}

fn place(row: &[Cell]) -> Option<Place> {
    let at = EnqueuedTime::parse_sql(row.get(3)?.as_deref()?)?;
    let record = (SequenceNumber(number(row, 2)?), at);
    Some(Place { hub: text(row, 0), partition: PartitionId(number(row, 1)?), record })
}

fn hex(digits: &str) -> Vec<u8> {
    let digit = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..digits.len()).step_by(2).map_while(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_value_of_its_column() {
        let condition = |kind, text: &str| KeyValue::new("id", kind, text).map(|key| key.condition());
        assert_eq!(condition(ColumnType::Integer, "4711").unwrap(), r#""id" = 4711"#);
        assert_eq!(condition(ColumnType::Varchar, "it's").unwrap(), r#""id" = 'it''s'"#);
        assert_eq!(condition(ColumnType::Numeric, "1.50").unwrap(), r#""id" = '1.50'::numeric"#);
        for (kind, text) in [(ColumnType::BigInt, "1 OR true"), (ColumnType::Numeric, "1e"), (ColumnType::Jsonb, "{}")]
        {
            assert!(condition(kind, text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_come_as_hexadecimal_digits() {
        assert_eq!(hex("00ff7b"), [0, 255, 123]);
    }
}
