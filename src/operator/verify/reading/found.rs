use std::collections::{BTreeMap, HashSet};

use crate::capture::PartitionId;
use crate::loader::Origin;
use crate::operator::verify::finding::{Finding, Findings};
use crate::settings::Route;
use crate::store::Identity;

/// Records that someone asked to be forgotten, and rows of records that have several, which the files still have.
#[derive(Debug, Default)]
pub(super) struct Forgotten(pub(super) HashSet<(PartitionId, Identity, Option<i32>)>);

impl Forgotten {
    /// Whether a row is one of them.
    pub(super) fn has(&self, Origin { partition, number, at, index, .. }: &Origin<'_>) -> bool {
        [None, Some(*index)].iter().any(|index| self.0.contains(&(*partition, (*number, *at), *index)))
    }
}

/// The findings of one route, by partition; those of none are about its latest state.
pub(super) struct Found<'r> {
    route: &'r Route,
    by_partition: BTreeMap<Option<PartitionId>, Findings<'r>>,
}

impl<'r> Found<'r> {
    pub(super) fn new(route: &'r Route) -> Self {
        Found { route, by_partition: BTreeMap::new() }
    }

    pub(super) fn of(&mut self, partition: Option<PartitionId>) -> &mut Findings<'r> {
        let Route { table, hub, .. } = self.route;
        self.by_partition.entry(partition).or_insert_with(|| Findings::new(table, hub, partition))
    }

    pub(super) fn finish(self) -> Vec<Finding> {
        self.by_partition.into_values().flat_map(Findings::finish).collect()
    }
}

/// A value for people.
pub(super) fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| format!("`{value}`"))
}
