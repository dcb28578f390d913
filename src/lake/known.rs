//! What is loaded into a table, in memory: about 80 bytes a file, whatever its records.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::ledger::Known;

/// Which files are loaded, and which numbers they brought.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// By the file's name, its etag and the commit that brought it; both by their hashes.
    files: HashMap<u128, (u64, i64)>,
    /// Numbers that a partition's files have brought, or rejected.
    numbers: HashMap<(String, i32), Numbers>,
}

#[derive(Debug, Default)]
struct Numbers {
    /// The last commit that concerned it.
    generation: i64,
    /// In ascending order; neighbours are joined.
    ranges: Vec<(i64, i64)>,
}

impl Stock {
    pub(super) fn add(&mut self, known: &Known) {
        let Known { container, blob, etag, event_hub, partition, span, batch } = known;
        let entry = self.files.entry(name(container, blob)).or_insert((0, i64::MIN));
        if *batch >= entry.1 {
            *entry = (short(etag), *batch);
        }
        let numbers = self.numbers.entry((event_hub.clone(), *partition)).or_default();
        numbers.generation = numbers.generation.max(*batch);
        if let Some((first, last)) = span {
            numbers.add(*first, *last);
        }
    }

    /// Whether this version of a file is loaded.
    pub(super) fn has(&self, container: &str, blob: &str, etag: &str) -> bool {
        self.files.get(&name(container, blob)).is_some_and(|(known, _)| *known == short(etag))
    }

    /// Files known.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// The last commit that concerned a partition.
    pub(super) fn generation(&self, hub: &str, partition: i32) -> i64 {
        self.numbers.get(&(hub.to_owned(), partition)).map_or(0, |numbers| numbers.generation)
    }

    /// Whether files that are loaded have brought any of these numbers.
    pub(super) fn has_any(&self, hub: &str, partition: i32, first: i64, last: i64) -> bool {
        let Some(numbers) = self.numbers.get(&(hub.to_owned(), partition)) else { return false };
        let behind = numbers.ranges.partition_point(|(_, end)| *end < first);
        numbers.ranges.get(behind).is_some_and(|(start, _)| *start <= last)
    }
}

impl Numbers {
    fn add(&mut self, first: i64, last: i64) {
        let from = self.ranges.partition_point(|(_, end)| end.saturating_add(1) < first);
        let until = self.ranges.partition_point(|(start, _)| *start <= last.saturating_add(1));
        let joined = self.ranges[from..until]
            .iter()
            .fold((first, last), |(low, high), (start, end)| (low.min(*start), high.max(*end)));
        self.ranges.splice(from..until, [joined]);
    }
}

/// Of so many bits that no two names share them.
fn name(container: &str, blob: &str) -> u128 {
    let digest = Sha256::new().chain_update(container).chain_update([0]).chain_update(blob).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(bytes)
}

fn short(etag: &str) -> u64 {
    let digest = Sha256::digest(etag);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(blob: &str, etag: &str, span: Option<(i64, i64)>, batch: i64) -> Known {
        let (container, event_hub) = ("c".to_owned(), "h".to_owned());
        Known { container, blob: blob.to_owned(), etag: etag.to_owned(), event_hub, partition: 0, span, batch }
    }

    #[test]
    fn the_newest_version_of_a_file_counts() {
        let mut stock = Stock::default();
        stock.add(&known("b", "new", None, 7));
        stock.add(&known("b", "old", None, 3));
        assert!(stock.has("c", "b", "new") && !stock.has("c", "b", "old") && !stock.has("d", "b", "new"));
        assert_eq!((stock.len(), stock.generation("h", 0), stock.generation("h", 1)), (1, 7, 0));
    }

    #[test]
    fn ranges_of_numbers_are_joined() {
        let mut stock = Stock::default();
        for (batch, span) in [(10, 19), (30, 39), (20, 24), (0, 3), (26, 28)].into_iter().enumerate() {
            stock.add(&known(&format!("{batch}"), "e", Some(span), batch as i64));
        }
        let ranges = &stock.numbers[&("h".to_owned(), 0)].ranges;
        assert_eq!(*ranges, [(0, 3), (10, 24), (26, 28), (30, 39)]);
        assert!(stock.has_any("h", 0, 24, 25) && !stock.has_any("h", 0, 4, 9) && !stock.has_any("h", 0, 40, 50));
        assert!(!stock.has_any("h", 1, 10, 11));
        stock.add(&known("all", "e", Some((1, 35)), 9));
        assert_eq!(stock.numbers[&("h".to_owned(), 0)].ranges, [(0, 39)]);
    }
}
