//! Delta writing on Azure: change events (insert, update, delete) become the latest state, continuously.
//!
//! ```text
//! producer ──Kafka/TLS──▶ Event Hubs ──Capture──▶ Blob (Avro) ──▶ loader ──SQL──▶ RisingWave ──▶ BI, API, psql
//!    │                                                ▲
//!    └──Kafka──▶ any Kafka broker ──▶ capture ────────┘        offline: Azurite + local Kafka, no cloud
//! ```
//!
//! Imports point down only:
//!
//! | layer | modules | role |
//! |---|---|---|
//! | programs | [`producer`] · [`capturer`] · `loader` · `operator` | one per binary, never importing each other but for `operator`, which runs them |
//! | this machine | [`offline`] | starts Azurite, a broker, a SQL store for `up` and for tests |
//! | service frame | [`service`] · [`settings`] | telemetry, signals, exit codes; flags and environment to validated settings |
//! | outside | [`azure`] · [`kafka`] · [`store`] | each the only importer of its client crate |
//! | pure | [`rows`] · [`ledger`] · [`capture`] | the format, the row mapping, the ledger's rules: no network, no tokio, no clap |

pub mod azure;
pub mod capture;
pub mod capturer;
pub mod kafka;
pub mod ledger;
pub mod offline;
pub mod producer;
pub mod rows;
pub mod service;
pub mod settings;
pub mod store;
