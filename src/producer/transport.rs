use std::time::Duration;

use super::ProducerError;
use super::tally::Tally;
use crate::azure::eventhub::EventHubPublisher;
use crate::azure::eventhub::https::HttpsPublisher;
use crate::azure::identity::Identity;
use crate::base::Queued;
use crate::kafka::{self, Cluster, Endpoint, KafkaError, KafkaSettings, MissingTopic};
use crate::settings::{HttpsSettings, ProducerSettings, Transport};

/// How long a topic may stay unknown before it counts as missing. A broker that creates topics needs a moment.
const TOPIC_PATIENCE: Duration = Duration::from_secs(3);
/// The same, when its creation was just confirmed.
const CREATED_PATIENCE: Duration = Duration::from_secs(15);

/// How long Kafka is tried where HTTPS can be had instead.
const AUTO: Duration = Duration::from_secs(3);

/// The way to the broker. Whichever it is: one key's records stay in one partition, in the order they were sent, and
/// every record's end is reported once.
pub(super) enum Publisher {
    /// Idempotent: the library's own retries make no doubles.
    Kafka(kafka::Publisher<Tally>),
    /// At least once: what is sent again after a broken connection may be there twice.
    Amqp(EventHubPublisher),
    /// The same.
    Https(HttpsPublisher),
}

impl Publisher {
    /// Waits for the broker and the topic.
    pub(super) async fn open(settings: &ProducerSettings, tally: Tally) -> Result<Publisher, ProducerError> {
        Ok(match &settings.transport {
            Transport::Kafka(kafka) => {
                by_kafka(&topic_ready(kafka, settings, settings.give_up).await?, settings, tally)?
            }
            Transport::Amqp(address) => {
                let credential = Identity::new(settings.identity.clone()).credential()?;
                Publisher::Amqp(EventHubPublisher::open(address.clone(), credential, settings.give_up, tally).await?)
            }
            Transport::Https(https) => by_https(https, settings, tally).await?,
            Transport::Auto { kafka, https } => match topic_ready(kafka, settings, AUTO.min(settings.give_up)).await {
                Ok(endpoint) => {
                    tracing::info!(broker = %kafka.broker, "--transport auto: Kafka answers, sending by it");
                    by_kafka(&endpoint, settings, tally)?
                }
                Err(ProducerError::Kafka(
                    away @ (KafkaError::NamespaceAway { .. } | KafkaError::Unreachable { .. }),
                )) => {
                    tracing::info!(reason = %away, "--transport auto: Kafka does not answer, sending over HTTPS");
                    by_https(https, settings, tally).await?
                }
                Err(other) => return Err(other),
            },
        })
    }

    /// What is spoken, for the log.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Publisher::Kafka(_) => "kafka",
            Publisher::Amqp(_) => "amqp",
            Publisher::Https(_) => "https",
        }
    }

    /// Queues a copy of the record; never blocks.
    pub(super) fn send(&self, key: &[u8], payload: &[u8], tag: usize) -> Result<Queued, ProducerError> {
        Ok(match self {
            Publisher::Kafka(publisher) => publisher.send(key, payload, tag)?,
            Publisher::Amqp(publisher) => publisher.send(key, payload, tag)?,
            Publisher::Https(publisher) => publisher.send(key, payload, tag)?,
        })
    }

    /// Waits until every record's end was reported, at most `patience`. Blocks the thread.
    pub(super) fn drain(&self, patience: Duration) {
        match self {
            Publisher::Kafka(publisher) => publisher.drain(patience),
            Publisher::Amqp(publisher) => publisher.drain(patience),
            Publisher::Https(publisher) => publisher.drain(patience),
        }
    }
}

fn by_kafka(endpoint: &Endpoint, settings: &ProducerSettings, tally: Tally) -> Result<Publisher, ProducerError> {
    Ok(Publisher::Kafka(kafka::Publisher::new(endpoint, &settings.topic, settings.give_up, tally)?))
}

async fn by_https(
    https: &HttpsSettings,
    settings: &ProducerSettings,
    tally: Tally,
) -> Result<Publisher, ProducerError> {
    let identity = Identity::new(settings.identity.clone());
    let HttpsSettings { address, connection_string } = https;
    let opened =
        HttpsPublisher::open(address.clone(), connection_string.as_ref(), &identity, settings.give_up, tally).await?;
    Ok(Publisher::Https(opened))
}

/// Waits for the broker, at most `patience`, then for the topic, which is created if that was asked for.
async fn topic_ready(
    kafka: &KafkaSettings,
    settings: &ProducerSettings,
    patience: Duration,
) -> Result<Endpoint, ProducerError> {
    let ProducerSettings { topic, .. } = settings;
    let missing = if settings.create_topic.is_some() { MissingTopic::Leave } else { MissingTopic::LetBrokerCreate };
    let endpoint = Endpoint::open(kafka, &Identity::new(settings.identity.clone())).await?;
    let cluster = Cluster::connect(&endpoint, missing, patience).await?;
    let found = match settings.create_topic {
        None => cluster.wait_for_topic(topic, TOPIC_PATIENCE).await,
        Some(partitions) => match cluster.partitions(topic).await {
            Err(KafkaError::UnknownTopic { .. }) => {
                cluster.create_topic(topic, partitions.get()).await?;
                cluster.wait_for_topic(topic, CREATED_PATIENCE).await
            }
            found => found,
        },
    };
    match found {
        Ok(_) => Ok(endpoint),
        Err(KafkaError::UnknownTopic { topic, address }) => Err(ProducerError::UnknownTopic { topic, address }),
        Err(other) => Err(other.into()),
    }
}
