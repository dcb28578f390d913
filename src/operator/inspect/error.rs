use std::path::PathBuf;

use crate::azure::blob::BlobError;
use crate::azure::identity::IdentityError;
use crate::rows::InvalidTable;

/// Why a file was not shown, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// It cannot be read on this machine.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It cannot be read in its container.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The program has no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It is bad from some byte on; what precedes was shown.
    #[error("{file} is damaged: {reason}; a loader takes what precedes, and quarantines the file")]
    Damaged {
        /// Which.
        file: String,
        /// How, and where.
        reason: String,
    },
    /// A table that only a store knows.
    #[error(
        "--table: only user_event_log is known without a store; for {0}, `loader --dry-run --route HUB={0}` says what \
         becomes of records"
    )]
    UnknownTable(String),
    /// The default table has a shape that no records go into, which a test excludes.
    #[error(transparent)]
    Table(#[from] InvalidTable),
    /// A part of the program ended that should not have.
    #[error("inspecting ended without saying why; report it with the file")]
    Broken,
    /// Someone asked for an end.
    #[error("interrupted")]
    Interrupted,
}
