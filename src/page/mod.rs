//! The page that a loader shows people: its flow, what is stuck, how far behind it is, and what is in the store.
//!
//! ```text
//! Subject: counters, health ──every second──▶ Clock ──▶ Frame ──▶ Stream, one a viewer ──▶ browser
//! store ◀──a statement a second at most── Desk ◀─┬─ Rota: ledger, files, rejected records
//!                                                └─ Rows: the latest state, as viewers look it up
//! ```
//!
//! It reads and changes nothing. Without viewers it asks the store nothing; with many it asks no more than with one. Its
//! files are part of the program (`web/`), load nothing from elsewhere, and take whatever is shown as text.

mod about;
mod assets;
mod clock;
mod desk;
mod frame;
mod hosts;
mod kept;
mod lag;
mod rate;
mod rota;
mod rows;
mod server;
mod serving;
mod stream;
mod subject;
mod words;

pub use about::About;
pub use desk::Door;
pub use serving::{PageError, serve};
pub use subject::{Fresh, Place, Standing, Subject, Totals};
