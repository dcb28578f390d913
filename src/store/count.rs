//! What was written, read back. An acknowledged INSERT and a successful FLUSH prove nothing on RisingWave, which forgets
//! in a recovery what was not checkpointed and then flushes the rest: only rows that are counted are there.

use super::audit::time;
use super::error::StoreError;
use super::session::{Kind, Session};
use super::statement::literal;
use super::table_name::quote_table;
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use crate::ledger::{Found, Run};

/// Where a group's records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// In the target table.
    Rows,
    /// In `rejected_events`.
    Rejected,
}

/// Neighbouring records of one target.
#[derive(Debug, Clone, Copy)]
pub struct KeyRange<'a> {
    /// The table they were loaded into, as the ledger names it.
    pub target: &'a str,
    /// The event hub.
    pub hub: &'a str,
    /// The partition.
    pub partition: PartitionId,
    /// Where they are.
    pub shelf: Shelf,
    /// Which they are.
    pub run: Run,
}

/// The bit in `pg_trigger.tgtype` of a trigger that an INSERT sets off.
const ON_INSERT: u8 = 4;

/// How many ranges one statement counts: each is a part of its own of the query's plan.
const RANGES: usize = 100;

impl Session {
    /// Whether what a statement says it inserted into a target, committed, is what is there: so on PostgreSQL in a plain
    /// table, where no trigger of INSERT and no rule can take rows away again. Elsewhere only counting tells.
    ///
    /// # Errors
    /// When the store cannot be asked, or has no such table.
    pub async fn keeps_what_it_says(&self, target: &str) -> Result<bool, StoreError> {
        if self.kind() != Kind::PostgreSql {
            return Ok(false);
        }
        let sql = format!(
            "SELECT count(*) FROM pg_class AS c JOIN pg_am AS a ON a.oid = c.relam \
             WHERE c.oid = {}::regclass AND c.relkind = 'r' AND a.amname = 'heap' AND NOT c.relhasrules \
             AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal \
             AND t.tgtype & {ON_INSERT} <> 0)",
            literal(&quote_table(target))
        );
        Ok(self.query_number(&sql).await? == 1)
    }

    /// How many records there are of each range, in their order. Reads ranges of primary keys.
    ///
    /// # Errors
    /// When the store cannot be asked, or has no such table.
    pub async fn count_ranges(&self, ranges: &[KeyRange<'_>]) -> Result<Vec<u64>, StoreError> {
        let mut counts = vec![0; ranges.len()];
        for (part, ranges) in ranges.chunks(RANGES).enumerate() {
            let count = |(at, range): (usize, &KeyRange<'_>)| format!("SELECT {at}, count(*) FROM {}", range.rows());
            let sql = ranges.iter().enumerate().map(count).collect::<Vec<_>>().join(" UNION ALL ");
            let (_, rows) = self.query_text(&sql).await?;
            for row in &rows {
                let cell = |at: usize| row.get(at).and_then(Option::as_deref).and_then(|cell| cell.parse::<u64>().ok());
                let (Some(at), Some(count)) = (cell(0), cell(1)) else { continue };
                if let Some(slot) = usize::try_from(at).ok().and_then(|at| counts.get_mut(part * RANGES + at)) {
                    *slot = count;
                }
            }
        }
        Ok(counts)
    }

    /// What identifies each record of a range beyond its partition, sorted, and how many rows it has; `several` says
    /// whether a record may have more than one.
    ///
    /// # Errors
    /// When the store cannot be asked, or has no such table.
    pub async fn records_in(&self, range: &KeyRange<'_>, several: bool) -> Result<Vec<Found>, StoreError> {
        let sql = match several {
            false => format!("SELECT sequence_number, enqueued_at FROM {}", range.rows()),
            true => format!(
                "SELECT sequence_number, enqueued_at, count(*) FROM {} GROUP BY sequence_number, enqueued_at",
                range.rows()
            ),
        };
        let (_, rows) = self.query_text(&sql).await?;
        let mut records: Vec<_> = rows
            .iter()
            .filter_map(|row| {
                let number = row.first()?.as_deref()?.parse().ok()?;
                let at = EnqueuedTime::parse_sql(row.get(1)?.as_deref()?)?;
                let rows = row.get(2).and_then(Option::as_deref).map_or(Some(1), |rows| rows.parse().ok())?;
                Some((SequenceNumber(number), at, rows))
            })
            .collect();
        records.sort_unstable();
        Ok(records)
    }
}

impl KeyRange<'_> {
    /// The table, and which of its rows.
    fn rows(&self) -> String {
        let Run { span, from, until } = self.run;
        let (table, target) = match self.shelf {
            Shelf::Rows => (quote_table(self.target), String::new()),
            Shelf::Rejected => ("rejected_events".to_owned(), format!("target = {} AND ", literal(self.target))),
        };
        format!(
            "{table} WHERE {target}event_hub = {} AND partition_id = {} AND sequence_number >= {} \
             AND sequence_number <= {} AND enqueued_at >= {} AND enqueued_at <= {}",
            literal(self.hub),
            self.partition,
            span.first,
            span.last,
            time(from),
            time(until)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Span;

    #[test]
    fn a_range_is_one_of_the_primary_key() {
        let at = |text| EnqueuedTime::parse(text).unwrap();
        let run = Run {
            span: Span { first: SequenceNumber(3), last: SequenceNumber(9) },
            from: at("1/2/2026 3:04:05 AM"),
            until: at("1/2/2026 3:04:06 PM"),
        };
        let range = KeyRange { target: "s.t", hub: "it's", partition: PartitionId(1), shelf: Shelf::Rows, run };
        let keys = "event_hub = 'it''s' AND partition_id = 1 AND sequence_number >= 3 AND sequence_number <= 9 \
                    AND enqueued_at >= '2026-01-02 03:04:05'::timestamp AND enqueued_at <= '2026-01-02 15:04:06'::timestamp";
        assert_eq!(range.rows(), format!(r#""s"."t" WHERE {keys}"#));
        let rejected = KeyRange { shelf: Shelf::Rejected, ..range };
        assert_eq!(rejected.rows(), format!("rejected_events WHERE target = 's.t' AND {keys}"));
    }
}
