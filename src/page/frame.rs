//! What is sent to every viewer, as JSON.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::about::About;
use super::rate::Flow;
use super::rota::Seen;
use super::rows::cut;
use super::subject::{Place, Standing};
use super::words::{Beside, Words};
use crate::store::{LedgerFile, LedgerPlace};

/// One second's worth. Parts that did not change are not sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) now: Arc<str>,
    pub(super) lag: Arc<str>,
    pub(super) files: Arc<str>,
    pub(super) rejected: Arc<str>,
}

/// Partitions in a frame at most.
const PLACES: usize = 256;

/// What is said each second.
pub(super) struct Moment<'a> {
    pub(super) about: &'a About,
    pub(super) ready: (bool, Value),
    pub(super) standing: &'a Standing,
    pub(super) flow: Flow,
    pub(super) seen: &'a Seen,
    pub(super) engine: Option<String>,
    pub(super) up_seconds: u64,
    pub(super) now: OffsetDateTime,
}

impl Moment<'_> {
    pub(super) fn json(&self) -> Value {
        let Standing { totals, places, waiting: backlog, fresh, proven_until } = self.standing;
        let ledger = self.seen.places.as_deref().map(Vec::as_slice);
        let sum = |count: fn(&LedgerPlace) -> u64| ledger.map(|places| places.iter().map(count).sum::<u64>());
        let waiting = sum(|place| place.waiting);
        let files = self.seen.files.as_deref().into_iter().flatten();
        let example = files
            .clone()
            .find(|file| file.status == "waiting")
            .map(|file| (file.blob.as_str(), why(file).unwrap_or_default()));
        let beside = Beside {
            waiting: (waiting.unwrap_or(0), example),
            quarantined: sum(|place| place.quarantined).unwrap_or(0),
            backlog: *backlog,
            unseen: self.seen.unanswered.as_deref(),
        };
        let words = Words::of(self.ready.0, &self.ready.1, beside);
        let behind: Option<Vec<u64>> = places.iter().map(Place::behind_events).collect();
        let behind_seconds = places.iter().filter_map(|place| place.behind_seconds(self.now)).reduce(f64::max);
        let live = places.iter().filter_map(|place| place.live).map(|(_, seconds)| seconds).reduce(f64::max);
        let ends: Option<Vec<i64>> = places.iter().map(|place| place.end).collect();
        json!({
            "at": self.now.unix_timestamp(),
            "program": self.about.program,
            "version": self.about.version,
            "build": self.about.build,
            "shard": self.about.shard,
            "up_seconds": self.up_seconds,
            "words": words.json(),
            "routes": self.about.routes.iter().map(|(hub, table)| json!({ "hub": hub, "table": table })).collect::<Vec<_>>(),
            "store": { "engine": self.engine, "place": self.about.store },
            "blob": self.about.blob,
            "memory": self.about.memory,
            "totals": {
                "sent": totals.sent, "captured": totals.captured, "captured_files": totals.captured_files,
                "loaded": totals.loaded, "rejected": totals.rejected, "files": totals.files, "live": totals.live,
            },
            "flow": {
                "arriving": rounded(self.flow.arriving), "captured": rounded(self.flow.captured),
                "loaded": rounded(self.flow.loaded), "live": rounded(self.flow.live),
            },
            "ledger": ledger.map(|places| json!({
                "files": sum(|place| place.files), "loaded": sum(|place| place.loaded),
                "rejected": sum(|place| place.rejected), "quarantined": sum(|place| place.quarantined),
                "waiting": waiting, "newest_window": places.iter().filter_map(|place| place.newest_window.as_deref()).max(),
                "loaded_at": places.iter().filter_map(|place| place.loaded_at.as_deref()).max(),
            })),
            "ends": ends.filter(|ends| !ends.is_empty()).map(|ends| ends.iter().sum::<i64>()),
            "behind": { "events": behind.filter(|all| !all.is_empty()).map(|all| all.iter().sum::<u64>()),
                        "seconds": rounded(behind_seconds), "live_seconds": rounded(live) },
            "fresh": fresh.map(|fresh| json!({
                "p50": rounded(Some(fresh.p50)), "p99": rounded(Some(fresh.p99)), "files": fresh.files,
            })),
            "proven_until": proven_until.map(|until| until.unix_timestamp()),
            "backlog": { "files": backlog.0, "seconds": rounded(backlog.1) },
            "places": places.iter().take(PLACES).map(|place| self.place(place)).collect::<Vec<_>>(),
        })
    }

    fn place(&self, place: &Place) -> Value {
        json!({
            "route": place.route, "hub": place.hub, "partition": place.partition,
            "events": place.behind_events(), "unproven": place.lag.map(|(events, _)| events),
            "seconds": rounded(place.behind_seconds(self.now)),
            "live": place.live.map(|(state, _)| state), "live_seconds": rounded(place.live.map(|(_, seconds)| seconds)),
        })
    }
}

/// Why a file is not loaded, without its name and container, which stand beside it.
fn why(file: &LedgerFile) -> Option<&str> {
    let reason = file.reason.as_deref()?;
    let shorter = reason.strip_prefix(&format!("blob {} of ", file.blob)).and_then(|rest| rest.split_once(' '));
    Some(shorter.map_or(reason, |(_, rest)| rest))
}

fn rounded(number: Option<f64>) -> Option<f64> {
    number.map(|number| (number * 10.0).round() / 10.0)
}

/// The newest files, those first that someone has to look at.
pub(super) fn files(seen: &Seen) -> Value {
    let files = seen.files.as_deref().into_iter().flatten().map(|file| {
        json!({
            "target": file.target, "blob": file.blob, "status": file.status, "records": file.records,
            "rejected": file.rejected, "reason": why(file).map(|reason| cut(reason, 1000)),
            "at": file.loaded_at,
        })
    });
    json!({ "asked": seen.files.is_some(), "files": files.collect::<Vec<_>>() })
}

/// The newest rejected records.
pub(super) fn rejected(seen: &Seen) -> Value {
    let records = seen.rejected.as_deref().into_iter().flatten().map(|record| {
        json!({
            "target": record.target, "hub": record.hub, "partition": record.partition, "number": record.number,
            "enqueued_at": record.enqueued_at, "blob": record.blob, "reason": cut(&record.reason, 1000),
            "body": record.body, "length": record.length, "at": record.rejected_at,
        })
    });
    json!({ "asked": seen.rejected.is_some(), "records": records.collect::<Vec<_>>() })
}
