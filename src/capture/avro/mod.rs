//! Capture's Avro object container files, read and written.
//!
//! Reading is our own: a file is decoded with the schema it embeds, record by record out of a small window, so that
//! memory is bounded by the largest record whatever the size of a file or of a block in it, and bodies are borrowed.

mod block;
mod codec;
mod cursor;
mod damage;
mod header;
mod input;
mod limits;
mod node;
mod outline;
mod plan;
mod properties;
mod reader;
mod unpack;
mod writer;

pub use codec::Codec;
pub use damage::{Damage, DamageKind, ReadError};
pub use limits::ReadLimits;
pub use outline::{Outline, outline};
pub use plan::Event;
pub use properties::{Attributes, Properties, Property};
pub use reader::{Stop, read_events};
pub use writer::{FileWriter, OutgoingEvent, PropertyValue, WriteError};

/// Bytes read or unpacked at once.
const READ_SIZE: usize = 256 << 10;
