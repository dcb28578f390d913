//! What a page is shown of the program that serves it.

use time::OffsetDateTime;

use crate::service::http::Status;

/// A program that can be looked at. Looking costs next to nothing.
pub trait Subject: Status {
    /// Where it stands now.
    fn standing(&self) -> Standing;
}

/// Where a loader stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// What was done since the start.
    pub totals: Totals,
    /// Where each partition stands.
    pub places: Vec<Place>,
    /// How many files wait to be loaded, and for how many seconds, if that is known.
    pub waiting: (usize, Option<f64>),
    /// How long the files of late took until their rows could be read.
    pub fresh: Option<Fresh>,
    /// The time up to which every partition of every route is known to be loaded.
    pub proven_until: Option<OffsetDateTime>,
}

/// How long the files of the slowest route took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fresh {
    /// Half of them took at most so many seconds.
    pub p50: f64,
    /// All but a hundredth of them took at most so many.
    pub p99: f64,
    /// How many there were.
    pub files: usize,
}

/// What was done since the start. What nobody here can know is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records that the broker acknowledged.
    pub sent: Option<u64>,
    /// Records in Capture files.
    pub captured: Option<u64>,
    /// Capture files that were written.
    pub captured_files: Option<u64>,
    /// Records of files that are in their table.
    pub loaded: u64,
    /// Records of files in `rejected_events`.
    pub rejected: u64,
    /// Files noted as done.
    pub files: u64,
    /// Records that the live lane made rows of, where there is one.
    pub live: Option<u64>,
}

/// Where one partition of a route stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The route, as `--route` has it.
    pub route: String,
    /// The event hub.
    pub hub: String,
    /// The partition.
    pub partition: i32,
    /// The next sequence number there will be, if the broker is asked.
    pub end: Option<i64>,
    /// The next number that the live lane writes.
    pub live_next: Option<i64>,
    /// The live lane's state, and by how many seconds it is behind.
    pub live: Option<(&'static str, f64)>,
    /// The last number of the files that were loaded.
    pub last: Option<i64>,
    /// The newest window of which a file was loaded.
    pub newest_window: Option<OffsetDateTime>,
    /// Records at the broker that follow what files gave, and for how many seconds the oldest has been there, where the
    /// loader asks the broker.
    pub lag: Option<(u64, f64)>,
}

impl Place {
    /// One of which nothing is known yet.
    pub fn new(route: &str, hub: &str, partition: i32) -> Self {
        Place {
            route: route.to_owned(),
            hub: hub.to_owned(),
            partition,
            end: None,
            live_next: None,
            live: None,
            last: None,
            newest_window: None,
            lag: None,
        }
    }

    /// Records at the broker that are not in the table, whichever way they come; none where the broker is not asked.
    pub fn behind_events(&self) -> Option<u64> {
        let there = self.live_next.max(self.last.map(|last| last + 1));
        let of_lane = self.end.zip(there).map(|(end, there)| u64::try_from(end - there).unwrap_or(0));
        of_lane.or(self.lag.map(|(events, _)| events))
    }

    /// By how many seconds the table is behind: what the live lane says, or the broker, or else the age of the newest
    /// window.
    pub fn behind_seconds(&self, now: OffsetDateTime) -> Option<f64> {
        let of_files = self.newest_window.map(|window| (now - window).as_seconds_f64().max(0.0));
        self.live.map(|(_, seconds)| seconds).or(self.lag.map(|(_, seconds)| seconds)).or(of_files)
    }
}
