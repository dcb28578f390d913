//! How the live lanes are, for probes, metrics and people.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::capture::{PartitionId, SequenceNumber};

/// All lanes of a loader.
#[derive(Debug, Default)]
pub(in crate::loader) struct Lanes {
    state: Mutex<BTreeMap<Arc<str>, Lane>>,
}

/// One route's.
#[derive(Debug, Default)]
struct Lane {
    hub: String,
    /// How long rows may wait for their file.
    patience: Duration,
    /// Why nothing is read or written at all.
    trouble: Option<String>,
    partitions: BTreeMap<PartitionId, Partition>,
    /// Records that became rows.
    written: u64,
}

/// How one partition of a lane is, for whoever shows it.
#[derive(Debug, Clone)]
pub(in crate::loader) struct LanePlace {
    pub(in crate::loader) route: Arc<str>,
    pub(in crate::loader) hub: String,
    pub(in crate::loader) partition: PartitionId,
    pub(in crate::loader) phase: &'static str,
    /// The next number there will be.
    pub(in crate::loader) end: Option<SequenceNumber>,
    /// The next number that is to be written.
    pub(in crate::loader) next: Option<SequenceNumber>,
    pub(in crate::loader) behind_seconds: f64,
}

/// One partition of it.
#[derive(Debug, Default)]
struct Partition {
    phase: &'static str,
    /// Why nothing is written, as a word and as a sentence.
    shut: Option<(&'static str, String)>,
    /// The next number there will be, as the broker said it last.
    end: Option<SequenceNumber>,
    /// The next number that is to be written.
    next: Option<SequenceNumber>,
    /// When the broker took the last one that was read.
    taken_at: Option<OffsetDateTime>,
    jumps: u64,
    /// Numbers that were written and that no file has given, one now and then, each with the time.
    unproven: VecDeque<(SequenceNumber, Instant)>,
    /// The last of them.
    last: Option<(SequenceNumber, Instant)>,
    told: Option<Instant>,
}

/// How often the time of unproven numbers is noted, and how often it is told that they are old.
const EVERY: Duration = Duration::from_secs(1);
const TELL_EVERY: Duration = Duration::from_secs(300);

/// Why a partition's lane may be shut.
const REASONS: [&str; 4] = ["differs", "anew", "gone", "broker"];

/// Times that are kept at most: with more, the oldest stay.
const KEPT: usize = 4096;

impl Partition {
    /// Records that are there and were not read.
    fn behind(&self) -> u64 {
        let between = |(end, next): (SequenceNumber, SequenceNumber)| u64::try_from(end.0 - next.0).unwrap_or(0);
        self.end.zip(self.next).map_or(0, between)
    }

    /// For how long, in seconds.
    fn behind_seconds(&self) -> f64 {
        match self.taken_at {
            Some(at) if self.behind() > 0 => (OffsetDateTime::now_utc() - at).as_seconds_f64().max(0.0),
            _ => 0.0,
        }
    }

    /// How long rows have been there that no file has given.
    fn unproven(&self) -> Option<Duration> {
        self.unproven.front().map(|(_, since)| since.elapsed())
    }
}

/// One route's place among them.
#[derive(Debug, Clone)]
pub(super) struct LaneState {
    lanes: Arc<Lanes>,
    pub(super) route: Arc<str>,
    hub: Arc<str>,
}

impl Lanes {
    /// A route's lane begins, whose rows may wait so long for their file.
    pub(super) fn of(self: &Arc<Self>, route: &Arc<str>, hub: &str, patience: Duration) -> LaneState {
        let mut lanes = self.lock();
        let lane = lanes.entry(Arc::clone(route)).or_default();
        (lane.hub, lane.patience) = (hub.to_owned(), patience);
        drop(lanes);
        LaneState { lanes: Arc::clone(self), route: Arc::clone(route), hub: hub.into() }
    }

