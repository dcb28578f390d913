//! Finds Capture files, decodes them and loads their records into the store, once each.
//!
//! ```text
//! listing ─▶ discover ─▶ ledger says which are new ─▶ queue: news before backlog ─▶ group of files
//! notifications ─▶ notify ─▶ ledger and container say the same ──▲                     │ fetch, decode (several at once)
//!                                                                                      ▼
//!        ┌────────────▶ Decoded ──▶ Written ──FLUSH──▶ Flushed ──count──▶ Counted ──▶ Receipt (ledger rows) ─▶ settle
//!        └──────────────────────── what the store turns out not to have ─────┘            └─▶ messages deleted
//! ```
//!
//! Beside the files, `live` reads the broker's end and writes the same rows earlier, without any promise.
//!
//! A stream is one route's way through all this: its listing, its queue, its group in hand and its trouble are its own.
//! Streams share a bounded pool of sessions, each taken for one try, and places in memory, given back before long pauses.
//!
//! Each of the five is made only from the one before, so that a file cannot be noted as done before its records were
//! counted back: RisingWave forgets acknowledged rows in a recovery, and a FLUSH afterwards succeeds. A crash anywhere leaves no ledger row, and so a repeat; the table's primary key makes repeats harmless.

mod beside;
mod budget;
mod count;
mod decode;
mod discover;
mod dry;
mod error;
mod evolve;
mod fetch;
mod freshness;
mod group;
mod health;
mod journey;
mod lake;
mod level;
mod lister;
mod live;
mod noted;
mod notify;
mod once;
mod party;
mod patience;
mod pool;
mod progress;
mod proving;
mod queue;
mod records;
mod recovery;
mod registrar;
mod replay;
mod reread;
mod rewrite;
mod run;
mod settle;
mod shown;
mod slots;
mod stream;
mod turn;
mod unmapped;
mod write;

pub use beside::{Instead, what_stands_there};
pub use dry::{DryRun, dry_run};
pub use error::{Forgotten, LoadError};
pub use freshness::{FRESH_FOR, FreshnessSummary, percentiles};
pub use level::{PartitionLevel, StreamLevel, log_ends};
pub use progress::{Counts, Progress};
pub use replay::{Again, load_again};
pub use reread::{Origin, Reread, reread};
pub use run::run;
