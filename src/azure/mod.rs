//! Azure's services: each submodule is the only importer of its SDK crate.

pub mod blob;
