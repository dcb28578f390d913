//! What work needs that is done once and ends: files that are loaded again, or only read.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::error::LoadError;
use super::patience::Patience;
use super::pool::{self, Pool, Store};
use super::progress::Progress;
use super::turn::{GROUP_BYTES, GROUP_FILES};
use crate::azure::blob::Container;
use crate::azure::identity::Identity;
use crate::ledger::FileVersion;
use crate::settings::LoaderSettings;

/// Where files are, and how long what is away is waited for.
pub(super) struct Once {
    pub(super) patience: Patience,
    pub(super) container: Container,
    identity: Arc<Identity>,
}

impl Once {
    /// # Errors
    /// When there is no way to get tokens, or the container has no good address.
    pub(super) fn open(
        settings: &LoaderSettings,
        shutdown: CancellationToken,
        progress: &Arc<Progress>,
    ) -> Result<Self, LoadError> {
        let patience = Patience::new(true, settings, shutdown, Arc::clone(progress));
        let identity = Identity::new(settings.identity.clone());
        let key = identity.key(settings.blob.needs_credential(), settings.blob_sas.as_ref())?;
        Ok(Once { patience, container: Container::open(&settings.blob, key)?, identity })
    }

    /// The store, over so many connections.
    ///
    /// # Errors
    /// When its password cannot be read.
    pub(super) async fn store(&self, settings: &LoaderSettings, connections: usize) -> Result<Store, LoadError> {
        let address = pool::address(settings, &self.identity, &self.patience).await?;
        Ok(Pool::new(address, connections, settings.store_timeout).store(false, &self.patience))
    }
}

/// The files in groups, each as large as one that a loader takes.
pub(super) fn groups(files: Vec<FileVersion>) -> impl Iterator<Item = Vec<FileVersion>> {
    let mut files = files.into_iter();
    std::iter::from_fn(move || {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while group.len() < GROUP_FILES && bytes < GROUP_BYTES {
            let Some(file) = files.next() else { break };
            bytes += file.size;
            group.push(file);
        }
        (!group.is_empty()).then_some(group)
    })
}