    /// Nothing where there is no lane.
    pub(in crate::loader) fn json(&self) -> Option<Value> {
        let lanes = self.lock();
        let partition = |patience: Duration, (id, partition): (&PartitionId, &Partition)| {
            json!({
                "partition": id.0,
                "state": partition.phase,
                "reason": partition.shut.as_ref().map(|(_, sentence)| sentence),
                "behind_events": partition.behind(),
                "behind_seconds": partition.behind_seconds().round(),
                "unproven_seconds": partition.unproven().map(|age| age.as_secs()),
                "unproven_is_late": partition.unproven().is_some_and(|age| age > patience),
                "jumps": partition.jumps,
            })
        };
        let lane = |(route, lane): (&Arc<str>, &Lane)| {
            let partitions: Vec<_> = lane.partitions.iter().map(|of| partition(lane.patience, of)).collect();
            json!({"route": &**route, "trouble": lane.trouble, "partitions": partitions})
        };
        (!lanes.is_empty()).then(|| lanes.iter().map(lane).collect())
    }

    /// Every partition, and how many records of all lanes became rows; nothing where there is no lane.
    pub(in crate::loader) fn places(&self) -> Option<(Vec<LanePlace>, u64)> {
        let lanes = self.lock();
        let place = |route: &Arc<str>, hub: &str, (id, partition): (&PartitionId, &Partition)| LanePlace {
            route: Arc::clone(route),
            hub: hub.to_owned(),
            partition: *id,
            phase: partition.phase,
            end: partition.end,
            next: partition.next,
            behind_seconds: partition.behind_seconds(),
        };
        let of_lane = |(route, lane): (&Arc<str>, &Lane)| {
            lane.partitions.iter().map(|entry| place(route, &lane.hub, entry)).collect::<Vec<_>>()
        };
        let written = lanes.values().map(|lane| lane.written).sum();
        (!lanes.is_empty()).then(|| (lanes.iter().flat_map(of_lane).collect(), written))
    }

