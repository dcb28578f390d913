//! How a loader is, for probes and for the people they wake.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{Label, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::party::Party;
use super::queue::Backlog;
use crate::ledger::Entry;

/// One trouble among those of one party, of one stream or of all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ailment {
    pub(super) party: Party,
    route: Option<Arc<str>>,
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
    routes: BTreeMap<Arc<str>, RouteState>,
    /// The newest window of each hub's partitions that was loaded.
    newest: BTreeMap<(String, Arc<str>, i32), OffsetDateTime>,
    /// The highest sequence number of the file of each that was loaded last.
    last: BTreeMap<(String, Arc<str>, i32), i64>,
}

/// What was loaded of a partition.
#[derive(Debug)]
pub(super) struct LoadedFiles {
    pub(super) hub: String,
    pub(super) route: Arc<str>,
    pub(super) partition: i32,
    pub(super) newest_window: OffsetDateTime,
    /// The highest sequence number of the file that was loaded last.
    pub(super) last: Option<i64>,
}

/// How one stream is.
#[derive(Debug, Default)]
struct RouteState {
    /// When the last poll ended well.
    polled: Option<Instant>,
    /// When files were noted as done.
    loaded: Option<Instant>,
    backlog: Backlog,
    /// How long the backlog takes at the rate of late, in seconds.
    left: Option<f64>,
    /// Files that cannot be read, each alone.
    aside: usize,
}

/// A poll that loads nothing may be late by so much before it counts as missing: a large file takes its time.
const POLL_GRACE: Duration = Duration::from_secs(120);

impl Health {
    /// A loader that polls every so often and has not polled yet.
    pub(super) fn new(poll: Duration) -> Self {
        Health { poll, state: Mutex::default() }
    }

    /// A stream begins.
    pub(super) fn begins(&self, route: &Arc<str>) {
        self.lock().routes.entry(Arc::clone(route)).or_default();
    }

    /// A name for a trouble that begins.
    pub(super) fn ailment(&self, party: Party, route: Option<&Arc<str>>) -> Ailment {
        let mut state = self.lock();
        state.ailments += 1;
        Ailment { party, route: route.cloned(), number: state.ailments }
    }

    pub(super) fn troubled(&self, ailment: &Ailment, reason: &str) {
        counter!("deltawave_loader_retries_total", "kind" => ailment.party.name()).increment(1);
        let mut state = self.lock();
        let since = state.troubles.get(ailment).map_or_else(Instant::now, |(since, _)| *since);
        state.troubles.insert(ailment.clone(), (since, reason.to_owned()));
    }

    pub(super) fn healed(&self, ailment: &Ailment) {
        self.lock().troubles.remove(ailment);
    }

    pub(super) fn polled(&self, route: &Arc<str>) {
        self.lock().routes.entry(Arc::clone(route)).or_default().polled = Some(Instant::now());
    }

    /// What waits on a route, and how long it takes, if that is known.
    pub(super) fn waits(&self, route: &Arc<str>, backlog: Backlog, left: Option<f64>, aside: usize) {
        let mut state = self.lock();
        let state = state.routes.entry(Arc::clone(route)).or_default();
        (state.backlog, state.left, state.aside) = (backlog, left, aside);
        let of_route = [("route", route.to_string())];
        gauge!("deltawave_loader_backlog_files", &of_route).set(backlog.files as f64);
        gauge!("deltawave_loader_backlog_bytes", &of_route).set(backlog.bytes as f64);
        gauge!("deltawave_loader_backlog_seconds", &of_route).set(left.unwrap_or_default());
        gauge!("deltawave_loader_waiting_files", &of_route).set(aside as f64);
    }

    /// How many files wait on all routes, and how many seconds the route that takes longest needs, if that is known.
    pub(super) fn backlog(&self) -> (usize, Option<f64>) {
        let state = self.lock();
        let files = state.routes.values().map(|route| route.backlog.files).sum();
        (files, state.routes.values().filter_map(|route| route.left).reduce(f64::max))
    }

    /// Notes files as done in the metrics.
    pub(super) fn loaded(&self, route: &Arc<str>, hub: &str, entries: &[Entry], unmapped: u64) {
        let mut state = self.lock();
        state.routes.entry(Arc::clone(route)).or_default().loaded = Some(Instant::now());
        let labels = |more: Option<(&'static str, &str)>| {
            let all = [("hub", hub), ("route", &**route)].into_iter().chain(more);
            all.map(|(name, value)| Label::new(name, value.to_owned())).collect::<Vec<_>>()
        };
        for Entry { file, contents, loaded, rejected, .. } in entries {
            let partition = file.name.partition.0;
            let window = file.name.window_start;
            let newest = state.newest.entry((hub.to_owned(), Arc::clone(route), partition)).or_insert(window);
            *newest = window.max(*newest);
            counter!("deltawave_loader_files_total", labels(Some(("outcome", contents.outcome.status())))).increment(1);
            counter!("deltawave_loader_events_total", labels(Some(("outcome", "loaded")))).increment(*loaded);
            counter!("deltawave_loader_events_total", labels(Some(("outcome", "rejected")))).increment(*rejected);
            if contents.skipped > 0 {
                counter!("deltawave_loader_events_total", labels(Some(("outcome", "skipped"))))
                    .increment(contents.skipped);
            }
            counter!("deltawave_loader_bytes_total", labels(None)).increment(file.size);
            if let Some(span) = contents.span {
                state.last.insert((hub.to_owned(), Arc::clone(route), partition), span.last.0);
                let partition = partition.to_string();
                gauge!("deltawave_loader_last_sequence_number", labels(Some(("partition", &partition))))
                    .set(span.last.0 as f64);
            }
        }
        counter!("deltawave_loader_unmapped_fields_total", labels(None)).increment(unmapped);
        counter!("deltawave_loader_rewritten_files_total", labels(None)).increment(0);
        counter!("deltawave_loader_added_columns_total", "route" => route.to_string()).increment(0);
    }

