//! Which records, and which rows of records that have several, were deleted because someone asked to be forgotten: so that
//! what is missing is not taken for lost, and what comes back is known.

use std::collections::{BTreeSet, HashSet};

use time::OffsetDateTime;

use super::audit::{identity, number, text};
use super::count::Shelf;
use super::error::StoreError;
use super::ledger::push_time;
use super::prune::Identity;
use super::session::{Cell, Session};
use super::statement::literal;
use super::table_name::{quote, quote_table};
use crate::capture::PartitionId;
use crate::ledger::Forgotten;
use crate::rows::{ArrayLiteral, Batch, ColumnType};

/// Records of which everything was forgotten.
const RECORDS: Notes = Notes {
    table: "forgotten_records",
    columns: &[
        ("target", ColumnType::Varchar),
        ("event_hub", ColumnType::Varchar),
        ("partition_id", ColumnType::Integer),
        ("sequence_number", ColumnType::BigInt),
        ("enqueued_at", ColumnType::Timestamp),
        ("rejected", ColumnType::Boolean),
        ("forgotten_at", ColumnType::Timestamp),
    ],
    key: &["target", "event_hub", "partition_id", "sequence_number", "enqueued_at"],
};

/// Rows of records that may have others, which stayed.
const ROWS: Notes = Notes {
    table: "forgotten_rows",
    columns: &[
        ("target", ColumnType::Varchar),
        ("event_hub", ColumnType::Varchar),
        ("partition_id", ColumnType::Integer),
        ("sequence_number", ColumnType::BigInt),
        ("enqueued_at", ColumnType::Timestamp),
        ("event_index", ColumnType::Integer),
        ("forgotten_at", ColumnType::Timestamp),
    ],
    key: &["target", "event_hub", "partition_id", "sequence_number", "enqueued_at", "event_index"],
};

/// A table of what was forgotten.
struct Notes {
    table: &'static str,
    columns: &'static [(&'static str, ColumnType)],
    key: &'static [&'static str],
}

/// Notes in one statement.
const MOST: usize = 5000;

/// Something forgotten that is there again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The record.
    pub record: Identity,
    /// Which of its rows, where the table tells them apart.
    pub index: Option<i32>,
    /// What was asked for of the row.
    pub column: String,
}

