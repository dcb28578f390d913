//! RisingWave before 2.7 takes no writes after a graceful restart until someone says `RECOVER`, once.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::store::StoreError;

/// How long the engine has to take writes again after `RECOVER`; it takes about five seconds.
const RECOVERY: Duration = Duration::from_secs(10);

/// What was asked of the store last, known to all lanes: each of them finds the store in need, one of them asks.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    last: Mutex<Option<Asked>>,
}

#[derive(Debug)]
struct Asked {
    at: Instant,
    refusal: Option<StoreError>,
}

impl Recovery {
    /// Asks for a recovery, unless the failed try `began` before the last one had time to help.
    ///
    /// # Errors
    /// The refusal, when the store refuses to recover for this user.
    pub(super) async fn ask(
        &self,
        began: Instant,
        recover: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        let mut last = self.last.lock().await;
        if last.as_ref().is_none_or(|asked| began > asked.at + RECOVERY) {
            tracing::warn!("the store was restarted and takes no writes: asking it to RECOVER");
            let refusal = match recover.await {
                Ok(()) => {
                    tracing::info!("RECOVER was taken; writes work again within seconds");
                    None
                }
                Err(error) if error.needs_someone() => Some(error),
                // Gone again meanwhile: the next try will tell.
                Err(_) => return Ok(()),
            };
            *last = Some(Asked { at: Instant::now(), refusal });
        }
        match last.as_ref().and_then(|asked| asked.refusal.clone()) {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }
}
