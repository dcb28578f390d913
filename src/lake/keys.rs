//! Which records are there already: asked only where a loaded file has brought their numbers.

use std::collections::HashSet;
use std::sync::Arc;

use parquet::errors::ParquetError;
use percent_encoding::percent_decode_str;

use super::action::Add;
use super::data::RowKey;
use super::error::LakeError;
use super::file::{moments, numbers, read, texts};
use super::stats::Stats;
use super::table::Lake;

/// Which of the two that have records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// The table.
    Rows,
    /// The rejected records.
    Rejected,
}

impl Lake {
    /// Numbers and moments of the records that a shelf has of a partition, from one number to another.
    ///
    /// # Errors
    /// Its container's, or a file's that cannot be read.
    pub async fn keys(
        &self,
        shelf: Shelf,
        hub: &str,
        partition: i32,
        first: i64,
        last: i64,
    ) -> Result<HashSet<RowKey>, LakeError> {
        let (log, slot) = match shelf {
            Shelf::Rows => (&self.data, 0),
            Shelf::Rejected => (&self.rejected, 1),
        };
        let version = {
            let state = self.state.lock().await;
            if shelf == Shelf::Rows { state.data.version } else { state.rejected.version }
        };
        let whole = {
            let mut wholes = self.wholes.lock().await;
            match &wholes[slot] {
                Some(whole) if whole.head.version == version => Arc::clone(whole),
                _ => {
                    let whole = log.whole(version).await?;
                    let whole = Arc::new(whole.ok_or_else(|| LakeError::Missing { table: log.shown.clone() })?);
                    wholes[slot] = Some(Arc::clone(&whole));
                    whole
                }
            }
        };
        let meets =
            |range: Option<(i64, i64)>, low: i64, high: i64| range.is_none_or(|(from, to)| from <= high && low <= to);
        let wanted = |add: &&Add| {
            let stats = Stats::parse(add.stats.as_deref());
            let partition = i64::from(partition);
            stats.is_none_or(|stats| meets(stats.numbers, first, last) && meets(stats.partitions, partition, partition))
        };
        let mut found = HashSet::new();
        for add in whole.files.values().filter(wanted) {
            let damaged = |reason: String| LakeError::damaged(&log.shown, &add.path, reason);
            let path = percent_decode_str(&add.path).decode_utf8_lossy();
            let bytes = log.place.get(&path).await?.ok_or_else(|| damaged("it is not there".to_owned()))?;
            let columns = ["event_hub", "partition_id", "sequence_number", "enqueued_at"];
            let done = read(bytes, Some(&columns), |batch| {
                let lacks = || ParquetError::General("it lacks a column of the key".to_owned());
                let hubs = texts(&batch, columns[0]).ok_or_else(lacks)?;
                let partitions = numbers(&batch, columns[1]).ok_or_else(lacks)?;
                let sequence = numbers(&batch, columns[2]).ok_or_else(lacks)?;
                let times = moments(&batch, columns[3]).ok_or_else(lacks)?;
                for row in 0..batch.num_rows() {
                    let (Some(number), Some(at)) = (sequence[row], times[row]) else { continue };
                    let ours = partitions[row] == Some(i64::from(partition)) && hubs.value(row) == hub;
                    if ours && (first..=last).contains(&number) {
                        found.insert((number, at));
                    }
                }
                Ok(())
            });
            done.map_err(|error| damaged(error.to_string()))?;
        }
        Ok(found)
    }
}
