//! Real components on this machine: what `deltawave up` runs and what the integration tests test against.
//!
//! ```text
//! Parts ──fetched once──▶ Azurite, Kafka, Postgres ─┐
//! PATH ─────────────────▶ RisingWave ───────────────┼─▶ Service: stop, kill, restart ─▶ log.txt
//! nothing to fetch ─────▶ EmbeddedBroker            ┘
//! ```
//!
//! - Everything listens on loopback only, on ports that were free at the start and stay the same over restarts.
//! - Nothing outlives this program, however it ends, and nothing is ever ended that was not started here.
//! - Several may start at once. A handle belongs to no runtime.

mod azurite;
mod broker;
mod browser;
mod certificates;
mod connect;
mod error;
mod java;
mod kafka;
mod parts;
mod ports;
mod postgres;
mod prerequisites;
mod process;
mod prometheus;
mod registry;
mod risingwave;
mod scratch;
mod serializers;
mod service;
mod unix;

use std::fs;
use std::path::Path;

pub use azurite::Azurite;
pub use broker::EmbeddedBroker;
pub use browser::Browser;
pub use certificates::{Authority, Issued};
pub use connect::Connect;
pub use error::OfflineError;
pub use kafka::{Kafka, Lock};
pub use parts::{Part, Parts};
pub use postgres::{Access, Postgres};
pub use prerequisites::{MissingTools, missing_tools};
pub use prometheus::{Prometheus, PrometheusTools};
pub use registry::Registry;
pub use risingwave::RisingWave;
pub use scratch::Scratch;
pub use serializers::Serializers;
pub use service::Service;

/// Is told, in a few words, what takes long.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// How much a component's data is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing: it may be lost with the process (Azurite) or with the machine (PostgreSQL), for speed.
    Memory,
    /// It stays in the directory and survives a stop and a crash, as far as the component promises that.
    Directory,
}

fn write(file: &Path, text: &str) -> Result<(), OfflineError> {
    fs::write(file, text).map_err(OfflineError::file("write", file))
}
