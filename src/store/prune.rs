//! Deleting what is old. Every statement may be repeated, and none relies on another's having been kept: RisingWave has
//! no transactions and forgets what was not checkpointed, so whoever deletes reads back.

use std::collections::{BTreeSet, HashSet};

use time::OffsetDateTime;

use super::audit::{Numbers, identity, number, text, time};
use super::catalog::Relation;
use super::count::Shelf;
use super::error::StoreError;
use super::ledger::{NAMES, PRUNED, push_time};
use super::session::{Kind, Session};
use super::statement::literal;
use super::table_name::{quote, quote_table};
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use crate::ledger::{PrunedRange, Span};
use crate::rows::{ArrayLiteral, Batch, ColumnType};

/// What identifies a record beyond its partition.
pub type Identity = (SequenceNumber, EnqueuedTime);

/// Old records of one partition of a target.
#[derive(Debug, Clone, Copy)]
pub struct Old<'a> {
    /// Which numbers.
    pub numbers: Numbers<'a>,
    /// Where they are.
    pub shelf: Shelf,
    /// Taken by the broker before that.
    pub before: EnqueuedTime,
    /// All but these.
    pub keep: &'a [Identity],
}

/// Which rows are the newest of their key: those that a view like `latest_user_state` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestOf {
    /// The column that names a row's key.
    pub key: String,
    /// The column whose highest value is the newest.
    pub order: String,
}

const COLUMNS: [(&str, ColumnType); 8] = [
    ("target", ColumnType::Varchar),
    ("event_hub", ColumnType::Varchar),
    ("partition_id", ColumnType::Integer),
    ("first_sequence_number", ColumnType::BigInt),
    ("last_sequence_number", ColumnType::BigInt),
    ("enqueued_before", ColumnType::Timestamp),
    ("kept", ColumnType::BigInt),
    ("pruned_at", ColumnType::Timestamp),
];

const KEY: [&str; 3] = ["target", "event_hub", "partition_id"];

/// Where the latest state of `user_event_log` is kept apart from it, and what keeps it there.
pub(super) const LATEST: &str = "latest_user_events";
const LATEST_FEED: &str = "latest_user_events_feed";

