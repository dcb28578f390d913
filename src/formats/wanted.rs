use std::collections::HashSet;

use crate::rows::Table;

/// Which fields a format is to make of what stands around the row: the table's columns, so that nothing counts as a field
/// without a column that no producer sent.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// `None` for all.
    columns: Option<HashSet<String>>,
    rescues: bool,
}

impl Wanted {
    /// Those that a table has a place for.
    pub fn of(table: &Table) -> Self {
        let columns = table.fields().map(|column| column.name.clone()).collect();
        Wanted { columns: Some(columns), rescues: table.rescues() }
    }

    /// All there are, for whoever has no table yet.
    pub fn all() -> Self {
        Wanted { columns: None, rescues: true }
    }

    /// Whether there is a column of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.as_ref().is_none_or(|columns| columns.contains(name))
    }

    /// Whether a field of that name has a place to go.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.rescues || self.has(name)
    }
}
