use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::OfflineError;

/// The broker that is part of the Kafka client library, in this process: up at once, and gone with its handle.
///
/// It speaks to any Kafka client over TCP (idempotent producers, consumer groups and commits included), but keeps only
/// the last 5 MiB or 100,000 records of a partition, whichever is less, and has no admin interface. Whoever needs more
/// takes [`super::Kafka`].
pub struct EmbeddedBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl EmbeddedBroker {
    /// Starts it with these topics, each of so many partitions.
    pub fn start(topics: &[&str], partitions: u16) -> Result<Self, OfflineError> {
        let cluster = MockCluster::new(1)?;
        for topic in topics {
            cluster.create_topic(topic, i32::from(partitions), 1)?;
        }
        Ok(Self { cluster })
    }

    /// `127.0.0.1:PORT`
    pub fn bootstrap(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}
