//! Stays beside a store: sets it up, again after each of its restarts, and lets clients in while it is set up.
//!
//! ```text
//! waiting ──connected──▶ preparing ──set up, takes changes──▶ serving ◀──▶ recovering
//!    ▲                       │                                   │             │
//!    └──────── refused ──────┴──────────── connection lost ──────┴─────────────┘
//!
//! clients ──TLS──▶ front (listens only while serving or recovering, with a certificate) ──loopback──▶ store
//! ```

mod certificate;
mod front;
mod greeting;
mod health;
mod keeper;
mod message;
mod passage;
mod watch;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::certificate::CertificateError;
use self::front::{Front, FrontError};
use self::health::Health;
use self::watch::{Times, Watch};
use super::setup::Setup;
use crate::service::Exit;
use crate::service::http::{self, HttpError};
use crate::settings::GuardSettings;

/// Why it could not start. Once it runs, it waits for whatever is away.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Health cannot be served.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Clients cannot be let in.
    #[error(transparent)]
    Front(#[from] FrontError),
    /// The certificate or its key is of no use.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Runs until it is told to stop.
///
/// # Errors
/// Only at the start: an address that is taken, a certificate that is of no use.
pub async fn guard(settings: GuardSettings, shutdown: CancellationToken) -> Result<Exit, GuardError> {
    let health = Arc::new(Health::new(&settings.setup.store));
    let GuardSettings { setup, http, front, poll, store_timeout: answer, reread } = settings;
    let setup = Setup::new(setup);
    let front = match &front {
        Some(front) => Some(Arc::new(Front::new(front, setup.identity(), Arc::clone(&health), reread).await?)),
        None => None,
    };
    if let Some(address) = http {
        http::serve(address, Arc::clone(&health) as _).await?;
        health::describe();
    }
    tracing::info!(store = %setup.store(), "guarding");
    let certificate = async {
        match &front {
            Some(front) => front.keep_certificate().await,
            None => std::future::pending().await,
        }
    };
    let watch = Watch::new(setup, Times { poll, answer, reread }, health, front.clone());
    tokio::select! {
        () = watch.run() => {}
        _ = certificate => {}
        () = shutdown.cancelled() => {}
    }
    tracing::info!("done");
    Ok(Exit::Done)
}
