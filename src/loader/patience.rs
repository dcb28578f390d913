use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::error::{Forgotten, Interrupted, LoadError};
use super::health::Ailment;
use super::party::Party;
use super::progress::Progress;
use crate::azure::blob::BlobError;
use crate::azure::queue::QueueError;
use crate::base::SecretError;
use crate::lake::LakeError;
use crate::registry::RegistryError;
use crate::settings::LoaderSettings;
use crate::store::StoreError;

/// How long trouble is borne: without end by a loader that keeps running, for a while by one that runs once. Its
/// clones share what was said of trouble already, so that many workers do not complain of one server each.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    /// After how long of one trouble it is given up; `None` for never.
    give_up: Option<Duration>,
    /// Ends every wait.
    pub(super) shutdown: CancellationToken,
    /// How long to wait before trying again what does not pass by itself.
    slow_retry: Duration,
    /// After how long of one trouble what is in hand is put back, so that nothing is held meanwhile; `None` for never.
    bear: Option<Duration>,
    progress: Arc<Progress>,
    /// Whose trouble it is, if it is one stream's.
    route: Option<Arc<str>>,
    said: Arc<Mutex<[Option<Instant>; 10]>>,
}

/// How long a stream holds memory while it waits.
const BEAR: Duration = Duration::from_secs(5);

/// What an error means for retrying.
pub(super) enum Verdict {
    /// It passes; not before so long, if the server said so.
    Passes(Option<Duration>),
    /// Someone has to do something about it.
    Stays,
}

pub(super) trait Judge: Display {
    fn party(&self) -> Party;

    fn verdict(&self) -> Verdict;
}

impl Judge for BlobError {
    fn party(&self) -> Party {
        Party::Blob
    }

    fn verdict(&self) -> Verdict {
        match self {
            // For the next listing to see.
            BlobError::NoBlob { .. } | BlobError::Changed { .. } => Verdict::Passes(None),
            _ if self.is_transient() => Verdict::Passes(self.retry_after()),
            _ => Verdict::Stays,
        }
    }
}

impl Judge for QueueError {
    fn party(&self) -> Party {
        Party::Queue
    }

    fn verdict(&self) -> Verdict {
        if self.is_transient() { Verdict::Passes(self.retry_after()) } else { Verdict::Stays }
    }
}

impl Judge for RegistryError {
    fn party(&self) -> Party {
        Party::Registry
    }

    fn verdict(&self) -> Verdict {
        if self.passes() { Verdict::Passes(None) } else { Verdict::Stays }
    }
}

impl Judge for LakeError {
    fn party(&self) -> Party {
        Party::Lake
    }

    fn verdict(&self) -> Verdict {
        match self {
            LakeError::Blob(error) => error.verdict(),
            LakeError::Busy { .. } => Verdict::Passes(None),
            _ => Verdict::Stays,
        }
    }
}

impl Judge for StoreError {
    fn party(&self) -> Party {
        Party::Store
    }

    fn verdict(&self) -> Verdict {
        if self.needs_someone() { Verdict::Stays } else { Verdict::Passes(None) }
    }
}

impl Judge for Forgotten {
    fn party(&self) -> Party {
        Party::Store
    }

    fn verdict(&self) -> Verdict {
        Verdict::Passes(None)
    }
}

/// What was put back is tried again when the same passes.
impl Judge for Interrupted {
    fn party(&self) -> Party {
        self.party
    }

    fn verdict(&self) -> Verdict {
        if self.stays { Verdict::Stays } else { Verdict::Passes(None) }
    }
}

/// So far only of the store's password.
impl Judge for SecretError {
    fn party(&self) -> Party {
        Party::Store
    }

    fn verdict(&self) -> Verdict {
        Verdict::Stays
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const FIRST_SLOW_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A server that asks to be left alone for longer is tried again all the same: its clock may be wrong.
const LONGEST_WANTED: Duration = Duration::from_secs(120);
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// One thing that goes wrong until it no longer does. Said once, and again every minute while it lasts.
pub(super) struct Trouble<'p> {
    patience: &'p Patience,
    /// Since when, and as what it stands in the loader's health.
    since: Option<(Instant, Ailment)>,
    tries: u32,
}

impl Patience {
    /// The settings' patience; a loader that does not run `once` never gives up.
    pub(super) fn new(
        once: bool,
        settings: &LoaderSettings,
        shutdown: CancellationToken,
        progress: Arc<Progress>,
    ) -> Self {
        let give_up = once.then_some(settings.give_up);
        let (slow_retry, said) = (settings.slow_retry, Arc::default());
        Patience { give_up, shutdown, slow_retry, bear: None, progress, route: None, said }
    }

