use clap::Args;

use super::Faults;
use crate::capture::{PartitionId, Scope, Shard, parse_time};

/// Flags that narrow down which files are loaded.
#[derive(Debug, Clone, Args)]
pub(super) struct ScopeArgs {
    /// Load one share of the partitions: I of N loaders, counted from 0
    #[arg(long, env = "DELTAWAVE_SHARD", value_name = "I/N", default_value_t)]
    shard: Shard,
    /// Load only these partitions; several separated by commas [default: all]
    #[arg(long = "partition", env = "DELTAWAVE_PARTITION", value_name = "ID", value_delimiter = ',')]
    partitions: Vec<i32>,
    /// Load only windows that start at this time or later: 2026-01-31T13:00:00Z, or a day
    #[arg(long, env = "DELTAWAVE_FROM", value_name = "TIME")]
    from: Option<String>,
    /// Load only windows that start before this time
    #[arg(long, env = "DELTAWAVE_UNTIL", value_name = "TIME")]
    until: Option<String>,
}

impl ScopeArgs {
    /// Whether some files are left to no loader, unlike by a shard.
    pub(super) fn is_part(&self) -> bool {
        self.from.is_some() || self.until.is_some() || !self.partitions.is_empty()
    }

    /// Whether it is a part of time.
    pub(super) fn is_span(&self) -> bool {
        self.from.is_some() || self.until.is_some()
    }

    /// The scope.
    pub(super) fn check(self, faults: &mut Faults) -> Option<Scope> {
        let mut time = |flag, text: Option<String>| match text {
            None => Some(None),
            Some(text) => faults.check(flag, parse_time(&text)).map(Some),
        };
        let (from, until) = (time("--from", self.from)?, time("--until", self.until)?);
        if let (Some(from), Some(until)) = (from, until)
            && from >= until
        {
            faults.add("--until", "must be later than --from, or no file is in between");
        }
        if let Some(negative) = self.partitions.iter().find(|partition| **partition < 0) {
            faults.add("--partition", format_args!("{negative} is no partition; they are counted from 0"));
        }
        let partitions = self.partitions.into_iter().map(PartitionId).collect();
        Some(Scope { shard: self.shard, partitions, from, until })
    }
}