    /// Each partition of which files were loaded.
    pub(super) fn files(&self) -> Vec<LoadedFiles> {
        let state = self.lock();
        let file = |(key, newest_window): (&(String, Arc<str>, i32), &OffsetDateTime)| {
            let (hub, route, partition) = key.clone();
            LoadedFiles { hub, route, partition, newest_window: *newest_window, last: state.last.get(key).copied() }
        };
        state.newest.iter().map(file).collect()
    }

    /// Counts that tell of trouble begin at zero: one that begins with the trouble would not be seen to grow.
    pub(super) fn count_from_zero(&self, route: &Arc<str>, hub: &str) {
        let of = |outcome: &'static str| {
            [("hub", hub.to_owned()), ("route", route.to_string()), ("outcome", outcome.to_owned())]
        };
        for outcome in ["loaded", "quarantined"] {
            counter!("deltawave_loader_files_total", &of(outcome)).increment(0);
        }
        for outcome in ["loaded", "rejected"] {
            counter!("deltawave_loader_events_total", &of(outcome)).increment(0);
        }
        for party in [Party::Blob, Party::Store, Party::Queue] {
            counter!("deltawave_loader_retries_total", "kind" => party.name()).increment(0);
        }
    }

    /// So many files are written again.
    pub(super) fn rewritten(&self, route: &Arc<str>, hub: &str, files: usize) {
        let labels = [("hub", hub.to_owned()), ("route", route.to_string())];
        counter!("deltawave_loader_rewritten_files_total", &labels).increment(files as u64);
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
        let late = |route: &RouteState| {
            let stirred = route.polled.max(route.loaded);
            stirred.is_some_and(|at| at.elapsed() > self.poll * 3 + POLL_GRACE)
        };
        // Without notifications listing goes on.
        let troubled = |of: Option<&Arc<str>>| {
            let mut ailments = state.troubles.keys();
            ailments.find(|ailment| ailment.party != Party::Queue && ailment.route.as_ref() == of)
        };
        let reason = |name: &Arc<str>, route: &RouteState| match troubled(Some(name)) {
            Some(ailment) => Some(format!("trouble with the {}", ailment.party.name())),
            None if route.polled.is_none() => Some("the first poll has not ended".to_owned()),
            None => late(route).then(|| "the last poll takes long".to_owned()),
        };
        let routes: Vec<_> = state.routes.iter().map(|(name, route)| (name, route, reason(name, route))).collect();
        let first = routes.iter().find_map(|(name, _, reason)| Some((name, reason.as_ref()?)));
        let all = match (troubled(None), first) {
            (Some(ailment), _) => Some(format!("trouble with the {}", ailment.party.name())),
            (None, Some((name, reason))) if routes.len() > 1 => Some(format!("{reason}, on route {name}")),
            (None, Some((_, reason))) => Some(reason.clone()),
            (None, None) => routes.is_empty().then(|| "the first poll has not ended".to_owned()),
        };
        let ready = all.is_none();
        // Of each party the trouble that lasts longest.
        let mut troubles = serde_json::Map::new();
        for (ailment, (at, reason)) in &state.troubles {
            let longest = || json!({"for_seconds": since(at), "reason": reason, "route": ailment.route.as_deref()});
            troubles.entry(ailment.party.name()).or_insert_with(longest);
        }
        let each = routes.iter().map(|(name, route, reason)| {
            json!({
                "route": &***name,
                "ready": reason.is_none(),
                "reason": reason,
                "last_poll_seconds_ago": route.polled.as_ref().map(since),
                "waiting_files": route.aside,
                "backlog_files": route.backlog.files,
                "backlog_bytes": route.backlog.bytes,
                "backlog_seconds": route.left.map(f64::round),
            })
        });
        let each: Vec<_> = each.collect();
        let polled: Option<Vec<_>> = routes.iter().map(|(_, route, _)| route.polled.as_ref().map(since)).collect();
        let answer = json!({
            "ready": ready,
            "reason": all,
            "last_poll_seconds_ago": polled.and_then(|all| all.into_iter().max()),
            "poll_is_late": routes.iter().any(|(_, route, _)| late(route)),
            "troubles": troubles,
            "routes": each,
        });
        (ready, answer)
    }

    /// Brings metrics up to date that depend on the time they are read.
    pub(super) fn refresh_metrics(&self) {
        let now = OffsetDateTime::now_utc();
        for ((hub, route, partition), newest) in &self.lock().newest {
            let labels = [("hub", hub.clone()), ("route", route.to_string()), ("partition", partition.to_string())];
            gauge!("deltawave_loader_behind_seconds", &labels).set((now - *newest).as_seconds_f64().max(0.0));
        }
    }
}

