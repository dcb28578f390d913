//! How a loader is, for probes and for the people they wake.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::ledger::Entry;

/// Who can be in trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    /// The blob endpoint.
    Blob,
    /// The SQL store.
    Store,
    /// The queue of notifications. Loading goes on without it.
    Queue,
}

impl Party {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Party::Blob => "blob",
            Party::Store => "store",
            Party::Queue => "queue",
        }
    }
}

/// One trouble among those of one party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ailment {
    pub(super) party: Party,
    number: u64,
}

/// How a running loader is.
#[derive(Debug)]
pub(super) struct Health {
    poll: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What is wrong now, and since when. Several workers may have troubles of their own with one party.
    troubles: BTreeMap<Ailment, (Instant, String)>,
    /// How many there were.
    ailments: u64,
    /// When the last poll ended well.
    polled: Option<Instant>,
    /// When files were noted as done.
    loaded: Option<Instant>,
    /// The newest window of each hub's partitions that was loaded.
    newest: BTreeMap<(String, i32), OffsetDateTime>,
}

/// A poll that loads nothing may be late by so much before it counts as missing: a large file takes its time.
const POLL_GRACE: Duration = Duration::from_secs(120);

impl Health {
    /// A loader that polls every so often and has not polled yet.
    pub(super) fn new(poll: Duration) -> Self {
        Health { poll, state: Mutex::default() }
    }

    /// A name for a trouble that begins.
    pub(super) fn ailment(&self, party: Party) -> Ailment {
        let mut state = self.lock();
        state.ailments += 1;
        Ailment { party, number: state.ailments }
    }

    pub(super) fn troubled(&self, ailment: Ailment, reason: &str) {
        counter!("deltawave_loader_retries_total", "kind" => ailment.party.name()).increment(1);
        let mut state = self.lock();
        let since = state.troubles.get(&ailment).map_or_else(Instant::now, |(since, _)| *since);
        state.troubles.insert(ailment, (since, reason.to_owned()));
    }

    pub(super) fn healed(&self, ailment: Ailment) {
        self.lock().troubles.remove(&ailment);
    }

    pub(super) fn polled(&self) {
        self.lock().polled = Some(Instant::now());
    }

    /// Notes files as done in the metrics.
    pub(super) fn loaded(&self, hub: &str, entries: &[Entry], unmapped: u64) {
        let mut state = self.lock();
        state.loaded = Some(Instant::now());
        for Entry { file, contents, loaded, rejected, .. } in entries {
            let partition = file.name.partition.0;
            let window = file.name.window_start;
            let newest = state.newest.entry((hub.to_owned(), partition)).or_insert(window);
            *newest = window.max(*newest);
            let of_hub = |outcome: &'static str| [("hub", hub.to_owned()), ("outcome", outcome.to_owned())];
            counter!("deltawave_loader_files_total", &of_hub(contents.outcome.status())).increment(1);
            counter!("deltawave_loader_events_total", &of_hub("loaded")).increment(*loaded);
            counter!("deltawave_loader_events_total", &of_hub("rejected")).increment(*rejected);
            if contents.skipped > 0 {
                counter!("deltawave_loader_events_total", &of_hub("skipped")).increment(contents.skipped);
            }
            counter!("deltawave_loader_bytes_total", "hub" => hub.to_owned()).increment(file.size);
            if let Some(span) = contents.span {
                let labels = [("hub", hub.to_owned()), ("partition", partition.to_string())];
                gauge!("deltawave_loader_last_sequence_number", &labels).set(span.last.0 as f64);
            }
        }
        counter!("deltawave_loader_unmapped_fields_total", "hub" => hub.to_owned()).increment(unmapped);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health {
    /// Whether it can do its work, and what is wrong if not.
    pub(super) fn readiness(&self) -> (bool, Value) {
        let state = self.lock();
        let since = |at: &Instant| at.elapsed().as_secs();
        let stirred = state.polled.max(state.loaded);
        let late = stirred.is_some_and(|at| at.elapsed() > self.poll * 3 + POLL_GRACE);
        // Without notifications listing goes on.
        let reason = match state.troubles.keys().find(|ailment| ailment.party != Party::Queue) {
            Some(ailment) => Some(format!("trouble with the {}", ailment.party.name())),
            None if state.polled.is_none() => Some("the first poll has not ended".to_owned()),
            None => late.then(|| "the last poll takes long".to_owned()),
        };
        let ready = reason.is_none();
        // Of each party the trouble that lasts longest.
        let mut troubles = serde_json::Map::new();
        for (ailment, (at, reason)) in &state.troubles {
            let longest = || json!({"for_seconds": since(at), "reason": reason});
            troubles.entry(ailment.party.name()).or_insert_with(longest);
        }
        let answer = json!({
            "ready": ready,
            "reason": reason,
            "last_poll_seconds_ago": state.polled.as_ref().map(since),
            "poll_is_late": late,
            "troubles": troubles,
        });
        (ready, answer)
    }

    /// Brings metrics up to date that depend on the time they are read.
    pub(super) fn refresh_metrics(&self) {
        let now = OffsetDateTime::now_utc();
        for ((hub, partition), newest) in &self.lock().newest {
            let labels = [("hub", hub.clone()), ("partition", partition.to_string())];
            gauge!("deltawave_loader_behind_seconds", &labels).set((now - *newest).as_seconds_f64().max(0.0));
        }
    }
}

/// Says what each metric means, in `/metrics` itself.
pub(super) fn describe() {
    describe_counter!("deltawave_loader_files_total", "Capture files noted as done, by outcome: loaded or quarantined");
    describe_counter!(
        "deltawave_loader_events_total",
        "Records accounted for, by outcome: loaded, rejected, or skipped (tombstones)"
    );
    describe_counter!("deltawave_loader_bytes_total", "Bytes of the Capture files noted as done");
    describe_counter!("deltawave_loader_unmapped_fields_total", "Fields of loaded records that had no column");
    describe_counter!(
        "deltawave_loader_retries_total",
        "Tries that failed and are repeated, by what failed: blob, store or queue"
    );
    describe_counter!(
        "deltawave_loader_notifications_total",
        "Notifications received, by outcome: loaded, known already, gone (no such blob), empty, foreign or malformed"
    );
    describe_histogram!("deltawave_loader_batch_seconds", "Time of one INSERT, its retries included");
    describe_histogram!("deltawave_loader_flush_seconds", "Time of one FLUSH, its retries included");
    describe_histogram!("deltawave_loader_poll_seconds", "Time of one poll: listing, and loading what is new");
    describe_gauge!("deltawave_loader_last_sequence_number", "Highest sequence number of the file loaded last");
    describe_gauge!("deltawave_loader_behind_seconds", "Age of the newest window that was loaded");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_polled_and_untroubled() {
        let health = Health::new(Duration::from_secs(5));
        assert!(!health.readiness().0);
        health.polled();
        assert!(health.readiness().0);
        let [one, two] = [Party::Store; 2].map(|party| health.ailment(party));
        health.troubled(one, "connection refused");
        health.troubled(two, "connection reset");
        let (ready, answer) = health.readiness();
        assert!(!ready);
        assert_eq!(answer["troubles"]["store"]["reason"], "connection refused");
        health.healed(one);
        assert_eq!(health.readiness().1["troubles"]["store"]["reason"], "connection reset", "each has its own");
        health.healed(two);
        assert!(health.readiness().0);
        health.troubled(health.ailment(Party::Queue), "no such queue");
        let (ready, answer) = health.readiness();
        assert!(ready, "listing goes on");
        assert_eq!(answer["troubles"]["queue"]["reason"], "no such queue");
    }
}
