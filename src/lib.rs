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
//! | operator | [`operator`] | the operator's tool, which runs and checks the programs below |
//! | programs | [`producer`] · [`capturer`] · [`loader`] | one per binary, never importing each other |
//! | this machine | [`offline`] | starts Azurite, a broker, a SQL store for `up` and for tests |
//! | service frame | [`service`] | telemetry, signals, exit codes, health over HTTP |
//! | settings | [`settings`] | flags and environment become validated settings |
//! | outside | [`azure`] · [`kafka`] · [`store`] | each the only importer of its client crate |
//! | pure | [`rows`] · [`ledger`] · [`capture`] | the format, the row mapping, the ledger's rules: no network, no tokio, no clap |
//! | base | [`base`] | what everything may use |

pub mod azure;
pub mod base;
pub mod capture;
pub mod capturer;
pub mod kafka;
pub mod ledger;
pub mod loader;
pub mod offline;
pub mod operator;
pub mod producer;
pub mod rows;
pub mod service;
pub mod settings;
pub mod store;