/// Says what each metric means, in `/metrics` itself.
pub(super) fn describe() {
    describe_gauge!("deltawave_loader_ready", "1 while the loader is ready, as /readyz says it");
    describe_counter!("deltawave_loader_files_total", "Capture files noted as done, by outcome: loaded or quarantined");
    describe_counter!(
        "deltawave_loader_events_total",
        "Records accounted for, by outcome: loaded, rejected, or skipped (tombstones)"
    );
    describe_counter!("deltawave_loader_bytes_total", "Bytes of the Capture files noted as done");
    describe_counter!("deltawave_loader_unmapped_fields_total", "Fields of loaded records that had no column");
    describe_counter!(
        "deltawave_loader_retries_total",
        "Tries that failed and are repeated, by what failed: blob, store, queue, registry or lake"
    );
    describe_counter!(
        "deltawave_loader_notifications_total",
        "Notifications received, by outcome: loaded, known already, gone (no such blob), empty, foreign or malformed"
    );
    describe_histogram!("deltawave_loader_batch_seconds", "Time of one INSERT, its retries included");
    describe_histogram!("deltawave_loader_flush_seconds", "Time of one FLUSH, its retries included");
    describe_counter!("deltawave_loader_added_columns_total", "Columns added for fields that had none (--evolve add)");
    describe_counter!(
        "deltawave_loader_rewritten_files_total",
        "Files written again because the store did not have what it had acknowledged"
    );
    describe_histogram!("deltawave_loader_count_seconds", "Time of counting a group back, its retries included");
    describe_histogram!(
        "deltawave_loader_poll_seconds",
        "Time of one poll: listing, and asking the ledger what is new"
    );
    describe_gauge!("deltawave_loader_last_sequence_number", "Highest sequence number of the file loaded last");
    describe_gauge!("deltawave_loader_backlog_files", "Files found that wait to be loaded");
    describe_gauge!("deltawave_loader_backlog_bytes", "Bytes of the files that wait to be loaded");
    describe_gauge!("deltawave_loader_backlog_seconds", "How long what waits takes at the rate of late");
    describe_gauge!("deltawave_loader_waiting_files", "Files that cannot be read, each alone, and wait for it");
    describe_gauge!("deltawave_loader_behind_seconds", "Age of the newest window that was loaded");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_polled_and_untroubled() {
        let health = Health::new(Duration::from_secs(5));
        assert!(!health.readiness().0);
        let route: Arc<str> = "hub=table".into();
        health.begins(&route);
        assert!(!health.readiness().0);
        health.polled(&route);
        assert!(health.readiness().0);
        let [one, two] = [Party::Store; 2].map(|party| health.ailment(party, Some(&route)));
        health.troubled(&one, "connection refused");
        health.troubled(&two, "connection reset");
        let (ready, answer) = health.readiness();
        assert!(!ready);
        assert_eq!(answer["troubles"]["store"]["reason"], "connection refused");
        health.healed(&one);
        assert_eq!(health.readiness().1["troubles"]["store"]["reason"], "connection reset", "each has its own");
        health.healed(&two);
        assert!(health.readiness().0);
        health.troubled(&health.ailment(Party::Queue, None), "no such queue");
        let (ready, answer) = health.readiness();
        assert!(ready, "listing goes on");
        assert_eq!(answer["troubles"]["queue"]["reason"], "no such queue");
    }

    #[test]
    fn each_route_has_a_place_of_its_own() {
        let health = Health::new(Duration::from_secs(5));
        let routes: [Arc<str>; 2] = ["a=one", "b=two"].map(Into::into);
        routes.iter().for_each(|route| health.begins(route));
        health.polled(&routes[0]);
        assert_eq!(health.readiness().1["reason"], "the first poll has not ended, on route b=two");
        health.polled(&routes[1]);
        let ailment = health.ailment(Party::Store, Some(&routes[1]));
        health.troubled(&ailment, "table `two` does not exist");
        health.waits(&routes[0], Backlog { files: 3, bytes: 300 }, Some(1.4), 0);
        let (ready, answer) = health.readiness();
        assert!(!ready);
        assert_eq!(answer["reason"], "trouble with the store, on route b=two");
        assert_eq!(answer["troubles"]["store"]["route"], "b=two");
        let ready: Vec<_> = answer["routes"].as_array().unwrap().iter().map(|route| route["ready"].clone()).collect();
        assert_eq!(ready, [true, false]);
        assert_eq!(answer["routes"][0]["backlog_seconds"], 1.0);
    }
}
