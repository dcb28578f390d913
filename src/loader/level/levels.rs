use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{describe_gauge, gauge};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::partition::Level;
use crate::capture::{PartitionId, SequenceNumber};
use crate::ledger::{Entry, PartitionEnds};
use crate::loader::queue::Queue;

/// Of all streams of a loader.
#[derive(Debug, Default)]
pub(in crate::loader) struct Levels {
    state: Mutex<BTreeMap<Arc<str>, Stream>>,
}

#[derive(Debug, Default)]
struct Stream {
    hub: String,
    partitions: BTreeMap<PartitionId, Level>,
    /// Why the broker's ends are not known, where it was named.
    trouble: Option<String>,
}

/// How far a stream is, as far as that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamLevel {
    /// The route.
    pub route: String,
    /// The time up to which every partition is known to be loaded.
    pub complete_until: Option<OffsetDateTime>,
    /// Why the broker's ends are not known, where it was named.
    pub trouble: Option<String>,
    /// In ascending order.
    pub partitions: Vec<PartitionLevel>,
}

/// How far a partition is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartitionLevel {
    /// Which.
    pub partition: PartitionId,
    /// The time up to which all of it is known to be loaded.
    pub complete_until: Option<OffsetDateTime>,
    /// Records at the broker that follow what files gave.
    pub lag_events: Option<u64>,
    /// How long the oldest of them has been there.
    pub lag_seconds: Option<f64>,
}

impl Levels {
    /// Files were noted as done.
    pub(in crate::loader) fn loaded(&self, route: &Arc<str>, hub: &str, entries: &[Entry]) {
        self.stream(route, hub, |stream| {
            for Entry { file, contents, .. } in entries {
                let (last, at) = (contents.span.map(|span| span.last), contents.last_enqueued_at);
                let level = stream.partitions.entry(file.name.partition).or_default();
                level.loaded(file.name.window_start, last, at.map(|at| at.utc()));
            }
        });
    }

    /// The ledger has files of a partition, of which this is the newest with records.
    pub(in crate::loader) fn found(
        &self,
        (route, hub): (&Arc<str>, &str),
        partition: PartitionId,
        window: OffsetDateTime,
        last: SequenceNumber,
        enqueued_at: Option<OffsetDateTime>,
    ) {
        self.stream(route, hub, |stream| {
            stream.partitions.entry(partition).or_default().loaded(window, Some(last), enqueued_at);
        });
    }

    /// A listing has shown these partitions.
    pub(in crate::loader) fn listed(&self, route: &Arc<str>, hub: &str, partitions: impl Iterator<Item = PartitionId>) {
        self.stream(route, hub, |stream| {
            for id in partitions {
                stream.partitions.entry(id).or_default();
            }
        });
    }

    /// Everything that was found is loaded, save where files still wait in the queue.
    pub(in crate::loader) fn done(&self, route: &Arc<str>, hub: &str, queue: &Queue) {
        if let Some(waiting) = queue.partitions_waiting() {
            self.all_but(route, hub, &waiting);
        }
    }

    /// Everything that was found is loaded, but for what waits in these partitions.
    fn all_but(&self, route: &Arc<str>, hub: &str, waiting: &BTreeSet<PartitionId>) {
        self.stream(route, hub, |stream| {
            let done = stream.partitions.iter_mut().filter(|(id, _)| !waiting.contains(id));
            done.for_each(|(_, level)| level.nothing_waits());
        });
    }

    /// The broker said where its partitions end, or why it does not.
    pub(in crate::loader) fn asked(
        &self,
        route: &Arc<str>,
        hub: &str,
        at: OffsetDateTime,
        answer: Result<&[PartitionEnds], String>,
    ) {
        self.stream(route, hub, |stream| match answer {
            Ok(ends) => {
                stream.trouble = None;
                for ends in ends {
                    stream.partitions.entry(ends.partition).or_default().asked(at, *ends);
                }
            }
            Err(reason) => {
                stream.trouble = Some(reason);
                stream.partitions.values_mut().for_each(Level::lost_sight);
            }
        });
    }

    fn stream(&self, route: &Arc<str>, hub: &str, change: impl FnOnce(&mut Stream)) {
        let mut streams = self.lock();
        let stream = streams.entry(Arc::clone(route)).or_default();
        if stream.hub != hub {
            stream.hub = hub.to_owned();
        }
        change(stream);
    }

    /// As far as it is known.
    pub(in crate::loader) fn all(&self) -> Vec<StreamLevel> {
        let now = OffsetDateTime::now_utc();
        self.lock().iter().map(|(route, stream)| stream.level(route, now)).collect()
    }

