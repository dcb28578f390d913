use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::gauge;

use super::freshness::{FreshnessSummary, Freshnesses};
use super::health::Health;
use super::level::{Levels, StreamLevel};
use super::live::Lanes;
use super::unmapped::UnmappedFields;
use crate::ledger::Entry;
use crate::service::http::Status;

/// What a loader has done since it started and how it is, for whoever watches.
#[derive(Debug)]
pub struct Progress {
    pub(super) health: Health,
    /// How far each stream is.
    pub(super) levels: Levels,
    freshness: Freshnesses,
    /// Shared with the threads that decode.
    pub(super) unmapped_fields: Arc<UnmappedFields>,
    /// The lanes that read what no file has yet.
    pub(super) lanes: Arc<Lanes>,
    /// What stands where no file of a hub was found, by hub.
    nothing_found: Mutex<BTreeMap<String, String>>,
    files: AtomicU64,
    quarantined: AtomicU64,
    loaded: AtomicU64,
    rejected: AtomicU64,
    bytes: AtomicU64,
    unmapped: AtomicU64,
    polls: AtomicU64,
}

/// One reading of [`Progress`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files noted as done, damaged ones included.
    pub files: u64,
    /// Files among them that are bad from some byte on.
    pub quarantined: u64,
    /// Records in their table.
    pub loaded: u64,
    /// Records in `rejected_events`.
    pub rejected: u64,
    /// Bytes of the files noted as done.
    pub bytes: u64,
    /// Fields of loaded records that had no column.
    pub unmapped: u64,
    /// Polls that ended.
    pub polls: u64,
}

impl Progress {
    /// Of a loader that polls every so often and has done nothing yet.
    pub fn new(poll: Duration) -> Self {
        Progress {
            health: Health::new(poll),
            levels: Levels::default(),
            freshness: Freshnesses::new(),
            unmapped_fields: Arc::default(),
            lanes: Arc::default(),
            nothing_found: Mutex::default(),
            files: AtomicU64::default(),
            quarantined: AtomicU64::default(),
            loaded: AtomicU64::default(),
            rejected: AtomicU64::default(),
            bytes: AtomicU64::default(),
            unmapped: AtomicU64::default(),
            polls: AtomicU64::default(),
        }
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            files: get(&self.files),
            quarantined: get(&self.quarantined),
            loaded: get(&self.loaded),
            rejected: get(&self.rejected),
            bytes: get(&self.bytes),
            unmapped: get(&self.unmapped),
            polls: get(&self.polls),
        }
    }

    /// How many files wait, and how many seconds that takes at the rate of late, if it is known.
    pub fn backlog(&self) -> (usize, Option<f64>) {
        self.health.backlog()
    }

    /// How long the files of each stream took until their rows could be read, of those committed within the last hour.
    pub fn freshness(&self) -> Vec<FreshnessSummary> {
        self.freshness.all()
    }

    /// How far each stream is: lag and the time up to which everything is loaded.
    pub fn levels(&self) -> Vec<StreamLevel> {
        self.levels.all()
    }

    /// Files were noted as done.
    pub(super) fn loaded(&self, route: &Arc<str>, hub: &str, entries: &[Entry], unmapped: u64) {
        self.health.loaded(route, hub, entries, unmapped);
        self.levels.loaded(route, hub, entries);
        self.freshness.loaded(route, hub, entries);
    }

    /// Notes what stands where no file of a hub was found, or that one was.
    pub(super) fn nothing_found(&self, hub: &str, instead: Option<String>) {
        let mut nothing = self.nothing_found.lock().unwrap_or_else(PoisonError::into_inner);
        match instead {
            Some(instead) => drop(nothing.insert(hub.to_owned(), instead)),
            None => drop(nothing.remove(hub)),
        }
    }

    pub(super) fn add(&self, counts: Counts) {
        let add = |counter: &AtomicU64, n| counter.fetch_add(n, Ordering::Relaxed);
        add(&self.files, counts.files);
        add(&self.quarantined, counts.quarantined);
        add(&self.loaded, counts.loaded);
        add(&self.rejected, counts.rejected);
        add(&self.bytes, counts.bytes);
        add(&self.unmapped, counts.unmapped);
        add(&self.polls, counts.polls);
    }
}

impl Status for Progress {
    fn readiness(&self) -> (bool, serde_json::Value) {
        let (ready, mut answer) = self.health.readiness();
        for route in answer["routes"].as_array_mut().into_iter().flatten() {
            let name = route["route"].as_str().unwrap_or_default().to_owned();
            route["freshness"] = serde_json::json!(self.freshness.json(&name));
            route["level"] = serde_json::json!(self.levels.json(&name));
        }
        answer["unmapped_fields"] = serde_json::json!(self.unmapped_fields.all());
        answer["nothing_found"] = serde_json::json!(*self.nothing_found.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(live) = self.lanes.json() {
            answer["live"] = live;
        }
        (ready, answer)
    }

    fn refresh_metrics(&self) {
        gauge!("deltawave_loader_ready").set(f64::from(u8::from(self.health.readiness().0)));
        self.health.refresh_metrics();
        self.levels.refresh_metrics();
        self.lanes.refresh_metrics();
    }
}
