//! The operator's tool: `up` runs the whole pipeline on this machine, `init` makes the tables and users, `guard` does
//! too and stays.

mod guard;
mod init;
mod setup;
mod store;
mod up;

pub use guard::{GuardError, guard};
pub use init::{InitError, init};
pub use setup::SetupError;
pub use up::{Live, UpError, up};