    /// Brings metrics up to date that depend on the time they are read.
    pub(in crate::loader) fn refresh_metrics(&self) {
        for (route, lane) in &*self.lock() {
            for (id, partition) in &lane.partitions {
                let labels = [("hub", lane.hub.clone()), ("route", route.to_string()), ("partition", id.to_string())];
                gauge!("deltawave_loader_live_lag_events", &labels).set(partition.behind() as f64);
                gauge!("deltawave_loader_live_lag_seconds", &labels).set(partition.behind_seconds());
                let unproven = partition.unproven().unwrap_or_default().as_secs_f64();
                gauge!("deltawave_loader_live_unproven_seconds", &labels).set(unproven);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Lane>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LaneState {
    /// Nothing is read or written, for that reason, or no longer so.
    pub(super) fn trouble(&self, reason: Option<String>) {
        self.lane(|lane| lane.trouble = reason);
    }

    /// A partition is in that phase, and shut for that reason.
    pub(super) fn is(&self, id: PartitionId, phase: &'static str, shut: Option<(&'static str, String)>) {
        self.partition(id, |partition| {
            if partition.phase.is_empty() {
                // Of one that was never shut, too, it is to be seen that it is not.
                for reason in REASONS {
                    self.shut(id, reason, 0.0);
                }
            }
            for (code, open) in [(partition.shut.as_ref(), 0.0), (shut.as_ref(), 1.0)] {
                let Some((code, _)) = code else { continue };
                self.shut(id, code, open);
            }
            (partition.phase, partition.shut) = (phase, shut);
        });
    }

    fn shut(&self, id: PartitionId, reason: &'static str, shut: f64) {
        let labels = [
            ("hub", self.hub.to_string()),
            ("route", self.route.to_string()),
            ("partition", id.to_string()),
            ("reason", reason.to_owned()),
        ];
        gauge!("deltawave_loader_live_shut", &labels).set(shut);
    }

    /// The broker said where a partition ends.
    pub(super) fn ends(&self, id: PartitionId, end: Option<SequenceNumber>) {
        self.partition(id, |partition| partition.end = end.map(SequenceNumber::next));
    }

    /// A record was read.
    pub(super) fn read(&self, id: PartitionId, number: SequenceNumber, taken_at: OffsetDateTime) {
        self.partition(id, |partition| {
            partition.next = Some(number.next());
            partition.end = partition.end.max(Some(number.next()));
            partition.taken_at = Some(taken_at);
        });
    }

    /// A partition is read from its end on.
    pub(super) fn jumped(&self, id: PartitionId, to: SequenceNumber) {
        self.partition(id, |partition| {
            partition.jumps += 1;
            partition.next = Some(to);
        });
        let labels = [("hub", self.hub.to_string()), ("route", self.route.to_string()), ("partition", id.to_string())];
        counter!("deltawave_loader_live_jumps_total", &labels).increment(1);
    }

    /// Rows up to this number were written.
    pub(super) fn wrote(&self, id: PartitionId, number: SequenceNumber) {
        self.partition(id, |partition| {
            let unproven = &mut partition.unproven;
            // Numbers that began again.
            if unproven.back().is_some_and(|(last, _)| *last > number) {
                unproven.clear();
            }
            partition.last = Some((number, Instant::now()));
            let due = unproven.back().is_none_or(|(_, at)| at.elapsed() >= EVERY);
            if due && unproven.len() < KEPT {
                unproven.push_back((number, Instant::now()));
            }
        });
    }

    /// So many records became rows, and so many were left to their files.
    pub(super) fn counted(&self, written: usize, left: usize) {
        self.lane(|lane| lane.written += written as u64);
        for (outcome, records) in [("written", written), ("left", left)] {
            let labels =
                [("hub", self.hub.to_string()), ("route", self.route.to_string()), ("outcome", outcome.to_owned())];
            counter!("deltawave_loader_live_events_total", &labels).increment(records as u64);
        }
    }

    /// Files have given what a partition has up to this number.
    pub(super) fn captured(&self, id: PartitionId, end: SequenceNumber) {
        self.partition(id, |partition| {
            while partition.unproven.front().is_some_and(|(number, _)| *number <= end) {
                partition.unproven.pop_front();
            }
            // Of a second's rows only the first number was noted.
            if let Some(last) = partition.last.filter(|(number, _)| partition.unproven.is_empty() && *number > end) {
                partition.unproven.push_back(last);
            }
            partition.told = None;
        });
    }

    /// Says that rows wait for too long for a file that has them, now and then.
    pub(super) fn tell_of_unproven(&self) {
        self.lane(|lane| {
            for (id, partition) in &mut lane.partitions {
                let Some(age) = partition.unproven().filter(|age| *age > lane.patience) else { continue };
                if partition.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                    partition.told = Some(Instant::now());
                    tracing::error!(
                        route = &*self.route,
                        partition = id.0,
                        "no Capture file has given live rows of {} min ago (--live-unproven): see that Capture is on",
                        age.as_secs() / 60
                    );
                }
            }
        });
    }

    fn lane<T>(&self, change: impl FnOnce(&mut Lane) -> T) -> Option<T> {
        self.lanes.lock().get_mut(&self.route).map(change)
    }

    fn partition(&self, id: PartitionId, change: impl FnOnce(&mut Partition)) {
        self.lane(|lane| change(lane.partitions.entry(id).or_default()));
    }
}

/// Says what each metric means, in `/metrics` itself.
pub(in crate::loader) fn describe() {
    describe_counter!(
        "deltawave_loader_live_events_total",
        "Records read at the broker's end, by outcome: written, or left to their files"
    );
    describe_gauge!("deltawave_loader_live_lag_events", "Records at the broker that the live lane has not read");
    describe_gauge!("deltawave_loader_live_lag_seconds", "How far the live lane is behind the broker's end");
    describe_gauge!(
        "deltawave_loader_live_unproven_seconds",
        "How long live rows have been there that no Capture file has given"
    );
    describe_gauge!(
        "deltawave_loader_live_shut",
        "1 while the live lane of a partition writes nothing, by reason: differs, anew, gone or broker"
    );
    describe_counter!("deltawave_loader_live_jumps_total", "How often the live lane left a backlog to the files");
    describe_histogram!(
        "deltawave_loader_live_freshness_seconds",
        "Time from when the broker took a record until its row could be read, measured once a second"
    );
    describe_counter!(
        "deltawave_loader_rows_already_there_total",
        "Rows of files that were not written because live rows were counted in their place"
    );
    describe_counter!(
        "deltawave_loader_files_already_there_total",
        "Files of which nothing was written because live rows were counted in their place"
    );
}
