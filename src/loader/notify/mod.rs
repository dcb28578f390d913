//! Notifications: a storage queue of BlobCreated events says at once where a file is. Listing stays on beside it, and
//! finds what no notification told of.
//!
//! ```text
//! queue ─▶ inbox ─▶ parse ─┬─▶ Told ──ledger, blob──▶ Sifted ──load──▶ Receipt ──▶ acknowledge: messages deleted
//!                          ├─▶ malformed: set aside in QUEUE-poison with the reason, deleted
//!                          └─▶ foreign (another container, hub, format or event): deleted
//! ```
//!
//! A notification is a hint and never a fact: what it names is looked up where it is, and loaded only if the ledger
//! does not know it. So doubles, late ones, forged ones and ones of files that are gone are harmless, and any loader
//! may load any file it is told of. A message is deleted when its file is noted as done, or is known as such, or is
//! gone; until then it comes again when its lease ends. Foreign messages are deleted too, so that one queue serves
//! one deployment of loaders, all with the same routes.

mod event;
mod inbox;
mod told;

pub(super) use inbox::Inbox;
pub(super) use told::{Letters, Places, Told};