    /// Of one stream, for `/readyz`.
    pub(in crate::loader) fn json(&self, route: &str) -> Option<Value> {
        let streams = self.lock();
        let level = streams.get(route)?.level(route, OffsetDateTime::now_utc());
        let partition = |level: &PartitionLevel| {
            json!({
                "partition": level.partition.0,
                "complete_until": text(level.complete_until),
                "lag_events": level.lag_events,
                "lag_seconds": level.lag_seconds.map(f64::round),
            })
        };
        let partitions: Vec<_> = level.partitions.iter().map(partition).collect();
        Some(json!({
            "complete_until": text(level.complete_until),
            "trouble": level.trouble,
            "partitions": partitions,
        }))
    }

    /// Brings metrics up to date that depend on the time they are read. What was known and is not any more is NaN.
    pub(in crate::loader) fn refresh_metrics(&self) {
        let now = OffsetDateTime::now_utc();
        for (route, stream) in &*self.lock() {
            let level = stream.level(route, now);
            let of_route = [("hub", stream.hub.clone()), ("route", route.to_string())];
            if let Some(until) = level.complete_until {
                gauge!("deltawave_loader_complete_until_seconds", &of_route)
                    .set(until.unix_timestamp() as f64 + f64::from(until.millisecond()) / 1000.0);
            }
            for (partition, was_asked) in level.partitions.iter().zip(stream.partitions.values().map(Level::was_asked))
            {
                if !was_asked {
                    continue;
                }
                let labels = [&of_route[..], &[("partition", partition.partition.to_string())]].concat();
                gauge!("deltawave_loader_lag_events", &labels)
                    .set(partition.lag_events.map_or(f64::NAN, |events| events as f64));
                gauge!("deltawave_loader_lag_seconds", &labels).set(partition.lag_seconds.unwrap_or(f64::NAN));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Stream>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    fn level(&self, route: &str, now: OffsetDateTime) -> StreamLevel {
        let partition = |(id, level): (&PartitionId, &Level)| PartitionLevel {
            partition: *id,
            complete_until: level.complete(),
            lag_events: level.lag_events(),
            lag_seconds: level.lag_seconds(now),
        };
        let partitions: Vec<_> = self.partitions.iter().map(partition).collect();
        // `None` is the least: one that is not known leaves all of them unknown.
        let complete_until = partitions.iter().map(|partition| partition.complete_until).min().flatten();
        StreamLevel { route: route.to_owned(), complete_until, trouble: self.trouble.clone(), partitions }
    }
}

fn text(at: Option<OffsetDateTime>) -> Option<String> {
    at.and_then(|at| at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).ok())
}

/// Says what each metric means, in `/metrics` itself.
pub(in crate::loader) fn describe() {
    describe_gauge!(
        "deltawave_loader_complete_until_seconds",
        "The time up to which every partition is known to be loaded, since 1970"
    );
    describe_gauge!("deltawave_loader_lag_events", "Records at the broker that follow the newest that a file gave");
    describe_gauge!(
        "deltawave_loader_lag_seconds",
        "How long the oldest record that no file has given has been at the broker"
    );
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-01-02 03:00 UTC);

    #[test]
    fn all_is_complete_as_far_as_its_last_partition() {
        let levels = Levels::default();
        let route: Arc<str> = "hub=table".into();
        let until = || levels.all()[0].complete_until;
        let found = |partition, minutes: i64| {
            let at = AT + time::Duration::minutes(minutes);
            levels.found((&route, "hub"), PartitionId(partition), at, SequenceNumber(9), Some(at));
        };
        found(0, 5);
        levels.all_but(&route, "hub", &BTreeSet::new());
        assert_eq!(until(), Some(AT + time::Duration::minutes(5)));
        levels.listed(&route, "hub", [PartitionId(0), PartitionId(1)].into_iter());
        assert_eq!(until(), None, "nothing is known of one");
        found(1, 3);
        levels.all_but(&route, "hub", &BTreeSet::from([PartitionId(1)]));
        assert_eq!(until(), None, "something waits there");
        levels.all_but(&route, "hub", &BTreeSet::new());
        assert_eq!(until(), Some(AT + time::Duration::minutes(3)));
        levels.asked(&route, "hub", AT, Err("nobody there".to_owned()));
        assert_eq!(levels.json(&route).unwrap()["trouble"], "nobody there");
        assert_eq!(levels.json(&route).unwrap()["complete_until"], "2026-01-02T03:03:00Z");
    }
}
