use super::Summary;
use super::input::InputError;
use super::order::OrderError;
use crate::azure::eventhub::EventHubError;
use crate::azure::eventhub::https::HttpsError;
use crate::azure::identity::IdentityError;
use crate::base::Undelivered;
use crate::kafka::{BrokerAddress, KafkaError};
use crate::registry::RegistryError;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// The endpoint cannot be reached, or refused a request or a record.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The event hub cannot be reached over AMQP, or refused.
    #[error(transparent)]
    EventHub(#[from] EventHubError),
    /// The event hub cannot be opened, or takes no such event, over HTTPS.
    #[error(transparent)]
    Https(#[from] HttpsError),
    /// The program has no identity towards Azure.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The schema registry does not take the events' schema, or is away.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Events in Avro without a registry for their schema.
    #[error("events in Avro need a schema registry: name one by --schema-registry")]
    NoRegistry,
    /// The topic is not there and nobody made it.
    #[error("topic {topic} does not exist at {address}: add --create-topic 3 to make it, or check --topic")]
    UnknownTopic {
        /// The topic.
        topic: String,
        /// Where it was looked for.
        address: BrokerAddress,
    },
    /// No number can be given to the next event.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The user's lines cannot be read or sent. What stood before the bad line was sent.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Sent events without an acknowledgement. They may have arrived all the same.
    #[error(
        "{} of {} events were not acknowledged by {address} for topic {topic}{}",
        summary.failed(), summary.sent, first.as_ref().map(first_reason).unwrap_or_default()
    )]
    NotAcknowledged {
        /// What was sent and acknowledged.
        summary: Box<Summary>,
        /// The topic.
        topic: String,
        /// The endpoint.
        address: String,
        /// The first report, if any came.
        first: Option<Undelivered>,
    },
    /// The sending thread ended without an answer.
    #[error("sending stopped half-way: {0}")]
    Broken(String),
}

fn first_reason(first: &Undelivered) -> String {
    match first.partition {
        Some(partition) => format!("; the first, in partition {partition}: {}", first.reason),
        None => format!("; the first: {}", first.reason),
    }
}
