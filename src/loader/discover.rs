//! Which listings find what is new, at a cost that does not grow with history.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::capture::{FileName, Hub, ListingOrder, NameFormat, PartitionId, Scope};

/// One listing to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) prefix: String,
    /// Names before this one are of no interest.
    pub(super) start_from: Option<String>,
}

/// How far back and how often to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lookout {
    /// How much older than a partition's newest file a late one may be and still be found by the next poll.
    pub(super) look_back: Duration,
    /// How often everything is listed, which finds a late file whatever its name.
    pub(super) reconcile: Duration,
}

/// Past this, one listing of everything costs less than one a partition. Event Hubs has at most 2,000.
const MOST_PARTITIONS: i32 = 2048;

/// What one route's listings have shown so far. In memory only: a new one begins with a full listing.
#[derive(Debug)]
pub(super) struct Discovery {
    hub: Hub,
    format: NameFormat,
    lookout: Lookout,
    scope: Scope,
    newest: BTreeMap<PartitionId, OffsetDateTime>,
    reconciled: Option<Instant>,
}

impl Discovery {
    pub(super) fn new(hub: Hub, format: NameFormat, lookout: Lookout, scope: Scope) -> Self {
        Discovery { hub, format, lookout, scope, newest: BTreeMap::new(), reconciled: None }
    }

    /// The listings of the next poll: everything when it is time for that or names do not sort by time, else each
    /// partition from its newest file on, less the look-back, and those that have no file yet up to the one that would
    /// come next. A name ahead of the clock does not hide what comes before it.
    pub(super) fn listings(&self, now: Instant, clock: OffsetDateTime) -> Vec<Listing> {
        let due = self.reconciled.is_none_or(|at| now.duration_since(at) >= self.lookout.reconcile);
        let everything = Listing { prefix: self.format.prefix(&self.hub, None, None), start_from: None };
        match self.format.listing_order() {
            _ if due || self.newest.is_empty() => vec![everything],
            ListingOrder::Unsorted => vec![everything],
            ListingOrder::ByTime => {
                let newest = self.newest.values().min().map(|newest| clock.min(*newest) - self.lookout.look_back);
                vec![Listing { start_from: Some(self.format.prefix(&self.hub, None, newest)), ..everything }]
            }
            ListingOrder::ByPartition => {
                let listing = |partition: PartitionId| {
                    let newest = self.newest.get(&partition).map(|newest| clock.min(*newest) - self.lookout.look_back);
                    let prefix = self.format.prefix(&self.hub, Some(partition), None);
                    let start = |newest| self.format.prefix(&self.hub, Some(partition), Some(newest));
                    Listing { prefix, start_from: newest.map(start) }
                };
                let next = self.newest.keys().last().map_or(0, |last| last.0.saturating_add(1));
                if next > MOST_PARTITIONS {
                    return vec![everything];
                }
                // A shard looks far enough ahead to see a partition of its own.
                let ahead = i32::try_from(self.scope.shard.count()).unwrap_or(i32::MAX);
                (0..next.saturating_add(ahead).min(MOST_PARTITIONS))
                    .map(PartitionId)
                    .filter(|partition| self.scope.takes_partition(&self.hub, *partition))
                    .map(listing)
                    .collect()
            }
        }
    }

    /// What a listed name says, if it is a Capture file of this hub that is ours to load; remembered for the next
    /// poll, whosesoever it is.
    pub(super) fn see(&mut self, blob: &str) -> Option<FileName> {
        let name = self.format.parse(&self.hub, blob)?;
        let newest = self.newest.entry(name.partition).or_insert(name.window_start);
        *newest = name.window_start.max(*newest);
        self.scope.takes(&name).then_some(name)
    }

    /// Notes that all of [`Self::listings`], asked for at `asked`, were followed to their ends.
    pub(super) fn listed(&mut self, listings: &[Listing], asked: Instant) {
        if listings
            .iter()
            .any(|listing| listing.start_from.is_none() && listing.prefix == self.format.prefix(&self.hub, None, None))
        {
            self.reconciled = Some(asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: OffsetDateTime = time::macros::datetime!(2026-01-02 04:00 UTC);
    const LOOKOUT: Lookout = Lookout { look_back: Duration::from_secs(7200), reconcile: Duration::from_secs(21600) };

    fn discovery(format: &str) -> Discovery {
        Discovery::new(Hub::new("ns", "hub").unwrap(), format.parse().unwrap(), LOOKOUT, Scope::default())
    }

    fn shown(listings: &[Listing]) -> Vec<(&str, Option<&str>)> {
        listings.iter().map(|listing| (listing.prefix.as_str(), listing.start_from.as_deref())).collect()
    }

    #[test]
    fn a_poll_lists_each_partition_from_its_newest_file_on() {
        let mut discovery = discovery(&NameFormat::default().to_string());
        let start = Instant::now();
        let first = discovery.listings(start, CLOCK);
        assert_eq!(shown(&first), [("ns/hub/", None)]);
        assert!(discovery.see("ns/hub/0/2026/01/02/03/04/05.avro").is_some());
        assert!(discovery.see("ns/hub/0/2026/01/02/01/04/05.avro").is_some());
        assert!(discovery.see("ns/hub/1/2026/01/01/00/30/00.avro").is_some());
        assert!(discovery.see("ns/hub/readme.txt").is_none());
        discovery.listed(&first, start);
        assert_eq!(
            shown(&discovery.listings(start, CLOCK)),
            [
                ("ns/hub/0/", Some("ns/hub/0/2026/01/02/01/")),
                ("ns/hub/1/", Some("ns/hub/1/2025/12/31/22/")),
                ("ns/hub/2/", None),
            ]
        );
        assert!(discovery.see("ns/hub/3/2099/01/01/00/00/00.avro").is_some());
        assert_eq!(
            shown(&discovery.listings(start, CLOCK))[2..],
            [("ns/hub/2/", None), ("ns/hub/3/", Some("ns/hub/3/2026/01/02/02/")), ("ns/hub/4/", None)],
            "neither a partition without files nor a name of the future hides what comes"
        );
        let later = start + LOOKOUT.reconcile;
        assert_eq!(shown(&discovery.listings(later, CLOCK)), [("ns/hub/", None)]);
    }

    #[test]
    fn other_name_formats_are_listed_as_they_allow() {
        let mut by_time =
            discovery("{Namespace}/{EventHub}/{Year}-{Month}-{Day}/{Hour}/{PartitionId}/{Minute}{Second}");
        let mut unsorted =
            discovery("{Namespace}/{EventHub}/{Second}/{Minute}/{Hour}/{Day}/{Month}/{Year}/{PartitionId}");
        for (discovery, blob) in
            [(&mut by_time, "ns/hub/2026-01-02/03/0/0405.avro"), (&mut unsorted, "ns/hub/05/04/03/02/01/2026/0.avro")]
        {
            assert!(discovery.see(blob).is_some());
            let now = Instant::now();
            discovery.listed(&discovery.listings(now, CLOCK), now);
        }
        assert_eq!(shown(&by_time.listings(Instant::now(), CLOCK)), [("ns/hub/", Some("ns/hub/2026-01-02/01/"))]);
        assert_eq!(shown(&unsorted.listings(Instant::now(), CLOCK)), [("ns/hub/", None)]);
    }
}
