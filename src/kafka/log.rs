use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::{Cluster, Endpoint, KafkaError, KafkaSettings, MissingTopic, PartitionReader, Read, Reader};
use crate::base::{SecretReader, TokenSource};
use crate::capture::{PartitionId, SequenceNumber, kafka_instant};
use crate::ledger::{Log, LogError, LogPartition, LogRead, LogRecord, PartitionEnds};

/// How long a broker is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A topic that is read at its end. Its offsets are the sequence numbers, its timestamps, in whole seconds, the enqueued
/// times, as `capture` has them.
pub struct TopicLog(Arc<Topic>);

struct Topic {
    cluster: Cluster,
    reader: Reader,
    name: String,
}

impl TopicLog {
    /// Reaches the broker, within 10 s.
    ///
    /// # Errors
    /// When it does not answer, or lets nobody in.
    pub async fn connect<I>(settings: &KafkaSettings, identity: &Arc<I>, topic: &str) -> Result<Self, KafkaError>
    where
        I: SecretReader + TokenSource + 'static,
    {
        let endpoint = Endpoint::open(settings, identity).await?;
        let cluster = Cluster::connect(&endpoint, MissingTopic::Leave, PATIENCE).await?;
        let reader = Reader::of_tails(&endpoint)?;
        Ok(TopicLog(Arc::new(Topic { cluster, reader, name: topic.to_owned() })))
    }
}

impl fmt::Display for TopicLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {} at {}", self.0.name, self.0.cluster.address())
    }
}

impl Log for TopicLog {
    fn partitions(&self) -> BoxFuture<'_, Result<Vec<PartitionId>, LogError>> {
        Box::pin(async move {
            let partitions = self.0.cluster.partitions(&self.0.name).await.map_err(failed)?;
            Ok(partitions.into_iter().map(PartitionId).collect())
        })
    }

    fn open(&self, partition: PartitionId) -> BoxFuture<'_, Result<Box<dyn LogPartition>, LogError>> {
        let topic = Arc::clone(&self.0);
        Box::pin(async move { Ok(Box::new(Partition { topic, partition, reader: None }) as Box<dyn LogPartition>) })
    }
}

struct Partition {
    topic: Arc<Topic>,
    partition: PartitionId,
    /// Once it is known from where.
    reader: Option<PartitionReader>,
}

impl LogPartition for Partition {
    fn ends(&mut self) -> BoxFuture<'_, Result<PartitionEnds, LogError>> {
        Box::pin(async move {
            let (low, high) =
                self.topic.cluster.watermarks(&self.topic.name, self.partition.0).await.map_err(failed)?;
            Ok(PartitionEnds {
                partition: self.partition,
                earliest: SequenceNumber(low),
                last: (high > 0).then(|| SequenceNumber(high - 1)),
                last_enqueued_at: None,
            })
        })
    }

    fn seek(&mut self, number: SequenceNumber) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(async move {
            match &mut self.reader {
                Some(reader) => reader.seek(number.0).await.map_err(failed),
                None => {
                    let reader = self.topic.reader.open(&self.topic.name, self.partition.0, number.0);
                    self.reader = Some(reader.map_err(failed)?);
                    Ok(())
                }
            }
        })
    }

    fn next(&mut self) -> BoxFuture<'_, Result<LogRead, LogError>> {
        Box::pin(async move {
            let Some(reader) = &mut self.reader else { return std::future::pending().await };
            Ok(match reader.next().await.map_err(failed)? {
                Read::Record(record) => LogRead::Record(LogRecord {
                    number: SequenceNumber(record.offset),
                    taken_at: kafka_instant(record.timestamp),
                    body: record.payload,
                }),
                Read::End => LogRead::End,
                Read::OutOfRange => LogRead::Lost,
            })
        })
    }
}

fn failed(error: KafkaError) -> LogError {
    LogError(error.to_string())
}
