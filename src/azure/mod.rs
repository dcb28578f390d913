//! Azure's services: each submodule is the only importer of its SDK crate. What they share stands beside them.

pub mod blob;
pub mod eventhub;
pub mod identity;
pub mod queue;

mod access;
mod credential;
mod cure;
mod endpoint;
mod failure;
mod get;
mod sas;
mod token;
mod transport;
mod vault;

pub use access::{Key, Sas};
pub use get::{Getter, Got};
