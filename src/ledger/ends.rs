use std::fmt;

use futures::future::BoxFuture;
use time::OffsetDateTime;

use crate::capture::{PartitionId, SequenceNumber};

/// Where one partition of the log begins and ends, by the broker's own counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionEnds {
    /// The partition.
    pub partition: PartitionId,
    /// The first number that is still held, or the next one to be given out if nothing is.
    pub earliest: SequenceNumber,
    /// The last number given out; `None` for a partition that never had a record.
    pub last: Option<SequenceNumber>,
    /// When that was, where the broker says so.
    pub last_enqueued_at: Option<OffsetDateTime>,
}

impl PartitionEnds {
    /// How many records follow `loaded` in the log, where `None` is nothing: what is still to come, not what is lost.
    /// All that is held, when the log ends before `loaded`, as it does after its hub was made anew.
    pub fn lag(&self, loaded: Option<SequenceNumber>) -> u64 {
        let Some(last) = self.last else { return 0 };
        let from = loaded.filter(|loaded| *loaded <= last).map_or(self.earliest, SequenceNumber::next);
        u64::try_from(last.next().0 - from.0).unwrap_or(0)
    }
}

/// A broker that can be asked for the ends of its partitions: Event Hubs by its own protocol, or Kafka.
pub trait LogEnds: fmt::Display + Send + Sync {
    /// Every partition of the hub or topic, in ascending order.
    ///
    /// # Errors
    /// When the broker cannot be asked, or does not know the hub.
    fn ends<'a>(&'a self, hub: &'a str) -> BoxFuture<'a, Result<Vec<PartitionEnds>, EndsError>>;
}

/// Why a broker's counters are not known; a sentence that names the broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EndsError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_last_loaded_record_is_lag() {
        let ends = |earliest, last: Option<i64>| PartitionEnds {
            partition: PartitionId(0),
            earliest: SequenceNumber(earliest),
            last: last.map(SequenceNumber),
            last_enqueued_at: None,
        };
        let lag = |earliest, last, loaded: Option<i64>| ends(earliest, last).lag(loaded.map(SequenceNumber));
        assert_eq!(lag(0, None, None), 0);
        assert_eq!(lag(0, Some(9), None), 10);
        assert_eq!(lag(4, Some(9), None), 6);
        assert_eq!(lag(0, Some(9), Some(9)), 0);
        assert_eq!(lag(0, Some(9), Some(6)), 3);
        // Retention took everything.
        assert_eq!(lag(10, Some(9), Some(9)), 0);
        assert_eq!(lag(10, Some(9), None), 0);
        // Made anew: all that is there is new.
        assert_eq!(lag(0, Some(2), Some(9)), 3);
    }
}
