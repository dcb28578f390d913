//! The page beside a program's health, at one address.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;

use super::About;
use super::desk::Door;
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
    let page = if settings.hidden {
        Router::new()
    } else {
        super::open(about, subject, door, Arc::clone(&gate))
    };
    let bound = http::serve_on(listener, status, gate, page)?;
    if !settings.hidden {
        tracing::info!("a page for people: http://{bound}/");
    }
    Ok(bound)
}
