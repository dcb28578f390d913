//! Kafka clients: the only importer of librdkafka outside the embedded broker of `offline`.
//!
//! ```text
//! KafkaSettings ──client_config──▶ ClientConfig ──▶ Cluster     metadata, topics, watermarks ──▶ Watermarks
//!                                                ├─▶ Publisher   idempotent writer with counted delivery reports
//!                                                └─▶ Reader      partitions from given offsets, each on its own
//! ```
//!
//! Whatever librdkafka logs comes out as `tracing` lines at debug level, so that a
//! broker's absence is told once by the program and not a hundred times by the library.

mod client;
mod cluster;
mod ends;
mod error;
mod publisher;
mod reader;
mod settings;

pub use client::Context;
pub use cluster::{Cluster, MissingTopic};
pub use ends::Watermarks;
pub use error::KafkaError;
pub use publisher::Publisher;
pub use reader::{PartitionReader, Read, Reader, Record};
pub use settings::{AddressError, BrokerAddress, KafkaSettings, Security, client_config};
