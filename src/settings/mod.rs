//! Flags and `DELTAWAVE_*` variables become validated settings here, once; nothing below reads the environment.
//!
//! Each program has an `Args` (what clap parses) and a settings type that only `Args::validate` makes. Validation
//! gathers every fault before it gives up, so that a user mends them in one go.

mod capture;
mod check;
mod command_line;
mod event_hub;
mod faults;
mod identity;
mod init;
mod kafka;
mod loader;
mod log;
mod notifications;
mod operator;
mod producer;
mod rate;
mod reference;
mod route;
mod seconds;
mod store;
mod variables;

pub use capture::{CaptureArgs, CaptureSettings, EmptyWindows, FileCodec, Until};
pub use check::{CheckSettings, LogSource, StatusArgs, VerifyArgs, VerifySettings};
pub use command_line::command_line;
pub use event_hub::{EventHub, InvalidEventHub};
pub use faults::Faults;
pub use init::{FrontSettings, GuardArgs, GuardSettings, InitArgs, InitSettings, Recreate, SetupSettings};
pub use loader::{LoaderArgs, LoaderSettings, Lookout};
pub use log::{LogArgs, LogFormat, LogSettings, LogTarget};
pub use notifications::Notifications;
pub use operator::{BrokerChoice, StoreChoice, UpArgs, UpSettings};
pub use producer::{EventSource, OrderSource, ProducerArgs, ProducerSettings, Transport, default_order_file};
pub use rate::{Rate, RateError};
pub use reference::settings_page;
pub use route::Route;
pub use seconds::Seconds;
pub use variables::unknown_variables;
