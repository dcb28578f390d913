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
//! | operator | [`operator`] | the operator's tool: `up` runs the programs below, `init` and `guard` set up the store, `status` and `verify` look at what was loaded |
//! | programs | [`producer`] · [`capturer`] · [`loader`] | one per binary, never importing each other |
//! | page | [`page`] | what a running loader shows to people in a browser |
//! | this machine | [`offline`] | starts Azurite, a broker, a SQL store for `up` and for tests, with certificates for TLS |
//! | frame | [`service`] | telemetry, signals, exit codes, health over HTTP |
//! | settings | [`settings`] | flags and environment become validated settings, and the page that lists them |
//! | outside | [`azure`]: [`blob`](azure::blob), [`queue`](azure::queue), [`eventhub`](azure::eventhub), [`identity`](azure::identity), Key Vault | each submodule the only importer of its SDK crate |
//! | tables on blobs | [`lake`] | Delta tables, written exactly once: the only importer of Parquet and Arrow |
//! | outside | [`registry`] | schema registries, asked over HTTPS |
//! | outside | [`kafka`] · [`store`] | each the only importer of its client crate: Kafka with the login to event hubs; SQL with TLS and users |
//! | outside | [`traces`] | what is done to each file, for a collector: the only importer of OpenTelemetry |
//! | pure | [`formats`] · [`rows`] · [`ledger`] · [`capture`] | what bodies are, the row mapping, the ledger's rules, Capture's files: no network, no tokio, no clap |
//! | base | [`base`] | what everything may use |

pub mod azure;
pub mod base;
pub mod capture;
pub mod capturer;
pub mod formats;
pub mod kafka;
pub mod lake;
pub mod ledger;
pub mod loader;
pub mod offline;
pub mod operator;
pub mod page;
pub mod producer;
pub mod registry;
pub mod rows;
pub mod service;
pub mod settings;
pub mod store;
pub mod traces;
