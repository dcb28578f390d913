use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use tokio::time::Instant;

use super::attendant::Attendant;
use super::client::Context;
use super::{BrokerAddress, Endpoint, KafkaError};

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
    endpoint: Endpoint,
    _attendant: Option<Arc<Attendant>>,
}

impl Cluster {
    /// Waits until a broker answers, trying again for `patience`; dropping the future gives up at once.
    ///
    /// # Errors
    /// [`KafkaError::Unreachable`] when the time is over, with the address and the last connection error.
    pub async fn connect(
        endpoint: &Endpoint,
        missing: MissingTopic,
        patience: Duration,
    ) -> Result<Cluster, KafkaError> {
        let mut config = endpoint.client_config();
        let create = missing == MissingTopic::LetBrokerCreate && endpoint.event_hub().is_none();
        config.set("allow.auto.create.topics", create.to_string());
        let consumer = BaseConsumer::from_config_and_context(&config, endpoint.context())
            .map_err(|error| KafkaError::Client { address: endpoint.address().clone(), reason: error.to_string() })?;
        let consumer: Arc<BaseConsumer<Context>> = Arc::new(consumer);
        // A token or a password may have to be renewed while no question is asked.
        let attendant = Attendant::of(
            endpoint,
            &consumer,
            |consumer| consumer.client(),
            |consumer| {
                consumer.poll(Duration::ZERO);
            },
        );
        let cluster = Cluster { consumer, endpoint: endpoint.clone(), _attendant: attendant.map(Arc::new) };
        // Who may use one event hub need not be allowed to ask for all.
        let hub = endpoint.event_hub().map(|access| access.hub.clone());
        let started = Instant::now();
        let mut told = false;
        loop {
            let left = patience.saturating_sub(started.elapsed()).min(ATTEMPT);
            let hub = hub.clone();
            if cluster.ask(move |consumer| consumer.fetch_metadata(hub.as_deref(), left)).await.is_ok() {
                return Ok(cluster);
            }
            if let Some(sentence) = cluster.consumer.context().hopeless() {
                return Err(KafkaError::Login(sentence));
            }
            if started.elapsed() >= patience {
                return Err(cluster.unreachable(patience));
            }
            if !told {
                told = true;
                tracing::warn!(broker = %endpoint.address(), "no broker answers yet, trying for {} s", patience.as_secs());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The address it was reached at.
    pub fn address(&self) -> &BrokerAddress {
        self.endpoint.address()
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
            Some(code) => Err(self.failed("metadata", topic, self.consumer.context().explain(code))),
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
        let admin = AdminClient::from_config_and_context(&self.endpoint.client_config(), self.endpoint.context())
            .map_err(|error| KafkaError::Client { address: self.address().clone(), reason: error.to_string() })?;
        let new = NewTopic::new(topic, i32::from(partitions), TopicReplication::Fixed(-1));
        let options = AdminOptions::new().request_timeout(Some(REQUEST)).operation_timeout(Some(REQUEST));
        let answers = admin
            .create_topics([&new], &options)
            .await
            .map_err(|error| self.failed(ACTION, topic, self.consumer.context().reason(&error)))?;
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
            if answer.is_ok() {
                consumer.context().accepted();
            }
            // Log lines and connection errors wait in the client's queue until somebody polls. Each poll returns at
            // an error, or when nothing came for its time.
            for _ in 0..100 {
                if consumer.poll(Duration::from_millis(1)).is_none() {
                    break;
                }
            }
            answer
        });
        let answer = answer.await.map_err(|error| error.to_string())?;
        answer.map_err(|error| self.consumer.context().reason(&error))
    }

    fn unreachable(&self, waited: Duration) -> KafkaError {
        let (address, reason) = (self.address().clone(), self.consumer.context().last_error());
        match self.endpoint.event_hub() {
            None => KafkaError::Unreachable { address, waited, reason },
            Some(access) => KafkaError::NamespaceAway { host: access.host.clone(), address, waited, reason },
        }
    }

    fn unknown(&self, topic: &str) -> KafkaError {
        if let Some(access) = self.endpoint.event_hub() {
            return KafkaError::UnknownEventHub { hub: topic.to_owned(), host: access.host.clone() };
        }
        KafkaError::UnknownTopic { topic: topic.to_owned(), address: self.address().clone() }
    }

    fn failed(&self, action: &'static str, topic: &str, reason: String) -> KafkaError {
        KafkaError::Request { action, topic: topic.to_owned(), address: self.address().clone(), reason }
    }
}
