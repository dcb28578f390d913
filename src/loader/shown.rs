//! What the page shows of a loader.

use std::collections::BTreeMap;

use super::progress::Progress;
use crate::page::{Fresh, Place, Standing, Subject, Totals};

impl Subject for Progress {
    fn standing(&self) -> Standing {
        let counts = self.counts();
        let mut places: BTreeMap<(String, i32), Place> = BTreeMap::new();
        for files in self.health.files() {
            let place = Place {
                newest_window: Some(files.newest_window),
                last: files.last,
                ..Place::new(&files.route, &files.hub, files.partition)
            };
            places.insert((files.route.to_string(), files.partition), place);
        }
        let lanes = self.lanes.places();
        for lane in lanes.iter().flat_map(|(lanes, _)| lanes) {
            let key = (lane.route.to_string(), lane.partition.0);
            let place = places.entry(key).or_insert_with(|| Place::new(&lane.route, &lane.hub, lane.partition.0));
            place.end = lane.end.map(|end| end.0);
            place.live_next = lane.next.map(|next| next.0);
            place.live = Some((lane.phase, lane.behind_seconds));
        }
        let levels = self.levels();
        for (level, partition) in levels.iter().flat_map(|level| level.partitions.iter().map(move |at| (level, at))) {
            let key = (level.route.clone(), partition.partition.0);
            let hub = level.route.split_once('=').map_or(&*level.route, |(hub, _)| hub);
            let place = places.entry(key).or_insert_with(|| Place::new(&level.route, hub, partition.partition.0));
            place.lag = partition.lag_events.zip(partition.lag_seconds);
            let following = |(last, (events, _)): (i64, (u64, f64))| last + 1 + i64::try_from(events).unwrap_or(0);
            place.end = place.end.or(place.last.zip(place.lag).map(following));
        }
        // `None` is the least: one that is not known leaves all of them unknown.
        let proven_until = levels.iter().map(|level| level.complete_until).min().flatten();
        let slowest = self.freshness().into_iter().max_by(|one, other| one.p99.total_cmp(&other.p99));
        let fresh = slowest.map(|route| Fresh { p50: route.p50, p99: route.p99, files: route.files });
        let totals = Totals {
            loaded: counts.loaded,
            rejected: counts.rejected,
            files: counts.files,
            live: lanes.map(|(_, written)| written),
            ..Totals::default()
        };
        Standing { totals, places: places.into_values().collect(), waiting: self.backlog(), fresh, proven_until }
    }
}
