//! Finds Capture files, decodes them and loads their records into the store, once each.
//!
//! ```text
//! listing ─▶ discover ─▶ ledger says which are new ─▶ group of files
//!                                                        │ fetch, decode (several at once)
//!                                                        ▼
//!        ┌────────────▶ Decoded ──▶ Written ──FLUSH──▶ Flushed ──count──▶ Counted ──▶ Receipt (ledger rows)
//!        └──────────────────────── what the store turns out not to have ─────┘
//! notifications ─▶ notify ─▶ ledger and container say the same ─▶ group of files ─▶ … ─▶ Receipt ─▶ Acknowledged
//! ```
//!
//! Each of the five is made only from the one before, so that a file cannot be noted as done before its records were
//! counted back: RisingWave forgets acknowledged rows in a recovery, and a FLUSH afterwards succeeds. A crash anywhere leaves no ledger row, and so a repeat; the table's primary key makes repeats harmless.

mod budget;
mod count;
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
mod replay;
mod rewrite;
mod run;
mod write;

pub use dry::{DryRun, dry_run};
pub use error::{Forgotten, LoadError};
pub use progress::{Counts, Progress};
pub use replay::{Again, load_again};
pub use run::run;
