//! Which listings find what is new, at a cost that does not grow with history.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::azure::blob::BlobEntry;
use crate::capture::{FileName, Hub, ListingOrder, NameFormat, PartitionId, Scope};
use crate::ledger::FileVersion;
use crate::settings::Lookout;

/// One listing to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) prefix: String,
    /// Names before this one are of no interest.
    pub(super) start_from: Option<String>,
}

/// Where names mix partitions, a file may follow the newest one by this much time and still sort before it: one
/// partition's longest window, and the writing of its file.
const MIXED: Duration = Duration::from_secs(30 * 60);

/// Past this, one listing of everything costs less than one a partition. Event Hubs has at most 2,000.
const MOST_PARTITIONS: usize = 2048;

/// What one route's listings have shown so far. In memory only: a new one begins with a full listing.
#[derive(Debug)]
pub(super) struct Discovery {
    hub: Hub,
    format: NameFormat,
    lookout: Lookout,
    scope: Scope,
    newest: BTreeMap<PartitionId, OffsetDateTime>,
    /// The earliest window of each partition whose file had no bytes yet when it was last listed.
    unsettled: BTreeMap<PartitionId, OffsetDateTime>,
    /// The same of the listings under way.
    unsettled_now: BTreeMap<PartitionId, OffsetDateTime>,
    swept: Option<Instant>,
    reconciled: Option<Instant>,
    /// When it was told that there is no file at all.
    told_of_nothing: Option<Instant>,
}

/// How much a poll lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// What follows the newest files.
    Tail,
    /// That and the look-back.
    Sweep,
    /// Everything.
    Everything,
}

impl Discovery {
    pub(super) fn new(hub: Hub, format: NameFormat, lookout: Lookout, scope: Scope) -> Self {
        Discovery {
            hub,
            format,
            lookout,
            scope,
            newest: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            unsettled_now: BTreeMap::new(),
            swept: None,
            reconciled: None,
            told_of_nothing: None,
        }
    }

    /// How far the next poll must reach.
    pub(super) fn reach(&self, now: Instant) -> Reach {
        let due = |at: Option<Instant>, every| at.is_none_or(|at| now.duration_since(at) >= every);
        if due(self.reconciled, self.lookout.reconcile)
            || self.newest.is_empty()
            || self.newest.len() > MOST_PARTITIONS
            || self.format.listing_order() == ListingOrder::Unsorted
        {
            Reach::Everything
        } else if due(self.swept, self.lookout.sweep) {
            Reach::Sweep
        } else {
            Reach::Tail
        }
    }

    /// The listings of a poll of that reach, of the partitions known so far. A name ahead of the clock does not hide
    /// what comes before it.
    pub(super) fn listings(&self, reach: Reach, clock: OffsetDateTime) -> Vec<Listing> {
        let everything = Listing { prefix: self.format.prefix(&self.hub, None, None), start_from: None };
        match (reach, self.format.listing_order()) {
            (Reach::Everything, _) | (_, ListingOrder::Unsorted) => vec![everything],
            (_, ListingOrder::ByTime) => {
                // The newest of all partitions: one that has been silent for long gets no file of long ago.
                let back =
                    if reach == Reach::Tail { MIXED.min(self.lookout.look_back) } else { self.lookout.look_back };
                let newest = self.newest.values().max().map(|newest| clock.min(*newest) - back);
                let newest = newest.map(|newest| self.unsettled.values().fold(newest, |from, at| from.min(*at)));
                vec![Listing { start_from: Some(self.format.prefix(&self.hub, None, newest)), ..everything }]
            }
            (_, ListingOrder::ByPartition) => {
                let listing = |partition: PartitionId| Listing {
                    prefix: self.format.prefix(&self.hub, Some(partition), None),
                    start_from: self.newest.get(&partition).map(|newest| self.start(reach, partition, *newest, clock)),
                };
                self.partitions().map(listing).collect()
            }
        }
    }

