//! The ledger's rules: what identifies a file, what is known of it once it is done, and when it has to be read. Pure.
//!
//! The ledger is the table `capture_files`. A file is done when a row names its container, target table, blob and
//! etag; the row is written only after the file's records are durable, so a missing row means a repeat, never a hole.
//!
//! Beside them stand the rules of those who check it: what the files cover, and where the log that they come from ends.

mod coverage;
mod ends;
mod log;
mod pruned;
mod runs;

use time::OffsetDateTime;

use crate::capture::{EnqueuedTime, FileName, SequenceNumber};
pub use coverage::{Chunk, Cluster, Coverage, CoveredFile, FileState, Gap, merged};
pub use ends::{EndsError, LogEnds, PartitionEnds};
pub use log::{Log, LogError, LogPartition, LogRead, LogRecord};
pub use pruned::{Forgotten, PrunedRange};
pub use runs::{Found, Run, Runs, Several};

/// One finished file, as found by a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVersion {
    /// The blob's name inside its container.
    pub blob: String,
    /// Tells this version from one that replaces it under the same name. Capture itself never replaces a file.
    pub etag: String,
    /// Its size, in bytes.
    pub size: u64,
    /// When it was last written, by the container's clock, where that is known. Azure says it in whole seconds.
    pub committed_at: Option<OffsetDateTime>,
    /// What its name says.
    pub name: FileName,
}

/// The `reason` of a file that is taken out of what is done because someone wants it loaded again.
pub const TO_BE_LOADED_AGAIN: &str = "to be loaded again";

/// The sequence numbers a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The lowest.
    pub first: SequenceNumber,
    /// The highest.
    pub last: SequenceNumber,
}

impl Span {
    /// The span that also holds `number`.
    pub fn include(span: Option<Span>, number: SequenceNumber) -> Span {
        match span {
            None => Span { first: number, last: number },
            Some(span) => Span { first: span.first.min(number), last: span.last.max(number) },
        }
    }
}

/// How a file ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every record of it was loaded or rejected.
    Loaded,
    /// It is bad from some byte on; what precedes was loaded or rejected. Or the store takes its records and does not
    /// keep them. Read again only when its etag changes.
    Quarantined {
        /// What is wrong with it.
        reason: String,
        /// Where, in bytes from its start, if it is the file itself.
        at: Option<u64>,
    },
}

impl Outcome {
    /// The ledger's `status`.
    pub const fn status(&self) -> &'static str {
        match self {
            Outcome::Loaded => "loaded",
            Outcome::Quarantined { .. } => "quarantined",
        }
    }
}

/// What was found in a file, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Its sequence numbers; `None` for a silent window.
    pub span: Option<Span>,
    /// When the broker took the last of its records, if it has any.
    pub last_enqueued_at: Option<EnqueuedTime>,
    /// How many records it has, as far as it can be read.
    pub records: u64,
    /// Those of them that make no rows and were to make none: tombstones, where the route says that there are some.
    pub skipped: u64,
    /// Values of loaded records that went nowhere, for want of a column.
    pub unmapped: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// One row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file.
    pub file: FileVersion,
    /// What is in it.
    pub contents: Contents,
    /// Records that are in the target table.
    pub loaded: u64,
    /// Rows of them, where the table tells several rows of a record apart.
    pub rows: Option<u64>,
    /// Records that are in `rejected_events`.
    pub rejected: u64,
    /// When its records were durable.
    pub loaded_at: OffsetDateTime,
}
