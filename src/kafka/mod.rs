//! Kafka clients: the only importer of librdkafka outside the embedded broker of `offline`.
//!
//! ```text
//! KafkaSettings ──open──▶ Endpoint ──▶ Cluster     metadata, topics, watermarks ──▶ Watermarks
//!    secrets, tokens ──▶ Login │  ├─▶ Publisher   idempotent writer with counted delivery reports
//!                              └──└─▶ Reader      partitions from given offsets, each on its own ──▶ TopicLog
//! ```
//!
//! Whatever librdkafka logs comes out as `tracing` lines at debug level, so that a
//! broker's absence is told once by the program and not a hundred times by the library.

mod attendant;
mod client;
mod cluster;
mod endpoint;
mod ends;
mod error;
mod log;
mod login;
mod publisher;
mod reader;
mod settings;
mod throttle;

pub use client::Context;
pub use cluster::{Cluster, MissingTopic};
pub use endpoint::Endpoint;
pub use ends::Watermarks;
pub use error::KafkaError;
pub use log::TopicLog;
pub use publisher::Publisher;
pub use reader::{PartitionReader, Read, Reader, Record};
pub use settings::{AddressError, BrokerAddress, EventHubAccess, KafkaSettings, Proof, Security};

/// The largest record that is sent, its key included.
pub const MESSAGE_BYTES: usize = 1_000_000;
