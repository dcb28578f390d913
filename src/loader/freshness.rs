//! How long files take from being committed until their rows can be read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{describe_histogram, histogram};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::ledger::Entry;

/// Files that were committed so long ago are history: how long those took says nothing of how fresh rows are.
pub const FRESH_FOR: Duration = Duration::from_secs(60 * 60);

/// Files of a stream that are kept at most: of more, the newest.
const KEPT: usize = 4096;

/// When each file was committed, and the seconds it took.
type ByRoute = BTreeMap<Arc<str>, VecDeque<(OffsetDateTime, f64)>>;

/// Of all streams of a loader.
#[derive(Debug)]
pub(super) struct Freshnesses {
    began: OffsetDateTime,
    files: Mutex<ByRoute>,
}

/// How long the files of a stream took that were committed within [`FRESH_FOR`].
#[derive(Debug, Clone, PartialEq)]
pub struct FreshnessSummary {
    /// The route.
    pub route: String,
    /// How many files there were.
    pub files: usize,
    /// Half of them took at most so many seconds.
    pub p50: f64,
    /// All but a hundredth of them took at most so many.
    pub p99: f64,
}

impl Freshnesses {
    /// Of a loader that begins now.
    pub(super) fn new() -> Self {
        Freshnesses { began: OffsetDateTime::now_utc(), files: Mutex::default() }
    }

    /// Files were noted as done. One of which no row came is of no interest.
    pub(super) fn loaded(&self, route: &Arc<str>, hub: &str, entries: &[Entry]) {
        let took = |entry: &Entry| {
            let at = entry.file.committed_at.filter(|_| entry.loaded > 0)?;
            // The clock of the container may be ahead.
            (at > self.began - FRESH_FOR).then(|| (at, (entry.loaded_at - at).as_seconds_f64().max(0.0)))
        };
        let mut files = self.lock();
        let kept = files.entry(Arc::clone(route)).or_default();
        for (at, seconds) in entries.iter().filter_map(took) {
            let labels = [("hub", hub.to_owned()), ("route", route.to_string())];
            histogram!("deltawave_loader_freshness_seconds", &labels).record(seconds);
            kept.push_back((at, seconds));
        }
        while kept.len() > KEPT {
            kept.pop_front();
        }
    }

    /// Of the streams that have any such file.
    pub(super) fn all(&self) -> Vec<FreshnessSummary> {
        let since = OffsetDateTime::now_utc() - FRESH_FOR;
        let mut files = self.lock();
        let summary = |(route, files): (&Arc<str>, &mut VecDeque<(OffsetDateTime, f64)>)| {
            files.retain(|(at, _)| *at > since);
            let seconds = files.iter().map(|(_, seconds)| *seconds).collect();
            let (files, [p50, p99]) = (files.len(), percentiles(seconds)?);
            Some(FreshnessSummary { route: route.to_string(), files, p50, p99 })
        };
        files.iter_mut().filter_map(summary).collect()
    }

    /// Of one stream, for `/readyz`.
    pub(super) fn json(&self, route: &str) -> Option<Value> {
        let FreshnessSummary { files, p50, p99, .. } = self.all().into_iter().find(|summary| summary.route == route)?;
        let rounded = |seconds: f64| (seconds * 1000.0).round() / 1000.0;
        let minutes = FRESH_FOR.as_secs() / 60;
        Some(json!({"minutes": minutes, "files": files, "p50_seconds": rounded(p50), "p99_seconds": rounded(p99)}))
    }

    fn lock(&self) -> MutexGuard<'_, ByRoute> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The least of the values that half and all but a hundredth of them do not exceed; nothing of none.
pub fn percentiles(mut values: Vec<f64>) -> Option<[f64; 2]> {
    values.sort_by(f64::total_cmp);
    let at = |hundredths: usize| values.get((values.len() * hundredths).div_ceil(100).checked_sub(1)?).copied();
    Some([at(50)?, at(99)?])
}

/// Says what the metric means, in `/metrics` itself.
pub(super) fn describe() {
    describe_histogram!(
        "deltawave_loader_freshness_seconds",
        "Time from when a file was committed until its rows had been counted back"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_values_themselves() {
        assert_eq!(percentiles(Vec::new()), None);
        assert_eq!(percentiles(vec![7.0]), Some([7.0, 7.0]));
        assert_eq!(percentiles(vec![3.0, 1.0, 2.0]), Some([2.0, 3.0]));
        assert_eq!(percentiles((1..=200).map(f64::from).collect()), Some([100.0, 198.0]));
    }
}
