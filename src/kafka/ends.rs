use std::fmt;

use futures::future::BoxFuture;

use super::Cluster;
use crate::capture::{PartitionId, SequenceNumber};
use crate::ledger::{EndsError, LogEnds, PartitionEnds};

/// The ends of a Kafka topic's partitions: its watermarks. Kafka does not say when the last record came.
pub struct Watermarks(Cluster);

impl Watermarks {
    /// Those of this cluster's topics.
    pub fn of(cluster: Cluster) -> Self {
        Watermarks(cluster)
    }
}

impl fmt::Display for Watermarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kafka at {}", self.0.address())
    }
}

impl LogEnds for Watermarks {
    fn ends<'a>(&'a self, hub: &'a str) -> BoxFuture<'a, Result<Vec<PartitionEnds>, EndsError>> {
        Box::pin(async move {
            let failed = |error: super::KafkaError| EndsError(error.to_string());
            let mut ends = Vec::new();
            for partition in self.0.partitions(hub).await.map_err(failed)? {
                let (low, high) = self.0.watermarks(hub, partition).await.map_err(failed)?;
                ends.push(PartitionEnds {
                    partition: PartitionId(partition),
                    earliest: SequenceNumber(low),
                    last: (high > 0).then(|| SequenceNumber(high - 1)),
                    last_enqueued_at: None,
                });
            }
            Ok(ends)
        })
    }
}
