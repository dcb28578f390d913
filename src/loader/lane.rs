//! One connection's worth of work on the store, kept going through restarts of the server.

use std::time::Duration;

use super::error::LoadError;
use super::patience::Patience;
use crate::store::{Fault, Session, StoreAddress, StoreError};

/// A place for one session at a time. Sessions come and go with the server; the lane stays.
pub(super) struct Lane {
    address: StoreAddress,
    patience: Patience,
    session: Option<Session>,
}

/// How long the engine has to take writes again after `RECOVER`; it takes about five seconds.
const RECOVERY: Duration = Duration::from_secs(10);

impl Lane {
    pub(super) fn new(address: &StoreAddress, patience: &Patience) -> Self {
        Lane { address: address.clone(), patience: patience.clone(), session: None }
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
            let error = match self.attempt(&action).await {
                Ok(value) => {
                    trouble.healed();
                    return Ok(value);
                }
                Err(error) => error,
            };
            match error.fault() {
                Fault::Data => return Err(error.into()),
                Fault::NeedsRecover => self.recover().await?,
                Fault::Transient | Fault::Permanent => {}
            }
            trouble.pause(error).await?;
        }
    }

    async fn attempt<T>(&mut self, action: &impl AsyncFn(&Session) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let session = match self.session.take() {
            Some(session) if !session.is_closed() => session,
            _ => Session::connect(&self.address).await?,
        };
        let result = action(&session).await;
        self.session = Some(session);
        result
    }

    /// RisingWave 2.6 takes no writes after a graceful restart until someone says `RECOVER`.
    async fn recover(&mut self) -> Result<(), LoadError> {
        tracing::warn!(store = %self.address, "store was restarted and takes no writes: asking it to RECOVER");
        match self.attempt(&async |session: &Session| session.execute_script("RECOVER").await).await {
            Ok(()) => {
                tracing::info!("RECOVER was taken; writes work again within seconds");
                tokio::time::timeout(RECOVERY / 2, self.patience.shutdown.cancelled()).await.ok();
                Ok(())
            }
            Err(error) if error.fault() == Fault::Permanent => {
                tracing::error!(
                    "{error}: the store needs one RECOVER after its restart, which only a superuser may ask for; run \
                     `RECOVER` as root, or give the loader a superuser"
                );
                Ok(())
            }
            // Gone again meanwhile: the next try will tell.
            Err(_) => Ok(()),
        }
    }
}
