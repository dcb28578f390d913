use std::time::Duration;

use super::party::Party;
use crate::azure::blob::BlobError;
use crate::azure::identity::IdentityError;
use crate::azure::queue::QueueError;
use crate::base::SecretError;
use crate::lake::LakeError;
use crate::registry::RegistryError;
use crate::rows::InvalidTable;
use crate::store::StoreError;

/// Why the loader ended before its work was done. Whatever it had not noted as done is loaded again by the next one.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It was told to stop.
    #[error("stopped on request before everything was loaded; run it again to go on")]
    Stopped,
    /// Something stayed away for longer than it was to be waited for.
    #[error("gave up after {:.1} s of retrying (--give-up): {reason}", after.as_secs_f64())]
    GaveUp {
        /// How long it was tried.
        after: Duration,
        /// What the last try said.
        reason: String,
    },
    /// There was nothing to load, which is rarely what was meant.
    #[error("nothing was found to load (--allow-empty takes that for success): {0}")]
    NothingFound(String),
    /// There is no way to get tokens.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The blob endpoint refuses.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The queue of notifications refuses.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The Delta table refuses.
    #[error(transparent)]
    Lake(#[from] Box<LakeError>),
    /// The store forgets what it acknowledged.
    #[error(transparent)]
    Forgotten(#[from] Forgotten),
    /// Trouble lasts, so what was in hand was put back.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Some routes could not be loaded, or not wholly.
    #[error("{} of {of} routes failed: {}", .failed.len(), .failed.join("; "))]
    Routes {
        /// Each with the reason.
        failed: Vec<String>,
        /// How many there are.
        of: usize,
    },
    /// Files cannot be read; all others were loaded.
    #[error(
        "{files} file{s} cannot be read and wait{t}, such as {blob}; the reason stands in capture_files (status waiting)",
        s = if *.files == 1 { "" } else { "s" }, t = if *.files == 1 { "s" } else { "" }
    )]
    Waiting {
        /// How many.
        files: usize,
        /// One of them.
        blob: String,
    },
    /// A record has a field that is to get a column first.
    #[error("field `{0}` is to get a column first")]
    NewField(String),
    /// Columns were added: begin again with the table as it is now.
    #[error("the table has other columns now")]
    Evolved,
    /// Columns cannot be added.
    #[error(
        "--evolve add gives table `{table}` columns, and this user may not alter it ({reason}): make it the table's owner, or \
         leave --evolve out"
    )]
    MayNotEvolve {
        /// The table.
        table: String,
        /// What the store said.
        reason: String,
    },
    /// The schema registry refuses.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Records cannot be loaded into a route's table.
    #[error(transparent)]
    Table(#[from] InvalidTable),
    /// The store has no place for the ledger or for rejected records.
    #[error("table `{table}` does not exist in {store}; make it with `deltawave init`")]
    NoLedger {
        /// The table.
        table: &'static str,
        /// The store.
        store: String,
    },
    /// The ledger was made by an earlier version.
    #[error(
        "table `capture_files` in {store} has no column `{column}`, which {for_what} needs; `deltawave init` adds it"
    )]
    OldLedger {
        /// The store.
        store: String,
        /// What it lacks.
        column: &'static str,
        /// What needs it.
        for_what: &'static str,
    },
    /// A part of the loader ended that should not have: a mistake of its own, never taken for the end of a file.
    #[error("{0} ended without saying why; nothing of this group was noted as done, so start the loader again")]
    Broken(&'static str),
    /// A file's records were not all accounted for: a mistake of the loader's own, found before it could do harm.
    #[error("file {blob} has {records} records but {written} were written; it was not noted as done")]
    Miscounted {
        /// The file.
        blob: String,
        /// Records decoded.
        records: u64,
        /// Records written or rejected.
        written: u64,
    },
}

/// Trouble that lasts longer than memory is held for it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct Interrupted {
    pub(super) party: Party,
    /// Whether someone has to do something about it.
    pub(super) stays: bool,
    pub(super) reason: String,
}

/// The store does not have what it had acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "the store does not have {records} row{r} for `{table}` that it had acknowledged (of {files} file{s}, such as {blob}), as \
     after a recovery; they are written again", r = if *.records == 1 { "" } else { "s" }, s = if *.files == 1 { "" } else { "s" }
)]
pub struct Forgotten {
    /// The table.
    pub table: String,
    /// How many lack.
    pub records: u64,
    /// Of how many files.
    pub files: usize,
    /// One of the files.
    pub blob: String,
}

impl From<LakeError> for LoadError {
    fn from(error: LakeError) -> Self {
        LoadError::Lake(Box::new(error))
    }
}
