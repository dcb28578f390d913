use std::sync::Arc;

use super::super::error::LoadError;
use super::super::patience::Patience;
use crate::azure::identity::Identity;
use crate::lake::{Committed, Group, Lake, LakeAddress, LakeError};
use crate::settings::{LoaderSettings, Route};

/// A stream's way to its Delta table, kept going through trouble.
#[derive(Debug)]
pub(in crate::loader) struct Way {
    pub(in crate::loader) lake: Lake,
    patience: Patience,
}

impl Way {
    /// Opens the table, until it can be opened.
    ///
    /// # Errors
    /// When patience ends.
    pub(in crate::loader) async fn open(
        settings: &LoaderSettings,
        identity: &Arc<Identity>,
        address: &LakeAddress,
        route: &Route,
        patience: &Patience,
    ) -> Result<Arc<Way>, LoadError> {
        let mut trouble = patience.trouble();
        loop {
            let key = identity.key(address.needs_credential(), None)?;
            match Lake::open(address, key, &route.table, &settings.require).await {
                Ok(lake) => {
                    let table = settings.fit(route, lake.table().as_ref().clone())?;
                    let lake = lake.with_table(table);
                    trouble.healed();
                    return Ok(Arc::new(Way { lake, patience: patience.clone() }));
                }
                Err(error) => trouble.pause(error).await?,
            }
        }
    }

    /// Learns what others have committed.
    ///
    /// # Errors
    /// When patience ends; [`LakeError::Changed`] at once.
    pub(in crate::loader) async fn refresh(&self) -> Result<(), LoadError> {
        self.persist(&self.patience, async || self.lake.refresh().await).await
    }

    /// Commits a group, until it is committed or has to be made anew.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub(super) async fn commit(&self, patience: &Patience, group: &Group, hub: &str) -> Result<Committed, LoadError> {
        self.persist(patience, async || self.lake.commit(group, hub).await).await
    }

    /// Does something until it succeeds. It must be repeatable.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub(super) async fn persist<T>(
        &self,
        patience: &Patience,
        action: impl AsyncFn() -> Result<T, LakeError>,
    ) -> Result<T, LoadError> {
        let mut trouble = patience.trouble();
        loop {
            match action().await {
                Ok(done) => {
                    trouble.healed();
                    return Ok(done);
                }
                Err(LakeError::Changed { .. }) => return Err(LoadError::Evolved),
                Err(error) => trouble.pause(error).await?,
            }
        }
    }
}
