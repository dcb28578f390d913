use crate::azure::blob::BlobError;
use crate::azure::identity::IdentityError;
use crate::base::SecretError;
use crate::lake::LakeError;
use crate::ledger::EndsError;
use crate::loader::LoadError;
use crate::operator::source::SourceError;
use crate::store::StoreError;

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store is away, refuses, or lacks a table.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's password cannot be read.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// The broker cannot be asked.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The broker does not say where the log ends.
    #[error(transparent)]
    Ends(#[from] EndsError),
    /// The container cannot be read.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The program has no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A Delta table cannot be read.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A file that the ledger calls whole is not.
    #[error("file {blob} cannot be read: {reason}")]
    File {
        /// The file.
        blob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The files cannot be read again.
    #[error(transparent)]
    Reading(#[from] LoadError),
    /// The latest state of a table cannot be made of the files.
    #[error("the latest state of {table} cannot be made of the files: {reason}")]
    State {
        /// The table.
        table: String,
        /// Why not.
        reason: String,
    },
    /// Someone asked for an end.
    #[error("interrupted before everything was checked")]
    Interrupted,
}
