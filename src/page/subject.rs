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
        }
    }

    /// Records at the broker that are not in the table, whichever way they come; none where the broker is not asked.
    pub fn behind_events(&self) -> Option<u64> {
        let there = self.live_next.max(self.last.map(|last| last + 1))?;
        self.end.map(|end| u64::try_from(end - there).unwrap_or(0))
    }

    /// Records at the broker that no loaded file has given.
    pub fn unproven_events(&self) -> Option<u64> {
        self.end.zip(self.last).map(|(end, last)| u64::try_from(end - last - 1).unwrap_or(0))
    }

    /// By how many seconds the table is behind: what the live lane says, or the age of the newest window.
    pub fn behind_seconds(&self, now: OffsetDateTime) -> Option<f64> {
        let of_files = self.newest_window.map(|window| (now - window).as_seconds_f64().max(0.0));
        self.live.map(|(_, seconds)| seconds).or(of_files)
    }
}
