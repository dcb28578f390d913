use std::time::Duration;

use super::BrokerAddress;

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
    /// The library refused the settings.
    #[error("kafka client for {address}: {reason}")]
    Client {
        /// The endpoint the client was for.
        address: BrokerAddress,
        /// The library's reason.
        reason: String,
    },
}
