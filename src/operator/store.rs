use std::time::{Duration, Instant};

use tokio::time::timeout;
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

/// A session that sees what was written before it was made.
pub(super) struct Current {
    pub(super) session: Session,
    /// Why it may not, and so may miss the last second or two.
    pub(super) stale: Option<String>,
}

impl Current {
    /// Where it looks, for people.
    pub(super) fn place(&self) -> String {
        let place = format!("{} at {}", self.session.engine(), self.session.address());
        match &self.stale {
            None => place,
            Some(reason) => format!("{place}, perhaps without the last second: FLUSH failed ({reason})"),
        }
    }
}

/// An engine at work may take so long to answer a FLUSH, however little patience there is.
const SHORTEST_FLUSH: Duration = Duration::from_secs(10);

/// Connects, and says FLUSH: a RisingWave shows rows only up to a second after they were written. Who may not say it
/// looks all the same.
///
/// # Errors
/// As [`connect`].
pub(super) async fn connect_current(
    address: &StoreAddress,
    give_up: Duration,
    shutdown: &CancellationToken,
) -> Result<Current, StoreError> {
    let limit = give_up.max(SHORTEST_FLUSH);
    let connect = async || {
        let session = Session::connect(address).await?;
        let stale = match timeout(limit, session.flush()).await {
            Ok(Ok(())) => return Ok(Current { session, stale: None }),
            Ok(Err(error)) if error.fault() == Fault::Transient => return Err(error),
            Ok(Err(error)) => return Ok(Current { stale: Some(error.reason().to_owned()), session }),
            Err(_) => format!("no answer within {} s", limit.as_secs()),
        };
        // What is asked next would wait behind the unanswered one.
        Ok(Current { session: Session::connect(address).await?, stale: Some(stale) })
    };
    connect_by(connect, give_up, shutdown).await
}

/// As [`connect`], in a way of the caller's.
///
/// # Errors
/// As [`connect`].
pub(super) async fn connect_by<T>(
    connect: impl AsyncFn() -> Result<T, StoreError>,
    give_up: Duration,
    shutdown: &CancellationToken,
) -> Result<T, StoreError> {
    let began = Instant::now();
    let mut told = false;
    loop {
        let error = match connect().await {
            Ok(connected) => return Ok(connected),
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