    /// One stream's patience: its troubles are its own.
    pub(super) fn of_route(&self, route: &Arc<str>) -> Self {
        Patience { route: Some(Arc::clone(route)), said: Arc::default(), ..self.clone() }
    }

    /// The patience of work that holds memory: it ends with [`LoadError::Interrupted`] rather than wait for long.
    pub(super) fn in_hand(&self) -> Self {
        Patience { bear: Some(BEAR), ..self.clone() }
    }

    pub(super) fn trouble(&self) -> Trouble<'_> {
        Trouble { patience: self, since: None, tries: 0 }
    }

    /// Says it, unless it was said within the last minute.
    fn say<E: Judge>(&self, error: &E, stays: bool) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let last = &mut said[slot(error.party(), stays)];
        if last.is_some_and(|last| last.elapsed() < REMIND_EVERY) {
            return;
        }
        *last = Some(Instant::now());
        let route = self.route.as_deref();
        match self.give_up {
            Some(give_up) => tracing::warn!(route, "{error}; retrying for at most {} s", give_up.as_secs_f64()),
            None if stays => {
                let every = self.slow_retry.as_secs_f64();
                tracing::error!(route, "{error}; this does not pass by itself, retrying, at least every {every} s");
            }
            None => tracing::warn!(route, "{error}; retrying until it passes"),
        }
    }

    fn unsay(&self, party: Party) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        [false, true].map(|stays| said[slot(party, stays)].take()).iter().any(Option::is_some)
    }
}

fn slot(party: Party, stays: bool) -> usize {
    let party = match party {
        Party::Blob => 0,
        Party::Store => 1,
        Party::Queue => 2,
        Party::Registry => 3,
        Party::Lake => 4,
    };
    party * 2 + usize::from(stays)
}

impl Trouble<'_> {
    /// Waits before the next try, longer each time and never as long as another loader. The last try comes when
    /// patience ends.
    ///
    /// # Errors
    /// When patience ends: by request, after `give_up`, or at once for what stays if there is a `give_up` at all.
    pub(super) async fn pause<E: Judge + Into<LoadError>>(&mut self, error: E) -> Result<(), LoadError> {
        let health = &self.patience.progress.health;
        let (since, ailment) = self
            .since
            .get_or_insert_with(|| (Instant::now(), health.ailment(error.party(), self.patience.route.as_ref())))
            .clone();
        let (mut pause, stays) = match error.verdict() {
            Verdict::Passes(wanted) => {
                let grown = FIRST_PAUSE.saturating_mul(1 << self.tries.min(12)).min(LONGEST_PAUSE);
                (grown.mul_f64(rand::random_range(0.5..1.0)).max(wanted.unwrap_or_default().min(LONGEST_WANTED)), false)
            }
            Verdict::Stays => {
                // At first in a second: what is missing when everything starts at once is often being made.
                let grown = FIRST_SLOW_PAUSE.saturating_mul(1 << self.tries.min(12)).min(self.patience.slow_retry);
                (grown.mul_f64(rand::random_range(0.8..1.2)), true)
            }
        };
        self.tries += 1;
        if let Some(give_up) = self.patience.give_up {
            let after = since.elapsed();
            if stays {
                return Err(error.into());
            }
            if after >= give_up {
                return Err(LoadError::GaveUp { after, reason: error.to_string() });
            }
            pause = pause.min(give_up - after);
        }
        if self.patience.bear.is_some_and(|bear| stays || since.elapsed() + pause > bear) {
            let (party, reason) = (error.party(), error.to_string());
            return Err(Interrupted { party, stays, reason }.into());
        }
        health.troubled(&ailment, &error.to_string());
        self.patience.say(&error, stays);
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.patience.shutdown.cancelled() => Err(LoadError::Stopped),
        }
    }

    /// Notes that it works again.
    pub(super) fn healed(&mut self) {
        self.tries = 0;
        let Some((since, ailment)) = self.since.take() else { return };
        self.patience.progress.health.healed(&ailment);
        if self.patience.unsay(ailment.party) {
            let party = match ailment.party {
                Party::Blob => "blob storage",
                Party::Store => "the store",
                Party::Queue => "the queue of notifications",
                Party::Registry => "the schema registry",
                Party::Lake => "the Delta table",
            };
            tracing::info!(
                route = self.patience.route.as_deref(),
                "{party} works again after {:.1} s",
                since.elapsed().as_secs_f64()
            );
        }
    }
}

/// Trouble that nobody has any more, because what was tried is no longer wanted, is none.
impl Drop for Trouble<'_> {
    fn drop(&mut self) {
        if let Some((_, ailment)) = self.since.take() {
            self.patience.progress.health.healed(&ailment);
        }
    }
}
