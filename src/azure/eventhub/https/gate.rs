use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::HttpsError;

/// Shut while the service asks to be left alone, for all lanes of a publisher: a pause that one of them is told is for
/// the identity or the hub, and so for all.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<Option<(Instant, HttpsError)>>);

impl Gate {
    /// Shuts for so long, because of this.
    pub fn shut(&self, pause: Duration, because: &HttpsError) {
        let until = Instant::now() + pause;
        let mut gate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if gate.as_ref().is_none_or(|(shut, _)| *shut < until) {
            *gate = Some((until, because.clone()));
        }
    }

    /// Waits until it is open.
    ///
    /// # Errors
    /// It is shut past the deadline, because of this. It is waited until then, as a shutdown may come.
    pub async fn pass(&self, deadline: Instant) -> Result<(), HttpsError> {
        loop {
            let shut = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let now = Instant::now();
            match shut {
                Some((until, _)) if until > now && until <= deadline => tokio::time::sleep_until(until.into()).await,
                Some((until, because)) if until > now => {
                    tokio::time::sleep_until(deadline.into()).await;
                    return Err(because);
                }
                _ => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_pause_counts_and_one_past_the_deadline_is_an_error() {
        let gate = Gate::default();
        let busy = |reason: &str| HttpsError::Busy { address: "a".to_owned(), reason: reason.to_owned(), pause: None };
        let began = Instant::now();
        gate.pass(began).await.unwrap();
        gate.shut(Duration::from_millis(80), &busy("longer"));
        gate.shut(Duration::from_millis(10), &busy("shorter"));
        gate.pass(began + Duration::from_secs(9)).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(80));
        gate.shut(Duration::from_secs(9), &busy("long"));
        assert_eq!(gate.pass(Instant::now() + Duration::from_millis(20)).await, Err(busy("long")));
    }
}
