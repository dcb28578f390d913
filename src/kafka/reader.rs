use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rdkafka::Offset;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{Consumer as _, StreamConsumer, stream_consumer::StreamPartitionQueue};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::task::JoinHandle;

use super::attendant::Attendant;
use super::client::Context;
use super::{BrokerAddress, Endpoint, KafkaError};

/// Records fetched ahead of their use, in KiB a partition.
const READ_AHEAD_KIB: &str = "4096";
/// The most bytes of one answer from a broker, but for a single record that is larger.
const ANSWER_BYTES: &str = "8388608";

/// The same at a partition's end. An answer must have room for the largest record there may be.
const TAIL_AHEAD_KIB: &str = "1024";
const TAIL_ANSWER_BYTES: &str = "2097152";
/// How long a broker may keep an answer back that has nothing in it. Brokers answer when a record comes; one that is
/// played in a process does not.
const TAIL_WAIT_MS: &str = "100";

/// One record with everything a broker knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the partition.
    pub offset: i64,
    /// Milliseconds since 1970, by the producer's or the broker's clock as the topic is set; none in formats of before
    /// 2016.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; none is what a compacted topic takes for a deletion.
    pub payload: Option<Vec<u8>>,
    /// Headers in their order; a name may stand several times.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What waiting for a partition's next record ends with.
#[derive(Debug)]
pub enum Read {
    /// The next record.
    Record(Record),
    /// Everything that was there has been handed out. More may come.
    End,
    /// The offset asked for is not in the log, or not any more. Nothing comes until a [`PartitionReader::seek`].
    OutOfRange,
}

/// Reads partitions from given offsets, without a consumer group's help: nothing is committed, nothing is skipped.
pub struct Reader {
    consumer: Arc<StreamConsumer<Context>>,
    address: BrokerAddress,
    events: JoinHandle<()>,
    _attendant: Option<Attendant>,
}

/// How a reader is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// All records, as many at a time as there are.
    Whole,
    /// The newest records, as they come.
    Tail,
}

impl Reader {
    /// A reader without partitions. Call inside a runtime.
    ///
    /// # Errors
    /// [`KafkaError::Client`] when the library refuses the settings.
    pub fn new(endpoint: &Endpoint) -> Result<Reader, KafkaError> {
        Self::open_for(endpoint, Manner::Whole)
    }

    /// The same for partitions that are read at their ends, with less memory for what is fetched ahead.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) fn of_tails(endpoint: &Endpoint) -> Result<Reader, KafkaError> {
        Self::open_for(endpoint, Manner::Tail)
    }

    fn open_for(endpoint: &Endpoint, manner: Manner) -> Result<Reader, KafkaError> {
        let mut config = endpoint.client_config();
        config
            // The library wants a group for manual assignment too; it is never joined.
            .set("group.id", "deltawave-capture")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("queued.max.messages.kbytes", READ_AHEAD_KIB)
            .set("fetch.max.bytes", ANSWER_BYTES);
        if manner == Manner::Tail {
            config
                .set("queued.max.messages.kbytes", TAIL_AHEAD_KIB)
                .set("fetch.max.bytes", TAIL_ANSWER_BYTES)
                .set("fetch.wait.max.ms", TAIL_WAIT_MS)
                .set("fetch.error.backoff.ms", TAIL_WAIT_MS);
        }
        let consumer = StreamConsumer::from_config_and_context(&config, endpoint.context())
            .map_err(|error| KafkaError::Client { address: endpoint.address().clone(), reason: error.to_string() })?;
        let consumer: Arc<StreamConsumer<Context>> = Arc::new(consumer);
        // Records come by the partitions' own queues; the common one brings the library's log and its troubles.
        let common = Arc::clone(&consumer);
        let events = tokio::spawn(async move {
            loop {
                match common.recv().await {
                    Ok(record) => tracing::error!(
                        topic = record.topic(),
                        partition = record.partition(),
                        offset = record.offset(),
                        "a record came by the common queue: it is read again after a restart"
                    ),
                    Err(error) => tracing::debug!(%error, "kafka reader"),
                }
            }
        });
        let attendant = Attendant::of(endpoint, &consumer, |consumer| consumer.client(), |_| {});
        Ok(Reader { consumer, address: endpoint.address().clone(), events, _attendant: attendant })
    }

    /// Starts reading a partition at `offset`. Each partition has one reader at most.
    ///
    /// # Errors
    /// [`KafkaError::Request`] when the library refuses the partition.
    pub fn open(&self, topic: &str, partition: i32, offset: i64) -> Result<PartitionReader, KafkaError> {
        let failed = |reason| refused(topic, partition, &self.address, reason);
        // The queue is taken before the partition is assigned, which keeps its first records out of the common queue.
        let queue = self
            .consumer
            .split_partition_queue(topic, partition)
            .ok_or_else(|| failed("the library has no queue for it".to_owned()))?;
        let reader = PartitionReader {
            consumer: Arc::clone(&self.consumer),
            queue,
            topic: topic.to_owned(),
            partition,
            address: self.address.clone(),
        };
        let at = reader.at(offset)?;
        self.consumer.incremental_assign(&at).map_err(|error| failed(error.to_string()))?;
        Ok(reader)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.events.abort();
    }
}

