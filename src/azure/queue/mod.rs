//! A queue of messages in Azure Storage or in Azurite.
//!
//! ```text
//! --notifications ─▶ QueueAddress ─▶ Queue ──▶ azure_storage_queue ─▶ Impatient ─▶ the service
//! ```
//!
//! No call here repeats itself: a failure comes back once, within a bounded time, as a [`QueueError`] that tells
//! whether repeating can help. A message received stays in the queue, unseen for a while, until it is deleted: who
//! fails to delete it gets it again.

mod address;
mod error;
mod messages;

pub use address::{AddressError, QueueAddress};
pub use error::QueueError;
pub use messages::{MOST_RECEIVED, Message, Queue};
