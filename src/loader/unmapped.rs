use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::rows::Unmapped;

/// Fields of loaded records that went nowhere, by table. Each name is told once.
#[derive(Debug, Default)]
pub(super) struct UnmappedFields(Mutex<BTreeMap<String, Unmapped>>);

impl UnmappedFields {
    /// Adds what a batch had, and tells of the names that are new.
    pub(super) fn add(&self, table: &str, fields: Unmapped) {
        if fields.is_empty() {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(table.to_owned()).or_default();
        let new: Vec<_> = fields.keys().filter(|name| !known.contains_key(*name)).map(String::as_str).collect();
        if !new.is_empty() {
            tracing::warn!(
                %table,
                fields = new.join(", "),
                "fields have no column and are dropped: add columns of their names, or `rescued jsonb` for all of them"
            );
        }
        for (name, count) in fields {
            *known.entry(name).or_default() += count;
        }
    }

    /// All so far.
    pub(super) fn all(&self) -> BTreeMap<String, Unmapped> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
