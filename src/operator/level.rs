//! How far everything is loaded, and how fresh it was: what `status` says beside its table.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::ahead::span;
use crate::capture::{EnqueuedTime, PartitionId};
use crate::ledger::PartitionEnds;
use crate::loader::{FRESH_FOR, percentiles};
use crate::store::{Session, StoreError, Summary};

/// What the broker said, by hub and partition.
pub(super) type Ends = BTreeMap<(String, PartitionId), PartitionEnds>;

/// How far a partition is, and why no further.
type Level = (Option<OffsetDateTime>, bool);

const OLD: &str = "the ledger is of an earlier version and does not tell how far everything is loaded, nor how fresh it \
                   was: run `deltawave init` once\n";

/// A line for each table and hub, and one of how fresh its files were.
///
/// # Errors
/// When the store cannot be asked.
pub(super) async fn lines(session: &Session, summaries: &[Summary], ends: &Ends) -> Result<String, StoreError> {
    let now = OffsetDateTime::now_utc();
    let (Some(reached), Some(took)) = (session.reached().await?, session.freshness(FRESH_FOR).await?) else {
        return Ok(if summaries.is_empty() { String::new() } else { OLD.to_owned() });
    };
    let mut text = String::new();
    for (target, hub) in summaries.iter().map(|summary| (&summary.target, &summary.hub)).collect::<BTreeSet<_>>() {
        let lasts = summaries.iter().filter(|summary| summary.target == *target && summary.hub == *hub);
        let mut levels: BTreeMap<PartitionId, Level> = lasts
            .map(|summary| {
                let held = reached.iter().find(|reached| {
                    reached.target == *target && reached.hub == *hub && reached.partition == summary.partition
                });
                let (until, is_held) = held.map_or((None, false), |held| (held.complete_until, held.is_held));
                let lag = ends.get(&(hub.clone(), summary.partition)).map(|ends| ends.lag(summary.last));
                // The broker has nothing that is not there.
                let until = if lag == Some(0) && !is_held { Some(now) } else { until };
                (summary.partition, (until, is_held))
            })
            .collect();
        for ((_, partition), ends) in ends.iter().filter(|((of, _), _)| of == hub) {
            levels.entry(*partition).or_insert((ends.last.is_none().then_some(now), false));
        }
        text.push_str(&format!("{target}: {}\n", complete(&levels, now)));
        let seconds = took.iter().filter(|(of, from, _)| of == target && from == hub).map(|(.., seconds)| *seconds);
        let seconds: Vec<_> = seconds.collect();
        let files = seconds.len();
        if let Some([p50, p99]) = percentiles(seconds) {
            text.push_str(&format!(
                "{target}: rows could be read {} after their file was committed (p50; p99 {}), of {files} files of the \
                 last {} min\n",
                span(p50),
                span(p99),
                FRESH_FOR.as_secs() / 60
            ));
        }
    }
    Ok(text)
}

fn complete(levels: &BTreeMap<PartitionId, Level>, now: OffsetDateTime) -> String {
    let Some((partition, (until, is_held))) = levels.iter().min_by_key(|(_, (until, _))| *until) else {
        return "nothing is loaded".to_owned();
    };
    let held = if *is_held { ", where a file waits or numbers lack (`deltawave verify`)" } else { "" };
    match until {
        None => format!("it is not known how far everything is loaded, for partition {partition}{held}"),
        Some(until) => {
            let ago = span((now - *until).as_seconds_f64().max(0.0));
            let last =
                if levels.len() > 1 { format!("; the last is partition {partition}{held}") } else { held.to_owned() };
            let sql = EnqueuedTime::from_utc(*until).sql();
            format!("everything is loaded that came before {sql} UTC, {ago} ago{last}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_partition_tells_how_far_all_are() {
        let now = time::macros::datetime!(2026-01-02 03:04:05 UTC);
        let at = |seconds: i64| Some(now - time::Duration::seconds(seconds));
        let mut levels = BTreeMap::from([(PartitionId(0), (at(10), false))]);
        assert_eq!(complete(&levels, now), "everything is loaded that came before 2026-01-02 03:03:55 UTC, 10 s ago");
        levels.insert(PartitionId(1), (at(30), true));
        assert_eq!(
            complete(&levels, now),
            "everything is loaded that came before 2026-01-02 03:03:35 UTC, 30 s ago; the last is partition 1, where a \
             file waits or numbers lack (`deltawave verify`)"
        );
        levels.insert(PartitionId(2), (None, false));
        assert_eq!(complete(&levels, now), "it is not known how far everything is loaded, for partition 2");
    }
}
