//! The sessions that all streams share. A session is taken for one try and given back before any pause, so that a stream
//! in trouble holds none.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::error::LoadError;
use super::patience::Patience;
use super::recovery::Recovery;
use crate::azure::identity::Identity;
use crate::settings::LoaderSettings;
use crate::store::{Fault, Session, StoreAddress, StoreError};

/// The store's address, with its password where one is given, which is tried until it can be read.
///
/// # Errors
/// When patience ends.
pub(super) async fn address(
    settings: &LoaderSettings,
    identity: &Arc<Identity>,
    patience: &Patience,
) -> Result<StoreAddress, LoadError> {
    let Some(source) = &settings.store_password else { return Ok(settings.store.clone()) };
    let mut trouble = patience.trouble();
    loop {
        match identity.secret(source).await {
            Ok(password) => {
                trouble.healed();
                return Ok(settings.store.with_rotating_password(password));
            }
            Err(error) => trouble.pause(error).await?,
        }
    }
}

/// So many sessions at most, which come and go with the server.
pub(super) struct Pool {
    address: StoreAddress,
    /// How long a try may take, connecting included.
    limit: Duration,
    sessions: usize,
    permits: Semaphore,
    idle: Mutex<Vec<Session>>,
    recovery: Recovery,
}

impl Pool {
    pub(super) fn new(address: StoreAddress, sessions: usize, limit: Duration) -> Arc<Self> {
        Arc::new(Pool {
            address,
            limit,
            sessions,
            permits: Semaphore::new(sessions),
            idle: Mutex::default(),
            recovery: Recovery::default(),
        })
    }

    /// One stream's way to the store. Where there are `several` streams, one has at most half of the sessions at once, so
    /// that a slow table leaves the others theirs.
    pub(super) fn store(self: &Arc<Self>, several: bool, patience: &Patience) -> Store {
        let share = if several { self.sessions.div_ceil(2) } else { self.sessions };
        Store {
            pool: Arc::clone(self),
            share: Arc::new(Semaphore::new(share)),
            width: share,
            patience: patience.clone(),
        }
    }

    /// One try. A session that failed is not used again: what was prepared on it may be of tables that are gone.
    async fn attempt<T>(&self, action: &impl AsyncFn(&Session) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let kept = loop {
            match self.idle().pop() {
                Some(session) if session.is_closed() => {}
                kept => break kept,
            }
        };
        let work = async {
            let session = match kept {
                Some(session) => session,
                None => Session::connect(&self.address).await?,
            };
            let result = action(&session).await;
            Ok((session, result))
        };
        let late =
            |_| StoreError::timed_out(&self.address, &format!("an answer within {} s", self.limit.as_secs_f64()));
        let (session, result) = timeout(self.limit, work).await.map_err(late)??;
        if result.as_ref().err().is_none_or(|error| error.fault() == Fault::Data) {
            self.idle().push(session);
        }
        result
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream's way to the store, kept going through restarts of the server.
#[derive(Clone)]
pub(super) struct Store {
    pool: Arc<Pool>,
    share: Arc<Semaphore>,
    /// How many tries may be under way at once.
    pub(super) width: usize,
    patience: Patience,
}

impl Store {
    /// The same way, of a stream whose patience is another.
    pub(super) fn with(&self, patience: &Patience) -> Store {
        Store { patience: patience.clone(), ..self.clone() }
    }

    /// Does something on a session until it succeeds. What is done must be repeatable: after a failure nobody knows
    /// how much of it was applied.
    ///
    /// # Errors
    /// [`LoadError::Store`] at once when the store refuses the data, which the caller must split; else when patience
    /// ends.
    pub(super) async fn persist<T>(
        &self,
        action: impl AsyncFn(&Session) -> Result<T, StoreError>,
    ) -> Result<T, LoadError> {
        let mut trouble = self.patience.trouble();
        loop {
            let error = match self.attempt(&action).await {
                Ok(value) => {
                    trouble.healed();
                    return Ok(value);
                }
                Err(error) => error,
            };
            if error.fault() == Fault::Data {
                // It was read and answered, so the store is there.
                trouble.healed();
                return Err(error.into());
            }
            trouble.pause(error).await?;
        }
    }

    /// The same once, for whom a failure is none.
    ///
    /// # Errors
    /// Whatever befalls it. Nobody knows then how much was applied.
    pub(super) async fn once<T>(
        &self,
        action: &impl AsyncFn(&Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.attempt(action).await
    }

    async fn attempt<T>(&self, action: &impl AsyncFn(&Session) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let _share = permit(&self.share).await;
        let _session = permit(&self.pool.permits).await;
        let began = Instant::now();
        match self.pool.attempt(action).await {
            Err(error) if error.fault() == Fault::NeedsRecover => {
                let recover = self.pool.attempt(&Session::recover);
                Err(self.pool.recovery.ask(began, recover).await.err().unwrap_or(error))
            }
            result => result,
        }
    }
}

/// Neither semaphore is ever closed.
async fn permit(semaphore: &Semaphore) -> Option<SemaphorePermit<'_>> {
    semaphore.acquire().await.ok()
}
