//! What reading the files again has found.

use std::collections::BTreeMap;
use std::fmt;

use crate::capture::PartitionId;
use crate::operator::verify::finding::{Finding, Findings};
use crate::settings::Route;

/// What was read again, and found to be as it is there.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::operator) struct Read {
    /// Files.
    pub(in crate::operator) files: usize,
    /// Records whose values were compared, if they were.
    pub(in crate::operator) records: Option<u64>,
    /// Rows of the latest state, if that was compared.
    pub(in crate::operator) states: Option<u64>,
}

/// `, every value of 70 records as in their files, ...`
impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(records) = self.records {
            write!(f, ", every value of {records} records of {} files as they say", self.files)?;
        }
        if let Some(states) = self.states {
            write!(f, ", the latest state of {states} keys as they make it")?;
        }
        Ok(())
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

/// As a finding has it.
pub(super) fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| format!("`{value}`"))
}
