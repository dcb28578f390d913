//! Event Hubs over HTTPS, for networks that let only port 443 out. It sends and cannot receive.
//!
//! ```text
//! key ─▶ Lane ─▶ Waiting ─▶ Batch (one key) ──Service──▶ POST …/HUB/messages ─▶ 201
//!                                                │ Proof: token, or signature of a connection string
//!                                                └ Gate: what the service asks to wait, for all lanes
//! ```
//!
//! The SDK for Event Hubs has no such transport; what is sent is Microsoft's REST reference ("Send batch events"), by the
//! HTTP client of the other services, which goes through `HTTPS_PROXY` and trusts `SSL_CERT_FILE`.

mod batch;
mod error;
mod gate;
mod lane;
mod proof;
mod publisher;
mod service;

pub use error::HttpsError;
pub use proof::check_proof;
pub use publisher::HttpsPublisher;