impl Session {
    /// Whether there is a table or view of that name in `public`.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn has_table(&self, name: &str) -> Result<bool, StoreError> {
        let name = literal(name);
        let sql = format!(
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' AND table_name = {name}"
        );
        Ok(self.query_number(&sql).await? > 0)
    }

    /// Whether the latest state of `user_event_log` outlives what is deleted there.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn latest_is_apart(&self) -> Result<bool, StoreError> {
        let there = self.relations().await?;
        let is_fed = match self.kind() {
            Kind::RisingWave => there.contains_key(LATEST_FEED),
            Kind::PostgreSql => {
                let feed = format!("SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgname = '{LATEST_FEED}'");
                self.query_number(&feed).await? > 0
            }
        };
        // One of the former kind looks through the history itself.
        let is_former = there.get("latest_user_state") == Some(&Relation::MaterializedView);
        Ok(is_fed && !is_former && there.contains_key(LATEST))
    }

    /// What was pruned of a partition; `None` also where there is no such table.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn pruned_range(
        &self,
        target: &str,
        hub: &str,
        partition: PartitionId,
    ) -> Result<Option<PrunedRange>, StoreError> {
        if !self.has_table("pruned_ranges").await? {
            return Ok(None);
        }
        let sql = format!(
            "SELECT first_sequence_number, last_sequence_number, enqueued_before, kept \
             FROM pruned_ranges WHERE target = {} AND event_hub = {} AND partition_id = {partition}",
            literal(target),
            literal(hub)
        );
        let (_, rows) = self.query_text(&sql).await?;
        let range = |row: &Vec<Option<String>>| {
            Some(PrunedRange {
                span: Span { first: SequenceNumber(number(row, 0)?), last: SequenceNumber(number(row, 1)?) },
                before: EnqueuedTime::parse_sql(&text(row, 2))?,
                kept: number(row, 3),
            })
        };
        Ok(rows.first().and_then(range))
    }

    /// Notes what was pruned of a partition, or is being, replacing what was noted before.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn note_pruned_range(
        &self,
        target: &str,
        hub: &str,
        partition: PartitionId,
        range: &PrunedRange,
    ) -> Result<(), StoreError> {
        let mut columns = vec![ArrayLiteral::default(); COLUMNS.len()];
        for (column, (name, _)) in columns.iter_mut().zip(COLUMNS) {
            match name {
                "target" => column.push_text(target),
                "event_hub" => column.push_text(hub),
                "partition_id" => column.push_integer(i64::from(partition.0)),
                "first_sequence_number" => column.push_integer(range.span.first.0),
                "last_sequence_number" => column.push_integer(range.span.last.0),
                "enqueued_before" => push_time(column, range.before.utc()),
                "kept" => match range.kept {
                    Some(kept) => column.push_integer(i64::try_from(kept).unwrap_or(i64::MAX)),
                    None => column.push_null(),
                },
                "pruned_at" => push_time(column, OffsetDateTime::now_utc()),
                name => unreachable!("column {name} of the pruned ranges has no value"),
            }
        }
        let batch = Batch { columns: columns.iter_mut().map(ArrayLiteral::take).collect(), rows: 1 };
        self.insert_own("pruned_ranges", &COLUMNS, &KEY, &batch).await
    }

    /// Notes files of a container as pruned. They stay in the ledger, and so are not loaded again.
    ///
    /// # Errors
    /// When the store cannot be asked; some may be noted.
    pub async fn mark_pruned(&self, container: &str, target: &str, blobs: &[String]) -> Result<(), StoreError> {
        for blobs in blobs.chunks(NAMES) {
            let files = files(container, target, blobs);
            self.execute_script(&format!("UPDATE capture_files SET status = '{PRUNED}' WHERE {files}")).await?;
        }
        Ok(())
    }

    /// How many of these files the ledger calls pruned.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn count_pruned(&self, container: &str, target: &str, blobs: &[String]) -> Result<usize, StoreError> {
        let mut count = 0;
        for blobs in blobs.chunks(NAMES) {
            let files = files(container, target, blobs);
            let sql = format!("SELECT count(*) FROM capture_files WHERE {files} AND status = '{PRUNED}'");
            count += usize::try_from(self.query_number(&sql).await?).unwrap_or(0);
        }
        Ok(count)
    }

    /// Takes pruned files out of the ledger. For those that no listing shows any more: others would be loaded again.
    ///
    /// # Errors
    /// When the store cannot be asked; some may be out.
    pub async fn drop_pruned(&self, container: &str, target: &str, blobs: &[String]) -> Result<(), StoreError> {
        for blobs in blobs.chunks(NAMES) {
            let files = files(container, target, blobs);
            self.execute_script(&format!("DELETE FROM capture_files WHERE {files} AND status = '{PRUNED}'")).await?;
        }
        Ok(())
    }

    /// The names of a hub's pruned files.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn pruned_files(&self, target: &str, hub: &str) -> Result<HashSet<String>, StoreError> {
        let sql = format!(
            "SELECT blob FROM capture_files WHERE target = {} AND event_hub = {} AND status = '{PRUNED}'",
            literal(target),
            literal(hub)
        );
        let (_, rows) = self.query_text(&sql).await?;
        Ok(rows.iter().map(|row| text(row, 0)).collect())
    }

    /// How many files of a target are pruned.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn count_pruned_files(&self, target: &str) -> Result<i64, StoreError> {
        let target = literal(target);
        let sql = format!("SELECT count(*) FROM capture_files WHERE target = {target} AND status = '{PRUNED}'");
        self.query_number(&sql).await
    }

    /// How many old records there are.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn count_old(&self, old: &Old<'_>) -> Result<u64, StoreError> {
        let count = self.query_number(&format!("SELECT count(*) FROM {}", old.rows())).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Deletes old records; not durable before a flush.
    ///
    /// # Errors
    /// When the store cannot be asked; some may be deleted.
    pub async fn delete_old(&self, old: &Old<'_>) -> Result<(), StoreError> {
        self.execute_script(&format!("DELETE FROM {}", old.rows())).await
    }

    /// Which old rows are the newest of their keys among all rows of the table, in the order of their numbers. Reads all
    /// of the table.
    ///
    /// # Errors
    /// When the store cannot be asked, or the table has no such column.
    pub async fn newest(
        &self,
        numbers: &Numbers<'_>,
        before: EnqueuedTime,
        of: &NewestOf,
    ) -> Result<Vec<Identity>, StoreError> {
        let old = Old { numbers: *numbers, shelf: Shelf::Rows, before, keep: &[] };
        // As sql/*/latest_user_state.sql has it.
        let sql = format!(
            "SELECT sequence_number, enqueued_at FROM (\
             SELECT event_hub, partition_id, sequence_number, enqueued_at, row_number() OVER (\
             PARTITION BY {} ORDER BY {} DESC, enqueued_at DESC, sequence_number DESC) AS newest FROM {}) AS ranked \
             WHERE newest = 1 AND {} ORDER BY sequence_number",
            quote(&of.key),
            quote(&of.order),
            quote_table(numbers.target),
            old.condition()
        );
        let (_, rows) = self.query_text(&sql).await?;
        Ok(rows.iter().filter_map(|row| identity(row)).collect())
    }
}

