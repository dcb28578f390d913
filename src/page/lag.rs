//! How far behind each partition was during the last hour.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::subject::Place;

/// Between two points, and how many there are: an hour's.
pub(super) const STEP: Duration = Duration::from_secs(10);
const POINTS: usize = 360;

/// Partitions that are kept at most.
const PARTITIONS: usize = 1024;

/// One partition's points, oldest first. All end now; one that came later has fewer.
#[derive(Debug, Default)]
struct Course {
    events: VecDeque<Option<u64>>,
    seconds: VecDeque<Option<f64>>,
    hub: String,
}

/// All of them, by route and partition.
#[derive(Debug, Default)]
pub(super) struct Lag(BTreeMap<(String, i32), Course>);

impl Lag {
    /// Adds a point to each.
    pub(super) fn note(&mut self, places: &[Place], now: OffsetDateTime) {
        for place in places {
            let key = (place.route.clone(), place.partition);
            if self.0.len() >= PARTITIONS && !self.0.contains_key(&key) {
                continue;
            }
            let course = self.0.entry(key).or_default();
            course.hub.clone_from(&place.hub);
            course.events.push_back(place.behind_events());
            course.seconds.push_back(place.behind_seconds(now));
            if course.events.len() > POINTS {
                course.events.pop_front();
                course.seconds.pop_front();
            }
        }
    }

    /// For the chart.
    pub(super) fn json(&self) -> Value {
        let series = self.0.iter().map(|((route, partition), course)| {
            let seconds: Vec<_> = course.seconds.iter().map(|at| at.map(|at| (at * 10.0).round() / 10.0)).collect();
            json!({
                "route": route, "hub": course.hub, "partition": partition,
                "events": course.events, "seconds": seconds,
            })
        });
        json!({ "step": STEP.as_secs(), "points": POINTS, "series": series.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept() {
        let mut lag = Lag::default();
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(100);
        for round in 0..400 {
            let window = Some(OffsetDateTime::UNIX_EPOCH);
            let place = Place { end: Some(round), last: Some(3), newest_window: window, ..Place::new("h=t", "h", 0) };
            lag.note(&[place], now);
        }
        let json = lag.json();
        let series = &json["series"][0];
        assert_eq!((series["events"].as_array().unwrap().len(), &series["events"][359]), (360, &json!(395)));
        assert_eq!(series["seconds"][0], 100.0);
    }
}
