use std::time::Duration;

use time::OffsetDateTime;

use super::audit::{number, text};
use super::error::StoreError;
use super::session::{Cell, Session};
use crate::capture::PartitionId;

/// How far a partition is loaded, as far as the ledger tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Reached {
    /// The table.
    pub target: String,
    /// The event hub.
    pub hub: String,
    /// The partition.
    pub partition: PartitionId,
    /// Every record that the broker took before was loaded. `None` where the ledger does not say it.
    pub complete_until: Option<OffsetDateTime>,
    /// Whether a file waits, or numbers lack between two files: what is behind that does not count.
    pub is_held: bool,
}

impl Session {
    /// Up to when each partition is known to be loaded. `None` if the ledger is of a version that does not tell.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn reached(&self) -> Result<Option<Vec<Reached>>, StoreError> {
        if !self.ledger_has("last_enqueued_at").await? {
            return Ok(None);
        }
        let sql = "SELECT f.target, f.event_hub, f.partition_id, extract(epoch FROM max(\
                   CASE WHEN s.since IS NOT NULL AND f.window_start >= s.since THEN NULL \
                   WHEN f.records > 0 THEN f.last_enqueued_at ELSE f.window_start END)), max(s.since) \
                   FROM capture_files f LEFT JOIN (\
                   SELECT target, event_hub, partition_id, min(at) AS since FROM (\
                   SELECT target, event_hub, partition_id, window_start AS at FROM capture_files \
                   WHERE status = 'waiting' UNION ALL \
                   SELECT b.target, b.event_hub, b.partition_id, b.window_start FROM capture_gaps g \
                   JOIN capture_files b ON b.target = g.target AND b.event_hub = g.event_hub \
                   AND b.partition_id = g.partition_id AND b.blob = g.next_blob) stops \
                   GROUP BY target, event_hub, partition_id) s \
                   ON s.target = f.target AND s.event_hub = f.event_hub AND s.partition_id = f.partition_id \
                   WHERE f.status <> 'waiting' GROUP BY f.target, f.event_hub, f.partition_id \
                   ORDER BY f.target, f.event_hub, f.partition_id";
        let (_, rows) = self.query_text(sql).await?;
        let reached = |row: &Vec<Cell>| {
            Some(Reached {
                target: text(row, 0),
                hub: text(row, 1),
                partition: PartitionId(number(row, 2)?),
                complete_until: number(row, 3).and_then(instant),
                is_held: row.get(4).is_some_and(Option::is_some),
            })
        };
        Ok(Some(rows.iter().filter_map(reached).collect()))
    }

    /// How many seconds each file took that was committed so recently, from that until its rows were counted back: target,
    /// hub, seconds. `None` if the ledger is of a version that does not tell.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn freshness(&self, within: Duration) -> Result<Option<Vec<(String, String, f64)>>, StoreError> {
        if !self.ledger_has("committed_at").await? {
            return Ok(None);
        }
        let sql = format!(
            "SELECT target, event_hub, extract(epoch FROM loaded_at) - extract(epoch FROM committed_at) \
             FROM capture_files WHERE status <> 'waiting' AND loaded > 0 AND committed_at IS NOT NULL \
             AND extract(epoch FROM committed_at) >= extract(epoch FROM now()) - {}",
            within.as_secs()
        );
        let (_, rows) = self.query_text(&sql).await?;
        let took = |row: &Vec<Cell>| Some((text(row, 0), text(row, 1), number::<f64>(row, 2)?.max(0.0)));
        Ok(Some(rows.iter().filter_map(took).collect()))
    }
}

fn instant(seconds: f64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos((seconds * 1e9) as i128).ok()
}
