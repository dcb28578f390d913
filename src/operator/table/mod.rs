//! `deltawave table`: which table, which latest state a hub's files ask for.
//!
//! ```text
//! files ─▶ sample ─▶ documents ─▶ Inference (the mapper's own word) ─▶ Design ─▶ printed, run, or held against the table
//! ```

mod diff;
mod error;
mod infer;
mod lake;
mod order;
mod sample;

use std::io::Write as _;

use tokio_util::sync::CancellationToken;

use super::ask::agree;
use super::store::connect_by;
use crate::azure::identity::Identity;
use crate::service::Exit;
use crate::settings::{Purpose, TableSettings};
use crate::store::{Kind, Session, StoreAddress};
pub use error::TableError;
use sample::Sample;

/// Reads a sample of a hub's files, and prints the statements of the table that takes it; or runs them, or holds them
/// against the table that is there.
///
/// # Errors
/// When there are no records, when they cannot have the key or the order that is asked for, or when files or store
/// cannot be asked.
pub async fn table(settings: TableSettings, shutdown: CancellationToken) -> Result<Exit, TableError> {
    tokio::select! {
        done = work(&settings, &shutdown) => done,
        () = shutdown.cancelled() => Err(TableError::Interrupted),
    }
}

async fn work(settings: &TableSettings, shutdown: &CancellationToken) -> Result<Exit, TableError> {
    if let Some(address) = &settings.delta {
        return lake::make(settings, address).await;
    }
    let (kind, session) = match settings.dialect {
        Some(kind) => (kind, None),
        None => {
            let session = open(settings, shutdown).await?;
            (session.kind(), Some(session))
        }
    };
    let mut sample = Sample::read(settings).await?;
    let design = infer::design(settings, &mut sample, kind.typing())?;
    match (settings.purpose, session) {
        (Purpose::Diff, Some(session)) => diff::diff(&session, settings, &design, &sample).await,
        (Purpose::Ask | Purpose::Apply, Some(session)) => {
            tell(&sample.told());
            let statements = design.statements(kind);
            statements.iter().for_each(|statement| tell(&format!("{};\n", statement.sql)));
            if settings.purpose == Purpose::Ask {
                let question = format!("Run these statements in {}?", session.address());
                let unattended = "--apply asks first; without a terminal say --yes as well";
                agree(&question, unattended).map_err(TableError::NotAgreed)?;
            }
            for statement in &statements {
                session.execute_script(&statement.sql).await?;
                tell(&format!("-- made {}", statement.makes));
            }
            tell(&design_note(settings, kind));
            Ok(Exit::Done)
        }
        _ => {
            tell(&sample.told());
            design.statements(kind).iter().for_each(|statement| tell(&format!("{};\n", statement.sql)));
            tell(&design_note(settings, kind));
            Ok(Exit::Done)
        }
    }
}

/// What is left to do.
fn design_note(settings: &TableSettings, kind: Kind) -> String {
    let format = match settings.format {
        crate::formats::FormatName::Json => String::new(),
        format => format!(",format={format}"),
    };
    let grants = match kind {
        Kind::RisingWave => {
            "-- grant the loader SELECT, INSERT and UPDATE on the table, and readers SELECT on the view by its own name"
        }
        Kind::PostgreSql => "-- grant the loader SELECT and INSERT on the table, and readers SELECT on the view",
    };
    let registry = settings.registry.as_ref().map(|registry| format!(",registry={}", registry.address));
    let registry = registry.filter(|_| settings.format.needs_registry(false)).unwrap_or_default();
    format!("{grants}\n-- load it: loader --route {}={}{format}{registry}", settings.hub.name(), settings.table)
}

async fn open(settings: &TableSettings, shutdown: &CancellationToken) -> Result<Session, TableError> {
    let address: StoreAddress = match &settings.store_password {
        Some(source) => {
            let identity = Identity::new(settings.identity.clone());
            settings.store.clone().with_rotating_password(identity.secret(source).await?)
        }
        None => settings.store.clone(),
    };
    let connected = connect_by(async || Session::connect(&address).await, settings.give_up, shutdown).await;
    connected.map_err(|error| match settings.purpose {
        // Without a store the statements can be had all the same.
        Purpose::Print => TableError::NoStore(error),
        _ => TableError::Store(error),
    })
}

/// Nobody may be there to read it.
fn tell(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
