//! What the page shows of a loader.

use std::collections::BTreeMap;

use super::progress::Progress;
use crate::page::{Place, Standing, Subject, Totals};

impl Subject for Progress {
    fn standing(&self) -> Standing {
        let counts = self.counts();
        let mut places: BTreeMap<(String, i32), Place> = BTreeMap::new();
        for (hub, route, partition, window, last) in self.health.files() {
            let place = Place { newest_window: Some(window), last, ..Place::new(&route, &hub, partition) };
            places.insert((route.to_string(), partition), place);
        }
        let lanes = self.lanes.places();
        for lane in lanes.iter().flat_map(|(lanes, _)| lanes) {
            let key = (lane.route.to_string(), lane.partition.0);
            let place = places.entry(key).or_insert_with(|| Place::new(&lane.route, &lane.hub, lane.partition.0));
            place.end = lane.end.map(|end| end.0);
            place.live_next = lane.next.map(|next| next.0);
            place.live = Some((lane.phase, lane.behind_seconds));
        }
        let totals = Totals {
            loaded: counts.loaded,
            rejected: counts.rejected,
            files: counts.files,
            live: lanes.map(|(_, written)| written),
            ..Totals::default()
        };
        Standing { totals, places: places.into_values().collect(), waiting: self.backlog() }
    }
}
