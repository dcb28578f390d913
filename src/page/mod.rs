//! The page that a loader shows people: its flow, what is stuck, how far behind it is, and what is in the store.
//!
//! ```text
//! Subject: counters, health ──every second──▶ Clock ──▶ Frame ──▶ Stream, one a viewer ──▶ browser
//! store ◀──a statement a second at most── Desk ◀─┬─ Rota: ledger, files, rejected records
//!                                                └─ Rows: the latest state, as viewers look it up
//! ```
//!
//! It reads and changes nothing. Without viewers it asks the store nothing; with many it asks no more than with one. Its
//! files are part of the program (`web/`), load nothing from elsewhere, and take whatever is shown as text.

mod assets;
mod clock;
mod desk;
mod frame;
mod hosts;
mod kept;
mod lag;
mod rate;
mod rota;
mod rows;
mod server;
mod serving;
mod stream;
mod subject;
mod words;

use std::sync::Arc;

use axum::Router;

pub use desk::Door;
pub use serving::{PageError, serve};
pub use subject::{Place, Standing, Subject, Totals};

use crate::service::gate::Gate;
use clock::Clock;
use desk::Desk;
use rota::Rota;
use rows::Rows;

/// What the page says of the program, which stays the same.
#[derive(Debug, Clone)]
pub struct About {
    /// Which program it is.
    program: &'static str,
    version: &'static str,
    build: String,
    shard: String,
    /// Hub and table of each route.
    routes: Vec<(String, String)>,
    store: String,
    blob: String,
    /// In bytes.
    memory: usize,
}

impl About {
    /// Of a loader with these settings.
    pub fn loader(program: &'static str, settings: &crate::settings::LoaderSettings) -> Self {
        About {
            program,
            version: env!("CARGO_PKG_VERSION"),
            build: assets::build(),
            shard: settings.scope.shard.to_string(),
            routes: settings.routes.iter().map(|route| (route.hub.name().to_owned(), route.table.clone())).collect(),
            store: settings.store.to_string(),
            blob: settings.blob.to_string(),
            memory: settings.memory,
        }
    }
}

/// The page of a program, to be served beside its health. It looks at the program from now on.
fn open(about: About, subject: Arc<dyn Subject>, door: Door, gate: Arc<Gate>) -> Router {
    let desk = Arc::new(Desk::new(door));
    let rows = Arc::new(Rows::new(Arc::clone(&desk), about.routes.iter().cloned()));
    let targets = about.routes.iter().map(|(_, table)| table.clone()).collect();
    let rota = Arc::new(Rota::new(Arc::clone(&desk), targets, Arc::clone(&rows)));
    let clock = Clock::new(about, subject, rota, desk);
    tokio::spawn(Arc::clone(&clock).run());
    server::router(clock, rows, gate)
}
