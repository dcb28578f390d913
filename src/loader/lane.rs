//! One connection's worth of work on the store, kept going through restarts of the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// A place for one session at a time. Sessions come and go with the server; the lane stays.
pub(super) struct Lane {
    address: StoreAddress,
    /// How long a try may take, connecting included.
    limit: Duration,
    patience: Patience,
    recovery: Arc<Recovery>,
    session: Option<Session>,
}

impl Lane {
    /// So many lanes to one store.
    pub(super) fn several(count: usize, address: &StoreAddress, limit: Duration, patience: &Patience) -> Vec<Self> {
        let recovery = Arc::<Recovery>::default();
        let lane = |_| Lane {
            address: address.clone(),
            limit,
            patience: patience.clone(),
            recovery: Arc::clone(&recovery),
            session: None,
        };
        (0..count).map(lane).collect()
    }

    /// Does something on a session until it succeeds. What is done must be repeatable: after a failure nobody knows
    /// how much of it was applied.
    ///
    /// # Errors
    /// [`LoadError::Store`] at once when the store refuses the data, which the caller must split; else when patience
    /// ends.
    pub(super) async fn persist<T>(
        &mut self,
        action: impl AsyncFn(&Session) -> Result<T, StoreError>,
    ) -> Result<T, LoadError> {
        let patience = self.patience.clone();
        let mut trouble = patience.trouble();
        loop {
            let began = Instant::now();
            let error = match self.attempt(&action).await {
                Ok(value) => {
                    trouble.healed();
                    return Ok(value);
                }
                Err(error) => error,
            };
            let error = match error.fault() {
                Fault::Data => {
                    // It was read and answered, so the store is there.
                    trouble.healed();
                    return Err(error.into());
                }
                Fault::NeedsRecover => {
                    let recovery = Arc::clone(&self.recovery);
                    recovery.ask(began, self.attempt(&Session::recover)).await.err().unwrap_or(error)
                }
                Fault::Transient | Fault::Permanent => error,
            };
            trouble.pause(error).await?;
        }
    }

    /// One try. A session that failed is not used again: what was prepared on it may be of tables that are gone.
    async fn attempt<T>(&mut self, action: &impl AsyncFn(&Session) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let kept = self.session.take().filter(|session| !session.is_closed());
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
            self.session = Some(session);
        }
        result
    }
}
