//! The page beside a program's health, at one address.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;

use super::about::About;
use super::clock::Clock;
use super::desk::{Desk, Door};
use super::rota::Rota;
use super::rows::Rows;
use super::server;
use super::subject::Subject;
use crate::base::SecretError;
use crate::service::gate::{Gate, WeakToken};
use crate::service::http::{self, HttpError, Status};
use crate::settings::PageSettings;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The token cannot be read, and without it everybody could look.
    #[error("{0} (--http-token)")]
    Token(#[from] SecretError),
    /// The token is soon guessed.
    #[error(transparent)]
    Weak(#[from] WeakToken),
    /// The address cannot be listened on.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// Serves health, metrics and, unless it is hidden, the page, from now on. Gives the address.
///
/// # Errors
/// When the token cannot be read, or the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    about: About,
    subject: Arc<dyn Subject>,
    settings: &PageSettings,
    door: Door,
) -> Result<SocketAddr, PageError> {
    let listener = http::listen(address).await?;
    let gate = match &settings.token {
        Some(source) => Gate::guarded(door.identity.secret(source).await?)?,
        None => Gate::open(),
    };
    let gate = Arc::new(gate);
    let status: Arc<dyn Status> = Arc::clone(&subject) as _;
    let page = if settings.hidden { Router::new() } else { open(about, subject, door, Arc::clone(&gate)) };
    let bound = http::serve_on(listener, status, gate, page)?;
    if !settings.hidden {
        tracing::info!("a page for people: http://{bound}/");
    }
    Ok(bound)
}

/// The page alone. It looks at the program from now on.
fn open(about: About, subject: Arc<dyn Subject>, door: Door, gate: Arc<Gate>) -> Router {
    let desk = Arc::new(Desk::new(door));
    let rows = Arc::new(Rows::new(Arc::clone(&desk), about.routes.iter().cloned()));
    let targets = about.routes.iter().map(|(_, table)| table.clone()).collect();
    let rota = Arc::new(Rota::new(Arc::clone(&desk), targets, Arc::clone(&rows)));
    let clock = Clock::new(about, subject, rota, desk);
    tokio::spawn(Arc::clone(&clock).run());
    server::router(clock, rows, gate)
}
