//! Event Hubs over AMQP: the only importer of its SDK crate. Over HTTPS: [`https`].
//!
//! ```text
//! EventHubAddress + credential ──Client──┬─▶ EventHubLog         where the log ends: partition properties
//!                                        └─▶ EventHubPublisher   a lane a partition, sharing one Link
//! EventHubAddress + credential ─────────────▶ EventHubTail        the newest events, a connection a partition
//! ```
//!
//! The SDK's client keeps a connection that broke, so a client here is thrown away with its first error, and its own
//! retries are off: who retries, and for how long, is decided where the purpose is known. The SDK knows token
//! credentials only, and speaks AMQP over TLS (port 5671), not over WebSockets (port 443).

mod address;
mod client;
mod error;
pub mod https;
mod link;
mod log;
mod outbox;
mod partitioner;
mod publisher;
mod tail;

pub use address::EventHubAddress;
pub use error::EventHubError;
pub use log::EventHubLog;
pub use publisher::EventHubPublisher;
pub use tail::EventHubTail;
