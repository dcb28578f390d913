use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::azure::identity::Identity;
use crate::base::SecretError;
use crate::settings::CheckSettings;
use crate::store::{Fault, Session, StoreAddress, StoreError};

/// The store that is looked at, with its password if that is kept elsewhere.
///
/// # Errors
/// The password cannot be read.
pub(super) async fn address(settings: &CheckSettings) -> Result<StoreAddress, SecretError> {
    Ok(match &settings.store_password {
        Some(source) => {
            let identity = Identity::new(settings.identity.clone());
            settings.store.clone().with_rotating_password(identity.secret(source).await?)
        }
        None => settings.store.clone(),
    })
}

/// Connects, waiting for a store that is on its way up.
///
/// # Errors
/// What the last try said, after `give_up`; at once what no waiting heals.
pub(super) async fn connect(
    address: &StoreAddress,
    give_up: Duration,
    shutdown: &CancellationToken,
) -> Result<Session, StoreError> {
    connect_by(async || Session::connect(address).await, give_up, shutdown).await
}

/// As [`connect`], in a way of the caller's.
///
/// # Errors
/// As [`connect`].
pub(super) async fn connect_by(
    connect: impl AsyncFn() -> Result<Session, StoreError>,
    give_up: Duration,
    shutdown: &CancellationToken,
) -> Result<Session, StoreError> {
    let began = Instant::now();
    let mut told = false;
    loop {
        let error = match connect().await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        if error.fault() != Fault::Transient || began.elapsed() >= give_up || shutdown.is_cancelled() {
            return Err(error);
        }
        if !std::mem::replace(&mut told, true) {
            tracing::warn!("{error}; retrying for at most {} s", give_up.as_secs());
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(300)) => {}
            () = shutdown.cancelled() => {}
        }
    }
}
