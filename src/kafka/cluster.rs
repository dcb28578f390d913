use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use tokio::time::Instant;

use super::client::{Context, reason};
use super::{BrokerAddress, KafkaError, KafkaSettings, client_config};

/// How long one request may take. A longer wait is made of several.
const REQUEST: Duration = Duration::from_secs(10);
/// How long one attempt to reach an absent broker may take.
const ATTEMPT: Duration = Duration::from_secs(1);
/// Between two looks at a topic that is not there yet.
const PAUSE: Duration = Duration::from_millis(100);

/// What asking for a topic that does not exist may cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingTopic {
    /// Nothing: a look never creates.
    Leave,
    /// A broker with automatic creation on makes it, as it does for any producer.
    LetBrokerCreate,
}

/// A reachable Kafka endpoint: questions about its topics. Cheap to clone; every question runs off the async threads.
#[derive(Clone)]
pub struct Cluster {
    consumer: Arc<BaseConsumer<Context>>,
    settings: KafkaSettings,
}

impl Cluster {
    /// Waits until a broker answers, trying again for `patience`; dropping the future gives up at once.
    ///
    /// # Errors
    /// [`KafkaError::Unreachable`] when the time is over, with the address and the last connection error.
    pub async fn connect(
        settings: &KafkaSettings,
        missing: MissingTopic,
        patience: Duration,
    ) -> Result<Cluster, KafkaError> {
        let mut config = client_config(settings);
        config.set("allow.auto.create.topics", (missing == MissingTopic::LetBrokerCreate).to_string());
        let consumer = BaseConsumer::from_config_and_context(&config, Context::default())
            .map_err(|error| KafkaError::Client { address: settings.broker.clone(), reason: error.to_string() })?;
        let cluster = Cluster { consumer: Arc::new(consumer), settings: settings.clone() };
        let started = Instant::now();
        let mut told = false;
        loop {
            let left = patience.saturating_sub(started.elapsed()).min(ATTEMPT);
            if cluster.ask(move |consumer| consumer.fetch_metadata(None, left)).await.is_ok() {
                return Ok(cluster);
            }
            if started.elapsed() >= patience {
                return Err(KafkaError::Unreachable {
                    address: settings.broker.clone(),
                    waited: patience,
                    reason: cluster.consumer.context().last_error(),
                });
            }
            if !told {
                told = true;
                tracing::warn!(broker = %settings.broker, "no broker answers yet, trying for {} s", patience.as_secs());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The address it was reached at.
    pub fn address(&self) -> &BrokerAddress {
        &self.settings.broker
    }

    /// The topic's partitions in ascending order.
    ///
    /// # Errors
    /// [`KafkaError::UnknownTopic`], or [`KafkaError::Request`] when there is no answer or no leader yet.
    pub async fn partitions(&self, topic: &str) -> Result<Vec<i32>, KafkaError> {
        let name = topic.to_owned();
        let metadata = self
            .ask(move |consumer| consumer.fetch_metadata(Some(&name), REQUEST))
            .await
            .map_err(|reason| self.failed("metadata", topic, reason))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Err(self.unknown(topic));
        };
        let mut partitions: Vec<i32> = found.partitions().iter().map(|partition| partition.id()).collect();
        match found.error().map(RDKafkaErrorCode::from) {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                Err(self.unknown(topic))
            }
            Some(code) => Err(self.failed("metadata", topic, code.to_string())),
            None if partitions.is_empty() => Err(self.unknown(topic)),
            None => {
                partitions.sort_unstable();
                Ok(partitions)
            }
        }
    }

    /// The same, asked again for `patience` while the topic is unknown or without a leader, as it is for a moment
    /// after its creation.
    ///
    /// # Errors
    /// The last answer, when the time is over.
    pub async fn wait_for_topic(&self, topic: &str, patience: Duration) -> Result<Vec<i32>, KafkaError> {
        let started = Instant::now();
        loop {
            match self.partitions(topic).await {
                Err(_) if started.elapsed() < patience => tokio::time::sleep(PAUSE).await,
                answer => return answer,
            }
        }
    }

    /// The offset of the first record still held and the offset the next record will get.
    ///
    /// # Errors
    /// [`KafkaError::Request`] when the partition does not exist or has no leader, or no answer came in 10 s.
    pub async fn watermarks(&self, topic: &str, partition: i32) -> Result<(i64, i64), KafkaError> {
        let name = topic.to_owned();
        self.ask(move |consumer| consumer.fetch_watermarks(&name, partition, REQUEST))
            .await
            .map_err(|reason| self.failed("watermarks", topic, format!("partition {partition}: {reason}")))
    }

    /// Makes the topic with the broker's own replication factor. One that exists already is left as it is, whatever
    /// its number of partitions.
    ///
    /// # Errors
    /// [`KafkaError::Request`] with the broker's reason. Event Hubs does not create topics this way.
    pub async fn create_topic(&self, topic: &str, partitions: u16) -> Result<(), KafkaError> {
        const ACTION: &str = "creation";
        let admin = AdminClient::from_config_and_context(&client_config(&self.settings), Context::default())
            .map_err(|error| KafkaError::Client { address: self.address().clone(), reason: error.to_string() })?;
        let new = NewTopic::new(topic, i32::from(partitions), TopicReplication::Fixed(-1));
        let options = AdminOptions::new().request_timeout(Some(REQUEST)).operation_timeout(Some(REQUEST));
        let answers =
            admin.create_topics([&new], &options).await.map_err(|error| self.failed(ACTION, topic, reason(&error)))?;
        for answer in answers {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(self.failed(ACTION, topic, code.to_string())),
            }
        }
        Ok(())
    }

    /// Runs one blocking question on a thread made for that.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BaseConsumer<Context>) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T, String> {
        let consumer = Arc::clone(&self.consumer);
        let answer = tokio::task::spawn_blocking(move || {
            let answer = question(&consumer);
            // Log lines and connection errors wait in the client's queue until somebody polls. Each poll returns at
            // an error, or when nothing came for its time.
            for _ in 0..100 {
                if consumer.poll(Duration::from_millis(1)).is_none() {
                    break;
                }
            }
            answer
        });
        answer.await.map_err(|error| error.to_string())?.map_err(|error| reason(&error))
    }

    fn unknown(&self, topic: &str) -> KafkaError {
        KafkaError::UnknownTopic { topic: topic.to_owned(), address: self.address().clone() }
    }

    fn failed(&self, action: &'static str, topic: &str, reason: String) -> KafkaError {
        KafkaError::Request { action, topic: topic.to_owned(), address: self.address().clone(), reason }
    }
}
