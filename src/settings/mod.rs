//! Flags and `DELTAWAVE_*` variables become validated settings here, once; nothing below reads the environment.
//!
//! Each program has an `Args` (what clap parses) and a settings type that only `Args::validate` makes. Validation
//! gathers every fault before it gives up, so that a user mends them in one go.

mod amqp;
mod audit;
mod backfill;
mod capture;
mod check;
mod columns;
mod command_line;
mod doctor;
mod event_hub;
mod event_hubs;
mod faults;
mod guard;
mod https;
mod identity;
mod init;
mod inspect;
mod kafka;
mod live;
mod loader;
mod log;
mod mapping;
mod names;
mod notifications;
mod optimize;
mod page;
mod producer;
mod prune;
mod rate;
mod reference;
mod registry;
mod replay;
mod route;
mod rowing;
mod scope;
mod seconds;
mod setup;
mod store;
mod table;
mod up;
mod variables;
mod verify;

pub use audit::{AuditArgs, AuditSettings, ReadingSettings, StateSettings};
pub use backfill::BackfillArgs;
pub use capture::{CaptureArgs, CaptureSettings, EmptyWindows, FileCodec, Until};
pub use check::{CheckSettings, LogSource, StatusArgs};
pub use columns::ColumnRule;
pub use command_line::command_line;
pub use doctor::{DoctorArgs, DoctorSettings};
pub use event_hub::{EventHub, InvalidEventHub};
pub use faults::Faults;
pub use guard::{CertificateSource, FrontSettings, GuardArgs, GuardSettings};
pub use https::HttpsSettings;
pub use init::{InitArgs, InitSettings, Recreate};
pub use inspect::{InspectArgs, InspectSettings, InspectedFile};
pub use live::{LiveSettings, LiveSource};
pub use loader::{LoaderArgs, LoaderSettings, Lookout};
pub use log::{LogArgs, LogFormat, LogSettings, LogTarget};
pub use notifications::Notifications;
pub use optimize::{OptimizeArgs, OptimizeSettings};
pub use page::PageSettings;
pub use producer::{
    EventFormat, EventSource, OrderSource, ProducerArgs, ProducerSettings, Transport, default_order_file,
};
pub use prune::{Keep, Prune, PruneArgs, PruneSettings};
pub use rate::{Rate, RateError};
pub use reference::settings_page;
pub use registry::Registries;
pub use replay::{Pick, ReplayArgs, ReplaySettings};
pub use route::{Route, Tombstones};
pub use rowing::Rowing;
pub use seconds::Seconds;
pub use setup::{Latest, SetupSettings};
pub use table::{Purpose, TableArgs, TableSettings};
pub use up::{BrokerChoice, StoreChoice, UpArgs, UpSettings};
pub use variables::unknown_variables;
pub use verify::VerifySettings;
