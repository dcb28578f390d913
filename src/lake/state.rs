use std::collections::BTreeMap;

use super::action::{Action, Add, Metadata, Protocol, Remove};

/// What a table is at one version, but for its files.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) version: i64,
    pub(super) protocol: Protocol,
    pub(super) metadata: Metadata,
    /// How far writers are, by their own counts.
    pub(super) txns: BTreeMap<String, i64>,
    /// The version that the newest checkpoint sums up; below zero if there is none.
    pub(super) checkpoint: i64,
}

/// All of what a table is at one version.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    pub(super) head: Head,
    /// Its files, by their paths.
    pub(super) files: BTreeMap<String, Add>,
    /// Files that it had, as long as a reader of an earlier version may want them.
    pub(super) removed: BTreeMap<String, Remove>,
}

/// One version's actions.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub(super) version: i64,
    pub(super) actions: Vec<Action>,
}
