//! Flags and `DELTAWAVE_*` variables become validated settings here, once; nothing below reads the environment.
//!
//! Each program has an `Args` (what clap parses) and a settings type that only `Args::validate` makes. Validation
//! gathers every fault before it gives up, so that a user mends them in one go.

mod capture;
mod faults;
mod log;
mod producer;
mod rate;
mod secret;

pub use capture::{CaptureArgs, CaptureSettings, EmptyWindows, FileCodec, Until};
pub use faults::Faults;
pub use log::{LogArgs, LogFormat, LogSettings};
pub use producer::{EventSource, OrderSource, ProducerArgs, ProducerSettings};
pub use rate::{Rate, RateError};
pub use secret::Secret;