impl Session {
    /// Which partitions of a target have forgotten records; none where there is no such table.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn forgotten_partitions(&self, target: &str) -> Result<Vec<(String, PartitionId)>, StoreError> {
        let mut partitions = BTreeSet::new();
        for notes in self.notes().await? {
            let sql = format!(
                "SELECT DISTINCT event_hub, partition_id FROM {} WHERE target = {}",
                notes.table,
                literal(target)
            );
            let (_, rows) = self.query_text(&sql).await?;
            partitions.extend(rows.iter().filter_map(|row| Some((text(row, 0), PartitionId(number(row, 1)?)))));
        }
        Ok(partitions.into_iter().collect())
    }

    /// What was forgotten of a partition, in order; nothing where there is no such table.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn forgotten(
        &self,
        target: &str,
        hub: &str,
        partition: PartitionId,
    ) -> Result<Vec<Forgotten>, StoreError> {
        let mut forgotten = Vec::new();
        for notes in self.notes().await? {
            let sql = format!(
                "SELECT sequence_number, enqueued_at, {} FROM {} \
                 WHERE target = {} AND event_hub = {} AND partition_id = {partition}",
                notes.columns[5].0,
                notes.table,
                literal(target),
                literal(hub)
            );
            let (_, rows) = self.query_text(&sql).await?;
            let of_rows = notes.table == ROWS.table;
            let record = |row: &Vec<Cell>| {
                let (number_of, at) = identity(row)?;
                let rejected = !of_rows && text(row, 2).starts_with('t');
                let index = if of_rows { number(row, 2) } else { None };
                Some(Forgotten { number: number_of, at, rejected, index })
            };
            forgotten.extend(rows.iter().filter_map(record));
        }
        forgotten.sort_by_key(|record| (record.number, record.at, record.index));
        Ok(forgotten)
    }

    /// What was forgotten of a partition and is there all the same, on that shelf: of a table that tells a record's rows
    /// apart (`is_indexed`) each such row. With each, the row's `column`, if one is wanted.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn forgotten_there(
        &self,
        (target, is_indexed): (&str, bool),
        shelf: Shelf,
        hub: &str,
        partition: PartitionId,
        column: Option<&str>,
    ) -> Result<Vec<Returned>, StoreError> {
        let (table, of_target) = match shelf {
            Shelf::Rows => (quote_table(target), ""),
            Shelf::Rejected => ("rejected_events".to_owned(), " AND t.target = f.target"),
        };
        let has_rows = is_indexed && shelf == Shelf::Rows;
        let column = column.map_or("''".to_owned(), |column| format!("t.{}", quote(column)));
        let index = if has_rows { ", t.event_index" } else { "" };
        let mut there = Vec::new();
        for notes in self.notes().await? {
            let same = match notes.table == ROWS.table {
                true if !has_rows => continue,
                true => " AND t.event_index = f.event_index",
                false => "",
            };
            let sql = format!(
                "SELECT f.sequence_number, f.enqueued_at, {column}{index} FROM {} AS f JOIN {table} AS t \
                 ON t.event_hub = f.event_hub AND t.partition_id = f.partition_id \
                 AND t.sequence_number = f.sequence_number AND t.enqueued_at = f.enqueued_at{of_target}{same} \
                 WHERE {}",
                notes.table,
                of_partition(target, hub, partition)
            );
            let (_, rows) = self.query_text(&sql).await?;
            let returned = |row: &Vec<Cell>| {
                Some(Returned { record: identity(row)?, index: number(row, 3), column: text(row, 2) })
            };
            there.extend(rows.iter().filter_map(returned));
        }
        Ok(there)
    }

    /// The records of a partition of which rows were forgotten and no row is there. For a table that tells a record's rows
    /// apart.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn forgotten_to_the_last_row(
        &self,
        target: &str,
        hub: &str,
        partition: PartitionId,
    ) -> Result<HashSet<Identity>, StoreError> {
        if !self.has_table(ROWS.table).await? {
            return Ok(HashSet::new());
        }
        let sql = format!(
            "SELECT DISTINCT f.sequence_number, f.enqueued_at FROM {} AS f LEFT JOIN {} AS t \
             ON t.event_hub = f.event_hub AND t.partition_id = f.partition_id \
             AND t.sequence_number = f.sequence_number AND t.enqueued_at = f.enqueued_at \
             WHERE t.sequence_number IS NULL AND {}",
            ROWS.table,
            quote_table(target),
            of_partition(target, hub, partition)
        );
        let (_, rows) = self.query_text(&sql).await?;
        Ok(rows.iter().filter_map(|row| identity(row)).collect())
    }

    /// Notes records, and rows of records, as forgotten; not durable before a flush, and a repeat replaces.
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
        let (rows, records): (Vec<Forgotten>, Vec<Forgotten>) =
            forgotten.iter().partition(|record| record.index.is_some());
        for (notes, forgotten) in [(RECORDS, records), (ROWS, rows)] {
            for forgotten in forgotten.chunks(MOST) {
                let now = OffsetDateTime::now_utc();
                let mut columns = vec![ArrayLiteral::default(); notes.columns.len()];
                for record in forgotten {
                    for (column, (name, _)) in columns.iter_mut().zip(notes.columns) {
                        match *name {
                            "target" => column.push_text(target),
                            "event_hub" => column.push_text(hub),
                            "partition_id" => column.push_integer(i64::from(partition.0)),
                            "sequence_number" => column.push_integer(record.number.0),
                            "enqueued_at" => push_time(column, record.at.utc()),
                            "rejected" => column.push_plain(if record.rejected { "t" } else { "f" }),
                            "event_index" => column.push_integer(record.index.unwrap_or_default().into()),
                            "forgotten_at" => push_time(column, now),
                            name => unreachable!("column {name} of what was forgotten has no value"),
                        }
                    }
                }
                let columns = columns.iter_mut().map(ArrayLiteral::take).collect();
                let batch = Batch { columns, rows: forgotten.len() };
                self.insert_own(notes.table, notes.columns, notes.key, &batch).await?;
            }
        }
        Ok(())
    }

    /// Those that there are: a store of a former version lacks them.
    async fn notes(&self) -> Result<Vec<Notes>, StoreError> {
        let mut notes = Vec::new();
        for one in [RECORDS, ROWS] {
            if self.has_table(one.table).await? {
                notes.push(one);
            }
        }
        Ok(notes)
    }
}

/// Of a table that is called `f`.
fn of_partition(target: &str, hub: &str, partition: PartitionId) -> String {
    format!("f.target = {} AND f.event_hub = {} AND f.partition_id = {partition}", literal(target), literal(hub))
}
