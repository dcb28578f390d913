//! What it keeps, and what it forgets: an acknowledged row is there for good, and to be seen, from the next checkpoint on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What identifies a record: hub, partition, sequence number, enqueued second.
type Key = (String, i32, i64, String);

/// How long it waits for someone to say FLUSH.
const CHECKPOINT: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Of records, by key.
    pub(super) records: BTreeSet<Key>,
    pub(super) rejected: BTreeSet<Key>,
    /// Etags of noted files, by name.
    pub(super) files: BTreeMap<String, String>,
    /// Of noted files with records: partition, window and last number.
    pub(super) spans: BTreeMap<String, (String, String, String)>,
}

pub(super) struct Data {
    kept: Tables,
    /// Acknowledged, and neither durable nor to be seen.
    fresh: Tables,
    checkpointed: Instant,
    /// Acknowledged rows that were forgotten.
    forgotten: usize,
}

impl Data {
    pub(super) fn new() -> Data {
        Data { kept: Tables::default(), fresh: Tables::default(), checkpointed: Instant::now(), forgotten: 0 }
    }

    pub(super) fn checkpoint(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        self.kept.records.extend(fresh.records);
        self.kept.rejected.extend(fresh.rejected);
        self.kept.files.extend(fresh.files);
        self.kept.spans.extend(fresh.spans);
        self.checkpointed = Instant::now();
    }

    /// What can be seen now.
    pub(super) fn seen(&mut self) -> &Tables {
        if self.checkpointed.elapsed() > CHECKPOINT {
            self.checkpoint();
        }
        &self.kept
    }

    pub(super) fn forget(&mut self) {
        let Tables { records, rejected, files, .. } = std::mem::take(&mut self.fresh);
        self.forgotten += records.len() + rejected.len() + files.len();
        self.checkpointed = Instant::now();
    }

    pub(super) fn forgotten(&self) -> usize {
        self.forgotten
    }

    /// Takes an INSERT's rows, and says how many; `None` for a table or columns that it does not know.
    pub(super) fn insert(&mut self, sql: &str, parameters: &[String]) -> Option<usize> {
        let names: Vec<_> = sql.split(['(', ')']).nth(1)?.split(", ").map(|name| name.trim_matches('"')).collect();
        let unnested: Vec<_> = sql.split_once(") SELECT ")?.1.split(", ").collect();
        let plain = unnested.len() == names.len()
            && (1..).zip(&unnested).all(|(number, item)| {
                item.strip_prefix(&format!("unnest(${number}::varchar::")).is_some_and(|kind| kind.ends_with("[])"))
            });
        let column = |wanted: &str| -> Option<Vec<String>> {
            let index = names.iter().position(|name| *name == wanted)?;
            let items = parameters[index].trim_start_matches('{').trim_end_matches('}');
            Some(items.split(',').map(|item| item.trim_matches('"').to_owned()).collect())
        };
        if !plain {
            return None;
        }
        let table = sql.strip_prefix("INSERT INTO ")?.trim_start_matches("\"public\".");
        let table = table.strip_prefix('"')?.split_once('"')?.0;
        if table == "capture_files" {
            let blobs = column("blob")?;
            let count = blobs.len();
            let [partitions, windows, lasts] = ["partition_id", "window_start", "last_sequence_number"].map(column);
            let spans = partitions?.into_iter().zip(windows?).zip(lasts?);
            for (blob, ((partition, window), last)) in blobs.iter().zip(spans) {
                if last != "NULL" {
                    self.fresh.spans.insert(blob.clone(), (partition, window, last));
                }
            }
            self.fresh.files.extend(blobs.into_iter().zip(column("etag")?));
            return Some(count);
        }
        let [hubs, partitions, numbers, times] =
            ["event_hub", "partition_id", "sequence_number", "enqueued_at"].map(column);
        let keys = hubs?.into_iter().zip(partitions?).zip(numbers?.into_iter().zip(times?));
        let keys: Vec<Key> = keys
            .map(|((hub, partition), (number, time))| (hub, partition.parse().unwrap(), number.parse().unwrap(), time))
            .collect();
        let count = keys.len();
        match table {
            "user_event_log" => self.fresh.records.extend(keys),
            "rejected_events" => self.fresh.rejected.extend(keys),
            _ => return None,
        }
        Some(count)
    }

    /// Of each partition the noted file with the newest window that has records: partition, name, etag, last number.
    pub(super) fn newest_files(&mut self) -> Vec<Vec<String>> {
        let tables = self.seen();
        let mut newest: BTreeMap<&str, (&str, &str, &str)> = BTreeMap::new();
        for (blob, (partition, window, last)) in &tables.spans {
            if newest.get(partition.as_str()).is_none_or(|(known, ..)| *known < window.as_str()) {
                newest.insert(partition, (window, blob, last));
            }
        }
        let row = |(partition, (_, blob, last)): (&str, (&str, &str, &str))| {
            [partition, blob, &tables.files[blob], last].map(str::to_owned).to_vec()
        };
        newest.into_iter().map(row).collect()
    }

    /// The records that a range of the primary key holds, as `FROM` and what follows say it.
    pub(super) fn range(&mut self, from: &str) -> Option<Vec<Key>> {
        let after = |word: &str| Some(from.split_once(word)?.1.split([' ', ':']).next()?.trim_matches('\''));
        let time = |word: &str| Some(from.split_once(word)?.1.split_once('\'')?.1.split_once('\'')?.0.to_owned());
        let (hub, partition) = (after("event_hub = ")?.to_owned(), after("partition_id = ")?.parse().ok()?);
        let (first, last) = (after("sequence_number >= ")?.parse().ok()?, after("sequence_number <= ")?.parse().ok()?);
        let (since, until) = (time("enqueued_at >= ")?, time("enqueued_at <= ")?);
        let tables = self.seen();
        let rows = match from.split_once(' ')?.0 {
            "\"public\".\"user_event_log\"" => &tables.records,
            "rejected_events" => &tables.rejected,
            _ => return None,
        };
        let range = rows.range((hub.clone(), partition, first, String::new())..=(hub, partition, last, "~".to_owned()));
        Some(range.filter(|(.., at)| since <= *at && *at <= until).cloned().collect())
    }
}
