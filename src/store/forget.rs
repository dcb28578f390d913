//! Finding and deleting the records of one key.

use std::collections::{BTreeMap, BTreeSet};

use super::audit::{number, text};
use super::count::Shelf;
use super::error::StoreError;
use super::prune::{Identity, LATEST, records};
use super::session::{Cell, Session};
use super::statement::literal;
use super::table_name::{quote, quote_table};
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use crate::rows::ColumnType;

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
    /// The rows of a target that have this key; with each, where the table tells a record's rows apart (`is_indexed`),
    /// which of them it is.
    ///
    /// # Errors
    /// When the store cannot be asked, or the table has no such column.
    pub async fn rows_of(
        &self,
        target: &str,
        key: &KeyValue,
        is_indexed: bool,
    ) -> Result<Vec<(Place, Option<i32>)>, StoreError> {
        let sql = format!(
            "SELECT event_hub, partition_id, sequence_number, enqueued_at{} FROM {} WHERE {}",
            if is_indexed { ", event_index" } else { "" },
            quote_table(target),
            key.condition()
        );
        let (_, rows) = self.query_text(&sql).await?;
        Ok(rows.iter().filter_map(|row| Some((place(row)?, number(row, 4)))).collect())
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

    /// Deletes of each record the row with this index; not durable before a flush.
    ///
    /// # Errors
    /// When the store cannot be asked; some may be deleted.
    pub async fn delete_rows(
        &self,
        target: &str,
        hub: &str,
        partition: PartitionId,
        rows: &[(Identity, i32)],
    ) -> Result<(), StoreError> {
        for (indexes, identities) in by_indexes(rows) {
            let indexes: Vec<_> = indexes.iter().map(i32::to_string).collect();
            for identities in identities.chunks(RECORDS) {
                let sql = format!(
                    "DELETE FROM {} WHERE event_hub = {} AND partition_id = {partition} AND event_index IN ({}) AND {}",
                    quote_table(target),
                    literal(hub),
                    indexes.join(", "),
                    records(identities)
                );
                self.execute_script(&sql).await?;
            }
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
}

/// The records by which of their rows these are: those of which they are the same go in one statement.
fn by_indexes(rows: &[(Identity, i32)]) -> BTreeMap<BTreeSet<i32>, Vec<Identity>> {
    let mut of_record = BTreeMap::<Identity, BTreeSet<i32>>::new();
    for (identity, index) in rows {
        of_record.entry(*identity).or_default().insert(*index);
    }
    let mut records = BTreeMap::<BTreeSet<i32>, Vec<Identity>>::new();
    for (identity, indexes) in of_record {
        records.entry(indexes).or_default().push(identity);
    }
    records
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
    fn no_row_is_taken_for_that_of_another_record() {
        let record = |number| (SequenceNumber(number), EnqueuedTime::parse("1/2/2026 3:04:05 AM").unwrap());
        let rows = [(record(5), 0), (record(5), 2), (record(6), 2), (record(7), 2), (record(7), 0), (record(5), 0)];
        let grouped = by_indexes(&rows);
        assert_eq!(grouped[&BTreeSet::from([0, 2])], [record(5), record(7)]);
        assert_eq!(grouped[&BTreeSet::from([2])], [record(6)]);
        assert_eq!(grouped.len(), 2);
    }

    #[test]
    fn bytes_come_as_hexadecimal_digits() {
        assert_eq!(hex("00ff7b"), [0, 255, 123]);
    }
}
