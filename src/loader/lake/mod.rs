//! Routes into Delta tables: found and decoded as those into a store are, and committed instead of inserted.
//!
//! ```text
//! queue ─▶ group of files ─▶ per partition: decode ─▶ keys that are there already ─▶ Parquet ─▶ upload
//!                                                                                     └─▶ one commit ─▶ ledger
//! ```
//!
//! Nothing is counted back: a commit is one file, and is there or is not. A group of which a file could not be read is
//! never committed; it is made anew without that file.

mod group;
mod partition;
mod stream;
mod way;

pub(super) use stream::LakeStream;
pub(super) use way::Way;