/// Reads one partition.
pub struct PartitionReader {
    consumer: Arc<StreamConsumer<Context>>,
    queue: StreamPartitionQueue<Context>,
    topic: String,
    partition: i32,
    address: BrokerAddress,
}

impl PartitionReader {
    /// The next record, in the order of offsets. A dropped wait loses nothing. While it is not called, at most 4 MiB
    /// are fetched ahead.
    ///
    /// # Errors
    /// [`KafkaError::Request`]: the broker's trouble with this partition. The library goes on trying.
    /// [`KafkaError::Compression`]: records that cannot be unpacked.
    pub async fn next(&mut self) -> Result<Read, KafkaError> {
        match self.queue.recv().await {
            Ok(message) => Ok(Read::Record(record(&message))),
            Err(Native::PartitionEOF(_)) => Ok(Read::End),
            Err(error) => match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => Ok(Read::OutOfRange),
                Some(RDKafkaErrorCode::NotImplemented) => Err(self.packed("are packed in an unknown way")),
                Some(RDKafkaErrorCode::BadCompression) => Err(self.packed("are packed and damaged")),
                _ => Err(refused(&self.topic, self.partition, &self.address, self.consumer.context().reason(&error))),
            },
        }
    }

    fn packed(&self, what: &'static str) -> KafkaError {
        let (topic, partition, address) = (self.topic.clone(), self.partition, self.address.clone());
        KafkaError::Compression { topic, partition, address, what }
    }

    /// Goes on at `offset`. Records that were fetched before are not handed out any more.
    ///
    /// # Errors
    /// [`KafkaError::Request`] when the library refuses.
    pub async fn seek(&mut self, offset: i64) -> Result<(), KafkaError> {
        let (consumer, at) = (Arc::clone(&self.consumer), self.at(offset)?);
        // Not the library's own seek: that one wants a partition which is being fetched, and after an offset out of
        // range it is not.
        let moved = tokio::task::spawn_blocking(move || {
            consumer.incremental_unassign(&at)?;
            consumer.incremental_assign(&at)
        });
        match moved.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(refused(&self.topic, self.partition, &self.address, error.to_string())),
            Err(error) => Err(refused(&self.topic, self.partition, &self.address, error.to_string())),
        }
    }

    fn at(&self, offset: i64) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, self.partition, Offset::Offset(offset))
            .map_err(|error| refused(&self.topic, self.partition, &self.address, error.to_string()))?;
        Ok(list)
    }
}

impl Drop for PartitionReader {
    fn drop(&mut self) {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, self.partition);
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::debug!(%error, topic = self.topic, partition = self.partition, "unassign");
        }
    }
}

fn refused(topic: &str, partition: i32, address: &BrokerAddress, reason: String) -> KafkaError {
    KafkaError::Request {
        action: "reading",
        topic: topic.to_owned(),
        address: address.clone(),
        reason: format!("partition {partition}: {reason}"),
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    Record {
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers: headers(message),
    }
}

fn headers(message: &BorrowedMessage<'_>) -> Vec<(String, Option<Vec<u8>>)> {
    let Some(headers) = message.headers() else { return Vec::new() };
    let mut out = Vec::with_capacity(headers.count());
    for index in 0..headers.count() {
        // The library panics at a name that is not UTF-8. Kafka forbids such names but lets them through, and one
        // producer's mistake must not stop the reader.
        match catch_unwind(AssertUnwindSafe(|| headers.try_get(index))) {
            Ok(Some(header)) => out.push((header.key.to_owned(), header.value.map(<[u8]>::to_vec))),
            Ok(None) => {}
            Err(_) => tracing::warn!(
                topic = message.topic(),
                partition = message.partition(),
                offset = message.offset(),
                "header {index} has a name that is not UTF-8: it is left out"
            ),
        }
    }
    out
}
