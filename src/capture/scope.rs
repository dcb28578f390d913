use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::hub::{Hub, PartitionId};
use super::name::FileName;

/// Which files a loader takes: all of them, unless it is one of several or is to load a part only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// One loader's share of the work.
    pub shard: Shard,
    /// Only these partitions; empty for all.
    pub partitions: Vec<PartitionId>,
    /// Only windows that start at this time or later.
    pub from: Option<OffsetDateTime>,
    /// Only windows that start before this time.
    pub until: Option<OffsetDateTime>,
}

impl Scope {
    /// Whether any file of this partition is in it.
    pub fn takes_partition(&self, hub: &Hub, partition: PartitionId) -> bool {
        self.shard.holds(hub, partition) && (self.partitions.is_empty() || self.partitions.contains(&partition))
    }

    /// Whether this file is in it.
    pub fn takes(&self, name: &FileName) -> bool {
        self.takes_partition(&name.hub, name.partition)
            && self.from.is_none_or(|from| name.window_start >= from)
            && self.until.is_none_or(|until| name.window_start < until)
    }
}

/// One of several loaders that share the partitions of all hubs, so that each partition has one loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Counted from 0.
    index: u32,
    count: u32,
}

impl Default for Shard {
    /// The only one.
    fn default() -> Self {
        Shard { index: 0, count: 1 }
    }
}

impl Shard {
    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The same for every loader and every release: neighbours in a hub go to different shards, and hubs with one
    /// partition do not all go to the first.
    fn holds(&self, hub: &Hub, partition: PartitionId) -> bool {
        let start = hub.name().bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        start.wrapping_add(partition.0.unsigned_abs()) % self.count == self.index
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const COUNTS: Range<u32> = 1..10_001;
        let (index, count) = text.split_once('/').ok_or_else(|| format!("`{text}` is not I/N like 0/3"))?;
        match (index.parse(), count.parse()) {
            (Ok(index), Ok(count)) if COUNTS.contains(&count) && index < count => Ok(Shard { index, count }),
            _ => Err(format!("`{text}` is not I/N with I from 0 to N-1 and N up to 10000")),
        }
    }
}

/// Reads a time for `--from` and `--until`: RFC 3339, or a day for its midnight UTC.
///
/// # Errors
/// When the text is neither.
pub fn parse_time(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| {
            Date::parse(text, format_description!("[year]-[month]-[day]")).map(|day| day.midnight().assume_utc())
        })
        .map_err(|_| format!("`{text}` is neither a time like 2026-01-31T13:00:00Z nor a day like 2026-01-31"))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn every_partition_has_one_loader_and_loaders_have_equal_shares() {
        let hub = Hub::new("ns", "user-events").unwrap();
        for count in 1..9 {
            let shards: Vec<Shard> = (0..count).map(|index| format!("{index}/{count}").parse().unwrap()).collect();
            let mut shares = vec![0; shards.len()];
            for partition in 0..32 {
                let holders: Vec<_> =
                    (0..shards.len()).filter(|index| shards[*index].holds(&hub, PartitionId(partition))).collect();
                assert_eq!(holders.len(), 1, "partition {partition} of {count} shards");
                shares[holders[0]] += 1;
            }
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{shares:?}");
        }
        for text in ["", "1", "2/2", "0/0", "-1/2", "a/b"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_includes_its_start_and_not_its_end() {
        let scope = Scope {
            partitions: vec![PartitionId(1)],
            from: Some(parse_time("2026-01-02").unwrap()),
            until: Some(parse_time("2026-01-02T02:00:00+01:00").unwrap()),
            ..Scope::default()
        };
        let takes = |partition, window_start| {
            let hub = Hub::new("ns", "hub").unwrap();
            scope.takes(&FileName { hub, partition: PartitionId(partition), window_start })
        };
        assert!(takes(1, datetime!(2026-01-02 00:00 UTC)));
        assert!(!takes(1, datetime!(2026-01-01 23:59:59 UTC)));
        assert!(!takes(1, datetime!(2026-01-02 01:00 UTC)));
        assert!(!takes(0, datetime!(2026-01-02 00:30 UTC)));
        assert!(parse_time("yesterday").is_err());
    }
}
