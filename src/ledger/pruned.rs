use super::Span;
use crate::capture::{EnqueuedTime, SequenceNumber};

/// What was deleted of one partition of a target for its age. The files it came from stay in the ledger, as pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrunedRange {
    /// From the lowest number of those files to the highest.
    pub span: Span,
    /// What the broker took before that was deleted.
    pub before: EnqueuedTime,
    /// How many rows of their numbers remain, for being the newest of their key; `None` from when deleting begins to when
    /// it has ended.
    pub kept: Option<u64>,
}

/// A record, or a row of one that may have others, that was deleted because someone asked to be forgotten. It says which, and nothing of what was in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Forgotten {
    /// Its number.
    pub number: SequenceNumber,
    /// When the broker took it.
    pub at: EnqueuedTime,
    /// Whether it was in `rejected_events`, not in the table.
    pub rejected: bool,
    /// Which of the record's rows, where the table tells them apart: the others stay.
    pub index: Option<i32>,
}
