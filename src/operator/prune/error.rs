use crate::azure::blob::BlobError;
use crate::azure::identity::IdentityError;
use crate::base::SecretError;
use crate::rows::InvalidTable;
use crate::store::{Fault, StoreError};

/// Why not everything was deleted that was to be. It may be repeated, and goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The store is away or refuses.
    #[error("{}; {}", .0, advice(.0))]
    Store(#[from] StoreError),
    /// The store's password cannot be read.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// The container cannot be read.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The program has no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Nothing was deleted, because nobody said so.
    #[error("nothing was deleted: say --yes to do it")]
    NotAgreed,
    /// The store was made before there was pruning.
    #[error("table `{0}` does not exist in {1}; make it with `deltawave init`")]
    NoTable(&'static str, String),
    /// It is not known whether a view needs what is old.
    #[error(
        "{0} is a table of your own: say --keep-newest KEY,ORDER if a view over it shows the newest row of each key, which \
         then stays, or --keep-none"
    )]
    KeepUnsaid(String),
    /// A table that no key can be looked up in.
    #[error(transparent)]
    Table(#[from] InvalidTable),
    /// No such column, or no such value.
    #[error("--key: {0}")]
    Key(String),
    /// What was noted is not there.
    #[error("what was noted in {0} is not there when it is looked for, several times running; run the same again")]
    NotNoted(&'static str),
    /// What was deleted is there again.
    #[error(
        "{rows} records of {table} are still there after they were deleted several times: is something loading them? Run \
         the same again"
    )]
    StillThere {
        /// The table.
        table: String,
        /// How many.
        rows: u64,
    },
    /// Someone asked for an end.
    #[error("interrupted; run the same again to go on")]
    Interrupted,
}

fn advice(error: &StoreError) -> &'static str {
    match error.fault() {
        Fault::NeedsRecover => "run RECOVER as root, then the same again to go on",
        _ if error.needs_someone() => "whoever deletes must own the tables, as root does",
        _ => "run the same again to go on",
    }
}
