//! How far each stream is: what the broker has that is not loaded, and the time up to which everything is.
//!
//! Of the files it is told by the stream; of the broker, where one was named, by [`Sounding`]. What cannot be known is
//! not said.

mod levels;
mod partition;
mod sounding;

pub(super) use levels::{Levels, describe};
pub use levels::{PartitionLevel, StreamLevel};
pub(super) use sounding::Sounding;
pub use sounding::log_ends;
