//! The operator's tool: `up` runs the whole pipeline on this machine, `init` makes the tables.

mod init;
mod store;
mod up;

pub use init::{InitError, init};
pub use up::{Live, UpError, up};
