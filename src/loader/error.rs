use std::time::Duration;

use crate::azure::blob::BlobError;
use crate::azure::identity::IdentityError;
use crate::azure::queue::QueueError;
use crate::base::SecretError;
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
        "table `capture_files` in {store} has no column `skipped`, which tombstones=skip needs: ALTER TABLE capture_files \
         ADD COLUMN skipped bigint"
    )]
    OldLedger {
        /// The store.
        store: String,
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
