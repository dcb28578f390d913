use std::fmt::Display;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::error::LoadError;
use crate::azure::blob::BlobError;
use crate::store::{Fault, StoreError};

/// How long trouble is borne: without end by a loader that keeps running, for a while by one that runs once.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    /// After how long of one trouble it is given up; `None` for never.
    pub(super) give_up: Option<Duration>,
    /// Ends every wait.
    pub(super) shutdown: CancellationToken,
}

/// What an error means for retrying.
pub(super) enum Verdict {
    /// It passes; not before so long, if the server said so.
    Passes(Option<Duration>),
    /// Someone has to do something about it.
    Stays,
}

pub(super) trait Judge: Display {
    fn verdict(&self) -> Verdict;
}

impl Judge for BlobError {
    fn verdict(&self) -> Verdict {
        if self.is_transient() { Verdict::Passes(self.retry_after()) } else { Verdict::Stays }
    }
}

impl Judge for StoreError {
    fn verdict(&self) -> Verdict {
        match self.fault() {
            Fault::Transient | Fault::NeedsRecover => Verdict::Passes(None),
            Fault::Data | Fault::Permanent => Verdict::Stays,
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
const PAUSE_WHEN_IT_STAYS: Duration = Duration::from_secs(30);
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// One thing that goes wrong until it no longer does. Said once, and again every minute while it lasts.
pub(super) struct Trouble<'p> {
    patience: &'p Patience,
    since: Option<Instant>,
    said: Option<Instant>,
    tries: u32,
}

impl Patience {
    pub(super) fn trouble(&self) -> Trouble<'_> {
        Trouble { patience: self, since: None, said: None, tries: 0 }
    }
}

impl Trouble<'_> {
    /// Waits before the next try, longer each time and never as long as another loader.
    ///
    /// # Errors
    /// When patience ends: by request, after `give_up`, or at once for what stays if there is a `give_up` at all.
    pub(super) async fn pause<E: Judge + Into<LoadError>>(&mut self, error: E) -> Result<(), LoadError> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let (pause, stays) = match error.verdict() {
            Verdict::Passes(wanted) => {
                let grown = FIRST_PAUSE.saturating_mul(1 << self.tries.min(12)).min(LONGEST_PAUSE);
                (grown.mul_f64(rand::random_range(0.5..1.0)).max(wanted.unwrap_or_default()), false)
            }
            Verdict::Stays => (PAUSE_WHEN_IT_STAYS.mul_f64(rand::random_range(0.8..1.2)), true),
        };
        self.tries += 1;
        match self.patience.give_up {
            Some(_) if stays => return Err(error.into()),
            Some(give_up) if since.elapsed() + pause > give_up => {
                return Err(LoadError::GaveUp { after: give_up, reason: error.to_string() });
            }
            _ => {}
        }
        self.say(&error, stays);
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.patience.shutdown.cancelled() => Err(LoadError::Stopped),
        }
    }

    /// Notes that it works again.
    pub(super) fn healed(&mut self) {
        if let (Some(since), Some(_)) = (self.since.take(), self.said.take()) {
            tracing::info!(after_seconds = since.elapsed().as_secs(), "works again");
        }
        self.tries = 0;
    }

    fn say(&mut self, error: &impl Display, stays: bool) {
        if self.said.is_some_and(|said| said.elapsed() < REMIND_EVERY) {
            return;
        }
        self.said = Some(Instant::now());
        let how_long = match self.patience.give_up {
            Some(give_up) => format!("for at most {} s", give_up.as_secs()),
            None => "until it passes".to_owned(),
        };
        if stays {
            tracing::error!("{error}; this does not pass by itself, retrying every 30 s {how_long}");
        } else {
            tracing::warn!("{error}; retrying {how_long}");
        }
    }
}