    /// The partitions known so far whose files are ours to load.
    pub(super) fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        self.newest.keys().copied().filter(|partition| self.scope.takes_partition(&self.hub, *partition))
    }

    /// Whether nothing is known of the hub's partitions yet.
    pub(super) fn is_new(&self) -> bool {
        self.reconciled.is_none()
    }

    /// Listings of the windows since so long before `clock`, of the partitions known so far, wherever their files end.
    /// None where names do not sort by time.
    pub(super) fn recent(&self, clock: OffsetDateTime, back: Duration) -> Vec<Listing> {
        let since = |partition| Listing {
            prefix: self.format.prefix(&self.hub, partition, None),
            start_from: Some(self.format.prefix(&self.hub, partition, Some(clock - back))),
        };
        match self.format.listing_order() {
            ListingOrder::Unsorted => Vec::new(),
            ListingOrder::ByTime => vec![since(None)],
            ListingOrder::ByPartition => self.partitions().map(|partition| since(Some(partition))).collect(),
        }
    }

    /// The name from which a partition is listed: its windows follow each other, and so do its files unless one is late.
    fn start(&self, reach: Reach, partition: PartitionId, newest: OffsetDateTime, clock: OffsetDateTime) -> String {
        let newest = self.unsettled.get(&partition).map_or(newest, |unsettled| newest.min(*unsettled));
        if reach == Reach::Tail && newest <= clock {
            return self.format.format(&FileName { hub: self.hub.clone(), partition, window_start: newest });
        }
        self.format.prefix(&self.hub, Some(partition), Some(clock.min(newest) - self.lookout.look_back))
    }

    /// A listed blob, if it is a Capture file of this hub that is ours to load. A file without any bytes is given time
    /// to be filled: a data lake shows a file from its creation on.
    pub(super) fn take(&mut self, entry: BlobEntry, clock: OffsetDateTime) -> Option<FileVersion> {
        let BlobEntry { name: blob, etag, size, last_modified, .. } = entry;
        let Some(name) = self.see(&blob) else {
            tracing::debug!(blob, "not a Capture file of this hub that is ours to load: left alone");
            return None;
        };
        if size == 0 && clock - last_modified < self.lookout.settle {
            if self.unsettled.get(&name.partition).is_none_or(|known| *known > name.window_start) {
                tracing::info!(blob, "has no bytes yet: left until it is filled");
            }
            let earliest = self.unsettled_now.entry(name.partition).or_insert(name.window_start);
            *earliest = name.window_start.min(*earliest);
            return None;
        }
        Some(FileVersion { blob, etag, size, committed_at: Some(last_modified), name })
    }

    /// What a listed name says, if it is a Capture file of this hub that is ours to load; remembered for the next
    /// poll, whosesoever it is.
    fn see(&mut self, blob: &str) -> Option<FileName> {
        let name = self.format.parse(&self.hub, blob)?;
        let newest = self.newest.entry(name.partition).or_insert(name.window_start);
        *newest = name.window_start.max(*newest);
        self.scope.takes(&name).then_some(name)
    }

    /// Whether a name is that of a Capture file of this hub.
    pub(super) fn knows(&self, blob: &str) -> bool {
        self.format.parse(&self.hub, blob).is_some()
    }

    /// Whether no listing has shown a Capture file of this hub, be it ours to load or not.
    pub(super) fn found_nothing(&self) -> bool {
        self.newest.is_empty()
    }

    /// Whether it is time to tell of that, as it is at first and now and then.
    pub(super) fn tells_of_nothing(&mut self, now: Instant) -> bool {
        let due = self.told_of_nothing.is_none_or(|told| now.duration_since(told) >= self.lookout.reconcile);
        let tells = self.found_nothing() && due;
        if tells {
            self.told_of_nothing = Some(now);
        }
        tells
    }

    /// Where to look for the first file of a partition not known yet: at the start, then behind the partition of each
    /// file that was found. `None` where names do not sort by partition, so that a listing shows all partitions anyway.
    ///
    /// What stands between the files does not matter: an account with a hierarchical namespace lists its directories
    /// among them.
    pub(super) fn next_hop(&mut self, found: Option<&str>) -> Option<Listing> {
        if self.format.listing_order() != ListingOrder::ByPartition {
            return None;
        }
        let prefix = self.format.prefix(&self.hub, None, None);
        let start_from = found.map(|name| {
            self.see(name);
            // What follows a partition in these names is a year: `~` sorts behind it.
            let behind = |known: FileName| self.format.prefix(&self.hub, Some(known.partition), None) + "~";
            self.format.parse(&self.hub, name).map_or_else(|| format!("{name}~"), behind)
        });
        Some(Listing { prefix, start_from })
    }

    /// Makes the next poll list everything: something that was listed has changed since.
    pub(super) fn look_again(&mut self) {
        self.reconciled = None;
    }

    /// Notes that the listings of that reach, asked for at `asked`, were followed to their ends.
    pub(super) fn listed(&mut self, reach: Reach, asked: Instant) {
        self.unsettled = std::mem::take(&mut self.unsettled_now);
        if reach >= Reach::Sweep {
            self.swept = Some(asked);
        }
        if reach == Reach::Everything {
            self.reconciled = Some(asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: OffsetDateTime = time::macros::datetime!(2026-01-02 04:00 UTC);
    const LOOKOUT: Lookout = Lookout {
        look_back: Duration::from_secs(7200),
        sweep: Duration::from_secs(30),
        reconcile: Duration::from_secs(21600),
        settle: Duration::from_secs(60),
    };

    fn discovery(format: &str, shard: &str) -> Discovery {
        let scope = Scope { shard: shard.parse().unwrap(), ..Scope::default() };
        Discovery::new(Hub::new("ns", "hub").unwrap(), format.parse().unwrap(), LOOKOUT, scope)
    }

    fn shown(discovery: &Discovery, reach: Reach) -> Vec<(String, Option<String>)> {
        let listings = discovery.listings(reach, CLOCK).into_iter();
        listings.map(|listing| (listing.prefix, listing.start_from)).collect()
    }

    fn expected(listings: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
        listings.iter().map(|(prefix, from)| ((*prefix).to_owned(), from.map(str::to_owned))).collect()
    }

    #[test]
    fn a_poll_reaches_as_far_as_it_is_time_for() {
        let mut discovery = discovery(&NameFormat::default().to_string(), "0/1");
        let start = Instant::now();
        assert_eq!(discovery.reach(start), Reach::Everything);
        assert!(discovery.see("ns/hub/0/2026/01/02/03/04/05.avro").is_some());
        discovery.listed(Reach::Everything, start);
        assert_eq!(discovery.reach(start), Reach::Tail);
        assert_eq!(discovery.reach(start + LOOKOUT.sweep), Reach::Sweep);
        discovery.listed(Reach::Sweep, start + LOOKOUT.sweep);
        assert_eq!(discovery.reach(start + LOOKOUT.sweep), Reach::Tail);
        assert_eq!(discovery.reach(start + LOOKOUT.reconcile), Reach::Everything);
    }

    #[test]
    fn each_partition_is_listed_from_its_newest_file_on() {
        let mut discovery = discovery(&NameFormat::default().to_string(), "0/1");
        assert!(discovery.see("ns/hub/0/2026/01/02/03/04/05.avro").is_some());
        assert!(discovery.see("ns/hub/0/2026/01/02/01/04/05.avro").is_some());
        assert!(discovery.see("ns/hub/2/2026/01/01/00/30/00.avro").is_some());
        assert!(discovery.see("ns/hub/readme.txt").is_none());
        assert_eq!(shown(&discovery, Reach::Everything), expected(&[("ns/hub/", None)]));
        let (zero, two) = (Some("ns/hub/0/2026/01/02/03/04/05.avro"), Some("ns/hub/2/2026/01/01/00/30/00.avro"));
        let tail = [("ns/hub/0/", zero), ("ns/hub/2/", two)];
        assert_eq!(shown(&discovery, Reach::Tail), expected(&tail));
        let (zero, two) = (Some("ns/hub/0/2026/01/02/01/"), Some("ns/hub/2/2025/12/31/22/"));
        let sweep = [("ns/hub/0/", zero), ("ns/hub/2/", two)];
        assert_eq!(shown(&discovery, Reach::Sweep), expected(&sweep));
        // A name of the future does not hide what comes.
        assert!(discovery.see("ns/hub/2/2099/01/01/00/00/00.avro").is_some());
        assert_eq!(shown(&discovery, Reach::Tail)[1].1.as_deref(), Some("ns/hub/2/2026/01/02/02/"));
    }

    #[test]
    fn hops_find_every_partition_by_one_name_each() {
        let names = [
            "ns/hub/0",
            "ns/hub/0/2026",
            "ns/hub/0/2026/01/02/03/04/05.avro",
            "ns/hub/0/2026/01/02/03/04/06.avro",
            "ns/hub/10",
            "ns/hub/10/2026/01/02/03/04/05.avro",
            "ns/hub/7/2026/01/02/03/04/05.avro",
            "ns/hub/7/2026/01/02/03/04/06.avro",
            "ns/hub/readme.txt",
        ];
        let mut discovery = discovery(&NameFormat::default().to_string(), "0/2");
        let (mut found, mut hops) = (None, 0);
        while let Some(Listing { prefix, start_from }) = discovery.next_hop(found) {
            hops += 1;
            let after = |name: &&&str| start_from.as_deref().is_none_or(|from| **name >= from);
            found = names.iter().filter(|name| name.starts_with(&prefix) && discovery.knows(name)).find(after).copied();
            if found.is_none() {
                break;
            }
        }
        assert_eq!(hops, 4);
        assert_eq!(discovery.newest.keys().map(|partition| partition.0).collect::<Vec<_>>(), [0, 7, 10]);
        // Known now, all of them; listed, only those of the shard.
        let ours = [0, 7, 10].map(|partition| discovery.scope.takes_partition(&discovery.hub, PartitionId(partition)));
        assert_eq!(shown(&discovery, Reach::Tail).len(), ours.iter().filter(|ours| **ours).count());
        assert!(ours.contains(&true) && ours.contains(&false));
    }

    #[test]
    fn other_name_formats_are_listed_as_they_allow() {
        let mut by_time =
            discovery("{Namespace}/{EventHub}/{Year}-{Month}-{Day}/{Hour}/{PartitionId}/{Minute}{Second}", "0/1");
        assert!(by_time.see("ns/hub/2026-01-02/03/0/0405.avro").is_some());
        // A partition that was silent for years does not make polls longer.
        assert!(by_time.see("ns/hub/2020-01-02/03/1/0405.avro").is_some());
        assert_eq!(shown(&by_time, Reach::Tail), expected(&[("ns/hub/", Some("ns/hub/2026-01-02/02/"))]));
        assert_eq!(shown(&by_time, Reach::Sweep), expected(&[("ns/hub/", Some("ns/hub/2026-01-02/01/"))]));
        let mut unsorted =
            discovery("{Namespace}/{EventHub}/{Second}/{Minute}/{Hour}/{Day}/{Month}/{Year}/{PartitionId}", "0/1");
        assert!(unsorted.see("ns/hub/05/04/03/02/01/2026/0.avro").is_some());
        unsorted.listed(Reach::Everything, Instant::now());
        assert_eq!(unsorted.reach(Instant::now()), Reach::Everything);
    }

    #[test]
    fn a_file_without_bytes_is_looked_at_again_until_it_is_filled_or_old() {
        let mut discovery = discovery(&NameFormat::default().to_string(), "0/1");
        let entry = |second: u8, size: u64, age: i64| BlobEntry {
            name: format!("ns/hub/0/2026/01/02/03/04/{second:02}.avro"),
            etag: "e".to_owned(),
            size,
            last_modified: CLOCK - time::Duration::seconds(age),
            archived: false,
        };
        let from = |discovery: &Discovery| discovery.listings(Reach::Tail, CLOCK).remove(0).start_from.unwrap();
        assert!(discovery.take(entry(5, 0, 3), CLOCK).is_none());
        assert!(discovery.take(entry(6, 10, 3), CLOCK).is_some());
        discovery.listed(Reach::Everything, Instant::now());
        assert_eq!(from(&discovery), "ns/hub/0/2026/01/02/03/04/05.avro");
        // Filled.
        assert_eq!(discovery.take(entry(5, 10, 1), CLOCK).unwrap().size, 10);
        discovery.listed(Reach::Tail, Instant::now());
        assert_eq!(from(&discovery), "ns/hub/0/2026/01/02/03/04/06.avro");
        // Never filled.
        assert!(discovery.take(entry(7, 0, 59), CLOCK).is_none());
        assert!(discovery.take(entry(7, 0, 60), CLOCK).is_some());
    }

    #[test]
    fn nothing_found_is_told_at_first_and_now_and_then() {
        let mut discovery = discovery(&NameFormat::default().to_string(), "0/1");
        let now = Instant::now();
        assert!(discovery.tells_of_nothing(now));
        assert!(!discovery.tells_of_nothing(now + LOOKOUT.sweep));
        assert!(discovery.tells_of_nothing(now + LOOKOUT.reconcile));
        discovery.see("ns/hub/0/2026/01/02/03/04/05.avro");
        assert!(!discovery.found_nothing() && !discovery.tells_of_nothing(now + 9 * LOOKOUT.reconcile));
    }
}
