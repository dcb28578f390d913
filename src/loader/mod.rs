//! Finds Capture files, decodes them and loads their records into the store, once each.
//!
//! ```text
//! listing ─▶ discover ─▶ ledger says which are new ─▶ group of files
//!                                                        │ fetch, decode (several at once)
//!                                                        ▼
//!                       Decoded ──▶ Written ──FLUSH──▶ Durable ──▶ Receipt (ledger rows)
//! notifications ─▶ notify ─▶ ledger and container say the same ─▶ group of files ─▶ … ─▶ Receipt ─▶ Acknowledged
//! ```
//!
//! Each of the four is made only from the one before, so that a file cannot be noted as done before its records are
//! durable. A crash anywhere leaves no ledger row, and so a repeat; the table's primary key makes repeats harmless.

mod beside;
mod budget;
mod decode;
mod discover;
mod dry;
mod error;
mod fetch;
mod group;
mod health;
mod lane;
mod notify;
mod patience;
mod progress;
mod records;
mod recovery;
mod run;
mod unmapped;
mod write;

pub use dry::{DryRun, dry_run};
pub use error::LoadError;
pub use progress::{Counts, Progress};
pub use run::run;
