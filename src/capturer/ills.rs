use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics::counter;

/// What a capture depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    Blob,
    Broker,
}

impl Party {
    pub(super) const ALL: [Party; 2] = [Party::Blob, Party::Broker];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Party::Blob => "blob",
            Party::Broker => "broker",
        }
    }
}

/// What is wrong now, and since when, of each party.
#[derive(Debug, Default)]
pub(super) struct Ills(Mutex<[Option<(Instant, String)>; 2]>);

impl Ills {
    /// Something did not work and is tried again. Whether that is news.
    pub(super) fn met(&self, party: Party, reason: String) -> bool {
        counter!("deltawave_capture_retries_total", "kind" => party.name()).increment(1);
        let mut ills = self.lock();
        let ill = &mut ills[party as usize];
        let is_new = ill.is_none();
        let since = ill.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        *ill = Some((since, reason));
        is_new
    }

    /// It works. Whether that is news.
    pub(super) fn over(&self, party: Party) -> bool {
        self.lock()[party as usize].take().is_some()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, [Option<(Instant, String)>; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
