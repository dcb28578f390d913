//! Event Hubs Capture as a format: names, records, files and windows. Pure: no network, no clock, no runtime.
//!
//! Source: Microsoft's description of Event Hubs Capture, and files it wrote.

mod avro;
mod hub;
mod name;
mod scope;
mod time;
mod window;

pub use avro::{
    Attributes, Codec, Damage, DamageKind, Event, FileWriter, OutgoingEvent, Outline, Properties, Property,
    PropertyValue, ReadError, ReadLimits, Stop, WriteError, outline, read_events,
};
pub use hub::{Hub, InvalidHub, PartitionId, SequenceNumber};
pub use name::{FileName, ListingOrder, NameFormat, NameFormatError};
pub use scope::{Scope, Shard, parse_time};
pub use time::{EnqueuedTime, InvalidEnqueuedTime, kafka_instant};
pub use window::{Window, WindowLimits};
