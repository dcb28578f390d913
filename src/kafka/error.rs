use std::time::Duration;

use super::{BrokerAddress, MESSAGE_BYTES};

/// What can go wrong between this program and a Kafka endpoint.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// Nothing answered as a Kafka broker in time.
    #[error(
        "no broker answered at {address} within {} s{}: check that Kafka runs there and that the port is open",
        waited.as_secs(), reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
    )]
    Unreachable {
        /// Where it was looked for.
        address: BrokerAddress,
        /// For how long.
        waited: Duration,
        /// What the last attempt ended with, if it ended.
        reason: Option<String>,
    },
    /// The same for an event hub, whose address nobody typed.
    #[error(
        "{host} did not answer at {address} within {} s{}: {}",
        waited.as_secs(), reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default(),
        cure(reason.as_deref().unwrap_or_default())
    )]
    NamespaceAway {
        /// The namespace's host name.
        host: String,
        /// Where it was looked for.
        address: BrokerAddress,
        /// For how long.
        waited: Duration,
        /// What the last attempt ended with, if it ended.
        reason: Option<String>,
    },
    /// There is no such event hub in the namespace.
    #[error(
        "event hub {hub} does not exist in {host}: check --event-hub, or make it (az eventhubs eventhub create), which \
         Kafka clients cannot"
    )]
    UnknownEventHub {
        /// The event hub.
        hub: String,
        /// The namespace's host name.
        host: String,
    },
    /// Event Hubs does not let this program in, or there is nothing to show it: a whole sentence.
    #[error("{0}")]
    Login(String),
    /// A record is larger than what is sent.
    #[error(
        "a record for topic {topic} at {address} has {bytes} bytes with its key, and at most {MESSAGE_BYTES} are sent \
         (Event Hubs takes 1 MB): make it smaller or split it"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// The endpoint.
        address: BrokerAddress,
        /// Its size.
        bytes: usize,
    },
    /// The endpoint does not know the topic and did not make it.
    #[error("topic {topic} does not exist at {address}: create it, or check its name")]
    UnknownTopic {
        /// The topic asked for.
        topic: String,
        /// Where it was asked for.
        address: BrokerAddress,
    },
    /// A request about a topic was refused or went unanswered.
    #[error("{action} of topic {topic} at {address}: {reason}")]
    Request {
        /// What was asked: a noun, such as `metadata`.
        action: &'static str,
        /// The topic it was asked about.
        topic: String,
        /// The endpoint asked.
        address: BrokerAddress,
        /// The endpoint's or the library's reason.
        reason: String,
    },
    /// Records cannot be unpacked, however often they are read.
    #[error(
        "partition {partition} of topic {topic} at {address} has records that {what}; gzip, snappy, lz4 and zstd can be \
         unpacked here: have its producers use one of these, and let the records fall out of the topic"
    )]
    Compression {
        /// The topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// The endpoint.
        address: BrokerAddress,
        /// What is wrong with them.
        what: &'static str,
    },
    /// The library refused the settings.
    #[error("kafka client for {address}: {reason}")]
    Client {
        /// The endpoint the client was for.
        address: BrokerAddress,
        /// The library's reason.
        reason: String,
    },
}

impl KafkaError {
    /// Whether reading on does not help, however long one waits.
    pub fn is_permanent(&self) -> bool {
        matches!(self, KafkaError::Compression { .. })
    }
}

/// What to do about a namespace that does not answer, by what the last attempt ended with.
fn cure(reason: &str) -> &'static str {
    if reason.contains("certificate") {
        "its certificate is signed by nobody whom this machine trusts, so give the authority's certificate by --kafka-ca"
    } else if reason.contains("resolve") {
        "check the namespace's name in --event-hub, and the private DNS zone if it has one"
    } else {
        "check that port 9093 is open from here and that the namespace's firewall lets this machine in"
    }
}
