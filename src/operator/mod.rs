//! The operator's tool: `up` runs the whole pipeline on this machine, `init` makes the tables and users, `guard` does
//! too and stays, `table` tells from files which table they need, `inspect` shows one file, `doctor` tells what a
//! loader lacks, `backfill` loads a history before its latest state is made, `status` shows how far it is, `verify`
//! proves that nothing was lost or came twice, `replay` loads again what it finds lacking, `prune` deletes what is old
//! or of a key, `optimize` packs a Delta table.

mod ahead;
mod aligned;
mod ask;
mod backfill;
mod doctor;
mod guard;
mod init;
mod inspect;
mod level;
mod optimize;
mod progress;
mod prune;
mod rejected;
mod replay;
mod setup;
mod source;
mod status;
mod status_lake;
mod store;
mod table;
mod up;
mod verify;

pub use backfill::{BackfillError, backfill};
pub use doctor::doctor;
pub use guard::{GuardError, guard};
pub use init::{InitError, init};
pub use inspect::{InspectError, inspect};
pub use optimize::{OptimizeError, optimize};
pub use prune::{PruneError, prune};
pub use replay::{ReplayError, replay};
pub use setup::SetupError;
pub use source::SourceError;
pub use status::{StatusError, status};
pub use table::{TableError, table};
pub use up::{Live, UpError, up};
pub use verify::{VerifyError, verify};
