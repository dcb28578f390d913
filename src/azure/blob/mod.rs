//! A container of blobs: in Azure, in Azurite, or a directory laid out the same way.
//!
//! ```text
//! --blob ─▶ BlobAddress ─▶ Container ─┬─▶ Cloud ──▶ azure_storage_blob ─▶ Impatient ─▶ the service
//!                                      └─▶ Directory ─▶ files below one root
//! ```
//!
//! No call here repeats itself: a failure comes back once, within a bounded time, as a [`BlobError`] that tells
//! whether repeating can help. Every call is safe to repeat: reads and listings change nothing, and no write but one
//! that says so replaces a blob.

mod address;
mod cloud;
mod container;
mod dir;
mod entry;
mod error;
mod name;
mod upload;
mod walk;

pub use address::{AddressError, BlobAddress};
pub use cloud::Account;
pub use container::Container;
pub use entry::BlobEntry;
pub use error::BlobError;
pub use upload::StagedUpload;

/// Bytes fetched by one request while streaming a blob.
const CHUNK: u64 = 4 << 20;
/// Chunks of one stream that are fetched before they are asked for.
const READ_AHEAD: usize = 2;
/// Most entries in one page of a listing.
const PAGE: usize = 1000;
