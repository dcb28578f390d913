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
mod sas;
mod token;
mod transport;
mod vault;
mod web;

pub use access::{Key, Sas};
pub use web::{Got, Web};
