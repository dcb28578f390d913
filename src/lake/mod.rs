//! Delta tables on blobs or in a directory, written exactly once.
//!
//! ```text
//! rows ─▶ Parquet files ─▶ one commit a group, which says whose records it brings ─▶ __rejected ─▶ __files
//!                          └─ taken by others? read theirs, and go on behind them, or make the group anew
//! ```
//!
//! A commit is a file that only one writer can make. It holds the group's rows, a count (`txn`), and what the ledger is to
//! say of each Capture file; so the table's own log is what is true, and the two tables beside it only follow. Whoever
//! comes next finds by the count what they do not say yet, and notes it.
//!
//! The log is written by our own code, since exactly-once is decided in how a commit meets another's. The only importer
//! of `parquet` and `arrow`.

mod action;
mod address;
mod audit;
mod checkpoint;
mod data;
mod decimal;
mod error;
mod file;
mod head;
mod keys;
mod known;
mod ledger;
mod log;
mod make;
mod pack;
mod place;
mod schema;
mod state;
mod stats;
mod table;
mod upkeep;
mod values;

pub use action::Add;
pub use address::LakeAddress;
pub use audit::{Audit, Audited};
pub use data::{Finished, RejectedRow, RowKey, Rows};
pub use error::LakeError;
pub use keys::Shelf;
pub use ledger::NotedFile;
pub use make::{Blueprint, NewColumn};
pub use pack::Packed;
pub use table::{Committed, Group, Lake};
