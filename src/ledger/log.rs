use std::fmt;

use futures::future::BoxFuture;
use time::OffsetDateTime;

use super::PartitionEnds;
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};

/// A record as the broker itself gives it, before any file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its number in the partition.
    pub number: SequenceNumber,
    /// When the broker took it, as exactly as the broker says it. 1970 where it does not say it.
    pub taken_at: OffsetDateTime,
    /// Its body.
    pub body: Option<Vec<u8>>,
}

impl LogRecord {
    /// When the broker took it, as a Capture file has it.
    pub fn enqueued_time(&self) -> EnqueuedTime {
        EnqueuedTime::from_utc(self.taken_at)
    }
}

/// What waiting for a partition's next record ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogRead {
    /// The next record.
    Record(LogRecord),
    /// A record whose body is of a kind that only a Capture file says the bytes of: its number.
    Unreadable(SequenceNumber),
    /// Everything that was there was handed out. More may come.
    End,
    /// The number asked for is not in the log, or not any more.
    Lost,
}

/// Why a log cannot be read; a sentence that names the broker and says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LogError(pub String);

/// A broker whose partitions can be read at their ends: Event Hubs by its own protocol, or Kafka.
pub trait Log: fmt::Display + Send + Sync {
    /// The partitions of the hub or topic, in ascending order.
    ///
    /// # Errors
    /// When the broker cannot be asked, or does not know the hub.
    fn partitions(&self) -> BoxFuture<'_, Result<Vec<PartitionId>, LogError>>;

    /// A way to read one of them, as good as new after whatever befell the one before.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses.
    fn open(&self, partition: PartitionId) -> BoxFuture<'_, Result<Box<dyn LogPartition>, LogError>>;
}

/// One partition's log. After an error it is thrown away.
pub trait LogPartition: Send {
    /// Where it begins and ends.
    ///
    /// # Errors
    /// When the broker cannot be asked.
    fn ends(&mut self) -> BoxFuture<'_, Result<PartitionEnds, LogError>>;

    /// Reads from this number on, which may be the one that comes next. Records that were asked for before may still
    /// come first.
    ///
    /// # Errors
    /// When the broker refuses.
    fn seek(&mut self, number: SequenceNumber) -> BoxFuture<'_, Result<(), LogError>>;

    /// The next record. A dropped wait loses nothing.
    ///
    /// # Errors
    /// The broker's trouble.
    fn next(&mut self) -> BoxFuture<'_, Result<LogRead, LogError>>;
}
