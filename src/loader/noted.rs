use std::sync::Arc;

use super::error::LoadError;
use super::lake::Way;
use super::pool::Store;
use crate::ledger::FileVersion;
use crate::store::Session;

/// Who says which files are done: a store's ledger, or a Delta table's.
pub(super) enum Noted<'l> {
    Store(&'l Store),
    Lake(&'l Arc<Way>),
}

impl Noted<'_> {
    /// Sees that it can be asked, and what others have noted meanwhile.
    ///
    /// # Errors
    /// When patience ends.
    pub(super) async fn check(&self) -> Result<(), LoadError> {
        match self {
            Noted::Store(store) => store.persist(Session::check).await,
            Noted::Lake(way) => way.refresh().await,
        }
    }

    /// Those of the files that are not done. They stand in the order of their names.
    ///
    /// # Errors
    /// When patience ends.
    pub(super) async fn undone(
        &self,
        container: &str,
        target: &str,
        files: Vec<(FileVersion, bool)>,
    ) -> Result<Vec<(FileVersion, bool)>, LoadError> {
        let (Some((first, _)), Some((last, _))) = (files.first(), files.last()) else { return Ok(files) };
        match self {
            Noted::Store(store) => {
                let done = store
                    .persist(async |session| session.files_done(container, target, &first.blob, &last.blob).await)
                    .await?;
                Ok(files.into_iter().filter(|(file, _)| done.get(&file.blob) != Some(&file.etag)).collect())
            }
            Noted::Lake(way) => {
                let new = |file: &FileVersion| !way.lake.is_loaded(container, &file.blob, &file.etag);
                Ok(files.into_iter().filter(|(file, _)| new(file)).collect())
            }
        }
    }
}
