use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};

use super::attendant::Attendant;
use super::client::Context;
use super::{BrokerAddress, Endpoint, KafkaError};
use crate::base::{Delivered, DeliveryWatch, Queued, Undelivered};

/// Memory for records that wait for their acknowledgement. When it is used up, [`Publisher::send`] says so.
const QUEUE_KIB: &str = "65536";
const QUEUE_RECORDS: &str = "100000";

/// Writes to one topic: idempotent, acknowledged by all replicas, partitioned by key the way Java clients do it.
pub struct Publisher<W: DeliveryWatch> {
    producer: Arc<ThreadedProducer<Reports<W>>>,
    topic: String,
    endpoint: Endpoint,
    _attendant: Option<Attendant>,
}

impl<W: DeliveryWatch> Publisher<W> {
    /// A publisher that tries each record for `patience` before it reports it undelivered. Call inside a runtime.
    ///
    /// # Errors
    /// [`KafkaError::Client`] when the library refuses the settings.
    pub fn new(endpoint: &Endpoint, topic: &str, patience: Duration, watch: W) -> Result<Self, KafkaError> {
        let mut config = endpoint.client_config();
        config
            // Event Hubs takes no compressed records on its Standard tier.
            .set("compression.type", "none")
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("request.timeout.ms", "60000")
            .set("message.timeout.ms", patience.as_millis().to_string())
            .set("queue.buffering.max.kbytes", QUEUE_KIB)
            .set("queue.buffering.max.messages", QUEUE_RECORDS)
            .set("partitioner", "murmur2_random");
        let reports = Reports {
            context: endpoint.context(),
            watch,
            broker: endpoint.address().clone(),
            down: AtomicBool::new(false),
        };
        let producer = ThreadedProducer::from_config_and_context(&config, reports)
            .map_err(|error| KafkaError::Client { address: endpoint.address().clone(), reason: error.to_string() })?;
        let producer: Arc<ThreadedProducer<Reports<W>>> = Arc::new(producer);
        let attendant = Attendant::of(endpoint, &producer, |producer| producer.client(), |_| {});
        Ok(Publisher { producer, topic: topic.to_owned(), endpoint: endpoint.clone(), _attendant: attendant })
    }

    /// Queues a copy of the record; never blocks.
    ///
    /// # Errors
    /// [`KafkaError::TooLarge`], or [`KafkaError::Request`] when the record can never be sent for another reason.
    pub fn send(&self, key: &[u8], payload: &[u8], tag: usize) -> Result<Queued, KafkaError> {
        match self.producer.send(BaseRecord::with_opaque_to(&self.topic, tag).key(key).payload(payload)) {
            Ok(()) => Ok(Queued::Taken),
            Err((Native::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(Queued::Full),
            Err((Native::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge), _)) => Err(KafkaError::TooLarge {
                topic: self.topic.clone(),
                address: self.endpoint.address().clone(),
                bytes: key.len() + payload.len(),
            }),
            Err((error, _)) => Err(KafkaError::Request {
                action: "record",
                topic: self.topic.clone(),
                address: self.endpoint.address().clone(),
                reason: self.producer.context().context.reason(&error),
            }),
        }
    }

    /// Waits until every record's end was reported, at most `patience`. Blocks the thread.
    pub fn drain(&self, patience: Duration) {
        // Not the library's flush: that would report from this thread too, out of order with the polling thread.
        let started = Instant::now();
        while self.producer.in_flight_count() > 0 && started.elapsed() < patience {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

struct Reports<W> {
    context: Context,
    watch: W,
    broker: BrokerAddress,
    down: AtomicBool,
}

impl<W: DeliveryWatch> ClientContext for Reports<W> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: Native, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown)
            && !self.down.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(broker = %self.broker, "no broker answers, records wait");
        }
        self.context.error(error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.context.stats_raw(statistics);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.context.generate_oauth_token(config)
    }
}

impl<W: DeliveryWatch> ProducerContext for Reports<W> {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        match result {
            Ok(message) => {
                if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed) {
                    tracing::info!(broker = %self.broker, "records are acknowledged again");
                }
                self.context.accepted();
                self.watch.delivered(&Delivered {
                    key: message.key().unwrap_or_default(),
                    payload: message.payload().unwrap_or_default(),
                    partition: Some(message.partition()),
                    offset: Some(message.offset()),
                    tag,
                });
            }
            Err((error, message)) => self.watch.undelivered(Undelivered {
                partition: Some(message.partition()).filter(|partition| *partition >= 0),
                reason: self.context.reason(error),
            }),
        }
    }
}
