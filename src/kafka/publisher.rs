use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};

use super::client::{Context, reason};
use super::{BrokerAddress, KafkaError, KafkaSettings, client_config};
use crate::base::{Delivered, DeliveryWatch, Queued, Undelivered};

/// Memory for records that wait for their acknowledgement. When it is used up, [`Publisher::send`] says so.
const QUEUE_KIB: &str = "65536";
const QUEUE_RECORDS: &str = "100000";

/// Writes to one topic: idempotent, acknowledged by all replicas, partitioned by key the way Java clients do it.
pub struct Publisher<W: DeliveryWatch> {
    producer: ThreadedProducer<Reports<W>>,
    topic: String,
    address: BrokerAddress,
}

impl<W: DeliveryWatch> Publisher<W> {
    /// A publisher that tries each record for `patience` before it reports it undelivered.
    ///
    /// # Errors
    /// [`KafkaError::Client`] when the library refuses the settings.
    pub fn new(settings: &KafkaSettings, topic: &str, patience: Duration, watch: W) -> Result<Self, KafkaError> {
        let mut config = client_config(settings);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("request.timeout.ms", "60000")
            .set("message.timeout.ms", patience.as_millis().to_string())
            .set("queue.buffering.max.kbytes", QUEUE_KIB)
            .set("queue.buffering.max.messages", QUEUE_RECORDS)
            .set("partitioner", "murmur2_random");
        let reports = Reports {
            context: Context::default(),
            watch,
            broker: settings.broker.clone(),
            down: AtomicBool::new(false),
        };
        let producer = ThreadedProducer::from_config_and_context(&config, reports)
            .map_err(|error| KafkaError::Client { address: settings.broker.clone(), reason: error.to_string() })?;
        Ok(Publisher { producer, topic: topic.to_owned(), address: settings.broker.clone() })
    }

    /// Queues a copy of the record; never blocks.
    ///
    /// # Errors
    /// [`KafkaError::Request`] when the record can never be sent, for instance because it is too large.
    pub fn send(&self, key: &[u8], payload: &[u8], tag: usize) -> Result<Queued, KafkaError> {
        match self.producer.send(BaseRecord::with_opaque_to(&self.topic, tag).key(key).payload(payload)) {
            Ok(()) => Ok(Queued::Taken),
            Err((Native::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(Queued::Full),
            Err((error, _)) => Err(KafkaError::Request {
                action: "record",
                topic: self.topic.clone(),
                address: self.address.clone(),
                reason: reason(&error),
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
}

impl<W: DeliveryWatch> ProducerContext for Reports<W> {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        match result {
            Ok(message) => {
                if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed) {
                    tracing::info!(broker = %self.broker, "records are acknowledged again");
                }
                self.watch.delivered(&Delivered {
                    key: message.key().unwrap_or_default(),
                    payload: message.payload().unwrap_or_default(),
                    partition: message.partition(),
                    offset: Some(message.offset()),
                    tag,
                });
            }
            Err((error, message)) => self.watch.undelivered(Undelivered {
                partition: Some(message.partition()).filter(|partition| *partition >= 0),
                reason: reason(error),
            }),
        }
    }
}
