use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::store::{Fault, Session, StoreAddress, StoreError};

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
