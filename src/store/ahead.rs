//! Rows that came straight from the broker, and that no file has given yet.

use super::audit::{Behind, number};
use super::error::StoreError;
use super::session::Session;
use super::statement::literal;
use super::table_name::quote_table;
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use crate::ledger::Span;

/// Rows ahead of the files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ahead {
    /// How many.
    pub rows: u64,
    /// From which number to which.
    pub span: Span,
    /// How long ago the broker took the first of them, by the server's clock, in seconds.
    pub age: f64,
}

impl Session {
    /// What is behind the files of a partition that end at `last`, where other numbers of theirs may be as high. Nothing where
    /// that cannot be told, since the last record made no row.
    ///
    /// # Errors
    /// When the store cannot be asked, or has no such table.
    pub async fn behind(
        &self,
        target: &str,
        hub: &str,
        partition: PartitionId,
        last: SequenceNumber,
        highest: SequenceNumber,
    ) -> Result<Option<Behind>, StoreError> {
        if highest <= last {
            return Ok(Some(Behind { last, since: None }));
        }
        let sql = format!(
            "SELECT max(enqueued_at) FROM {} WHERE event_hub = {} AND partition_id = {partition} AND sequence_number = {last}",
            quote_table(target),
            literal(hub)
        );
        let (_, rows) = self.query_text(&sql).await?;
        let since = rows.first().and_then(|row| EnqueuedTime::parse_sql(row.first()?.as_deref()?));
        Ok(since.map(|since| Behind { last, since: Some(since) }))
    }

    /// The rows of a partition behind what files gave. Nothing if there are none.
    ///
    /// # Errors
    /// When the store cannot be asked, or has no such table.
    pub async fn ahead(
        &self,
        target: &str,
        hub: &str,
        partition: PartitionId,
        behind: Behind,
    ) -> Result<Option<Ahead>, StoreError> {
        let sql = format!(
            "SELECT count(*), min(sequence_number), max(sequence_number), \
             extract(epoch FROM now()) - extract(epoch FROM min(enqueued_at)) FROM {} \
             WHERE event_hub = {} AND partition_id = {partition} AND {}",
            quote_table(target),
            literal(hub),
            behind.condition()
        );
        let (_, rows) = self.query_text(&sql).await?;
        Ok(rows.first().and_then(|row| {
            let span = Span { first: SequenceNumber(number(row, 1)?), last: SequenceNumber(number(row, 2)?) };
            Some(Ahead { rows: number(row, 0)?, span, age: number(row, 3)? })
        }))
    }
}
