use crate::azure::blob::BlobError;
use crate::azure::identity::IdentityError;
use crate::base::SecretError;
use crate::lake::LakeError;
use crate::registry::RegistryError;
use crate::rows::InvalidTable;
use crate::store::StoreError;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Files cannot be listed or read.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The program has no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store's password cannot be read.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// The store refuses or is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The same, where it was only to say whose SQL is wanted.
    #[error("{0}; --dialect risingwave or postgres prints the statements without a store")]
    NoStore(StoreError),
    /// The schema registry is away or refuses.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The table that is there is none that records can be loaded into.
    #[error(transparent)]
    Table(#[from] InvalidTable),
    /// The Delta table cannot be made.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// There is nothing to tell from.
    #[error("no record of event hub {hub} in {blob}{why}")]
    Nothing {
        /// The hub.
        hub: String,
        /// Where it was looked.
        blob: String,
        /// What was there instead.
        why: String,
    },
    /// Key or order cannot be had from these records.
    #[error("{}", .0.join("; "))]
    Unfit(Vec<String>),
    /// Nobody agreed.
    #[error("nothing was made: {0}")]
    NotAgreed(&'static str),
    /// A part of the program ended that should not have.
    #[error("reading a file ended without saying why")]
    Broken,
    /// Someone asked for an end.
    #[error("interrupted")]
    Interrupted,
}
