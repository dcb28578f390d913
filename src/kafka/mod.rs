//! Kafka clients: the only importer of librdkafka outside the embedded broker of `offline`.
//!
//! ```text
//! KafkaSettings ──client_config──▶ ClientConfig ──▶ Cluster     metadata, topics, watermarks
//!                                                └─▶ Publisher   idempotent writer with counted delivery reports
//! ```
//!
//! A reader starts from [`client_config`] too and adds its own keys (`enable.auto.commit=false`,
//! `enable.partition.eof=true`, …). Whatever librdkafka logs comes out as `tracing` lines at debug level, so that a
//! broker's absence is told once by the program and not a hundred times by the library.

mod client;
mod cluster;
mod error;
mod publisher;
mod settings;

pub use client::Context;
pub use cluster::{Cluster, MissingTopic};
pub use error::KafkaError;
pub use publisher::{Delivered, DeliveryWatch, Publisher, Queued, Undelivered};
pub use settings::{AddressError, BrokerAddress, KafkaSettings, Security, client_config};
