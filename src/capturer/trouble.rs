use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ills::Party;
use super::progress::Progress;
use crate::azure::blob::BlobError;

/// Pauses between attempts grow from the first to the last of these.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// The longest that is waited because a service asks for it.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// Whether something outside is away: told once when it goes and once when it is back, whoever notices.
#[derive(Debug)]
pub(super) struct Trouble {
    with: String,
    party: Party,
    progress: Arc<Progress>,
}

impl Trouble {
    pub fn new(with: impl fmt::Display, party: Party, progress: &Arc<Progress>) -> Self {
        Trouble { with: with.to_string(), party, progress: Arc::clone(progress) }
    }

    /// It did not work.
    pub fn met(&self, error: &dyn fmt::Display) {
        if self.progress.ills.met(self.party, error.to_string()) {
            tracing::warn!("{} is away ({error}): trying until it is back", self.with);
        }
    }

    /// It was refused, which somebody has to mend.
    fn refused(&self, error: &dyn fmt::Display) {
        if self.progress.ills.met(self.party, error.to_string()) {
            tracing::error!("{error}; this does not pass by itself: trying until it is mended");
        }
    }

    /// It worked.
    pub fn over(&self) {
        if self.progress.ills.over(self.party) {
            tracing::info!("{} is back", self.with);
        }
    }

    /// Begins a series of attempts at one thing, with an end or without.
    pub fn attempts(&self, patience: Option<Duration>) -> Attempts<'_> {
        Attempts { trouble: self, deadline: patience.map(|patience| Instant::now() + patience), pause: PAUSES.0 }
    }
}

/// The attempts at one thing. Only for what is safe to repeat, as every call of a container is.
pub(super) struct Attempts<'a> {
    trouble: &'a Trouble,
    deadline: Option<Instant>,
    pause: Duration,
}

impl Attempts<'_> {
    /// Waits for the next attempt. Without an end to its patience also for access to be given again: what is in hand
    /// is kept meanwhile.
    ///
    /// # Errors
    /// The error itself when no further attempt is worth it or patience is over.
    pub async fn after(&mut self, error: BlobError) -> Result<(), BlobError> {
        let now = Instant::now();
        let is_refused = matches!(error, BlobError::Denied { .. } | BlobError::NoSas { .. }) && self.deadline.is_none();
        if !(error.is_transient() || is_refused) || self.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(error);
        }
        match error.is_transient() {
            true => self.trouble.met(&reason(&error)),
            false => self.trouble.refused(&error),
        }
        let asked = error.retry_after().unwrap_or_default().min(LONGEST_ASKED);
        let next = now + self.pause.mul_f64(rand::random_range(0.5..1.0)).max(asked);
        self.pause = (self.pause * 2).min(PAUSES.1);
        tokio::time::sleep_until(self.deadline.map_or(next, |deadline| deadline.min(next))).await;
        Ok(())
    }

    /// The last attempt worked.
    pub fn succeeded(self) {
        self.trouble.over();
    }
}

/// What is wrong, without the address and the advice that a reader has from elsewhere.
pub(super) fn reason(error: &BlobError) -> String {
    match error {
        BlobError::Transient { reason, .. } | BlobError::NoToken { reason, .. } | BlobError::NoSas { reason, .. } => {
            reason.clone()
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> BlobError {
        let (address, doing, reason) = ("a".to_owned(), "write".to_owned(), "gone".to_owned());
        BlobError::Transient { address, doing, reason, retry_after: None }
    }

    #[tokio::test]
    async fn attempts_end_with_patience_and_not_before() {
        let trouble = Trouble::new("a", Party::Blob, &Progress::shared());
        let started = Instant::now();
        let patience = Duration::from_millis(500);
        let mut attempts = trouble.attempts(Some(patience));
        while attempts.after(away()).await.is_ok() {}
        assert!((patience..patience * 10).contains(&started.elapsed()), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn what_waiting_does_not_mend_is_not_waited_for() {
        let trouble = Trouble::new("a", Party::Blob, &Progress::shared());
        let error = BlobError::NoContainer { address: "a".to_owned() };
        assert_eq!(trouble.attempts(None).after(error.clone()).await, Err(error));
    }
}