impl Old<'_> {
    /// The table, and which of its rows.
    fn rows(&self) -> String {
        match self.shelf {
            Shelf::Rows => format!("{} WHERE {}", quote_table(self.numbers.target), self.condition()),
            Shelf::Rejected => {
                let target = literal(self.numbers.target);
                format!("rejected_events WHERE target = {target} AND {}", self.condition())
            }
        }
    }

    fn condition(&self) -> String {
        let mut condition = format!("{} AND enqueued_at < {}", self.numbers.condition(), time(self.before));
        if !self.keep.is_empty() {
            condition.push_str(&format!(" AND NOT ({})", records(self.keep)));
        }
        condition
    }
}

/// Which rows these are, within a partition. Lists of constants, which both engines take in every statement; that a
/// number meets another's second is not possible inside one life of a hub.
pub(super) fn records(identities: &[Identity]) -> String {
    let list = |items: Vec<String>| items.join(", ");
    let numbers = list(identities.iter().map(|(number, _)| number.to_string()).collect());
    let times: BTreeSet<_> = identities.iter().map(|(_, at)| time(*at)).collect();
    format!("sequence_number IN ({numbers}) AND enqueued_at IN ({})", list(times.into_iter().collect()))
}

fn files(container: &str, target: &str, blobs: &[String]) -> String {
    let blobs: Vec<_> = blobs.iter().map(|blob| literal(blob)).collect();
    format!("container = {} AND target = {} AND blob IN ({})", literal(container), literal(target), blobs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_left_out_of_what_is_old() {
        let at = |text| EnqueuedTime::parse(text).unwrap();
        let span = Span { first: SequenceNumber(3), last: SequenceNumber(9) };
        let numbers = Numbers { target: "s.t", hub: "h", partition: PartitionId(1), span, since: None, but: None };
        let keep = [(SequenceNumber(4), at("1/2/2026 3:04:05 AM")), (SequenceNumber(7), at("1/2/2026 3:04:05 AM"))];
        let old = Old { numbers, shelf: Shelf::Rows, before: at("2/1/2026 12:00:00 AM"), keep: &keep };
        let all = "event_hub = 'h' AND partition_id = 1 AND sequence_number >= 3 AND sequence_number <= 9 \
                   AND enqueued_at < '2026-02-01 00:00:00'::timestamp";
        let kept = "sequence_number IN (4, 7) AND enqueued_at IN ('2026-01-02 03:04:05'::timestamp)";
        assert_eq!(old.rows(), format!(r#""s"."t" WHERE {all} AND NOT ({kept})"#));
        let rejected = Old { shelf: Shelf::Rejected, keep: &[], ..old };
        assert_eq!(rejected.rows(), format!("rejected_events WHERE target = 's.t' AND {all}"));
    }
}
