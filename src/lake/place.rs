use std::fmt;

use bytes::Bytes;
use futures::StreamExt as _;

use super::address::LakeAddress;
use crate::azure::Key;
use crate::azure::blob::{BlobEntry, BlobError, Container};

/// A table's folder in an open container.
#[derive(Clone)]
pub(super) struct Place {
    container: Container,
    folder: String,
}

/// Past this, a file is sent in pieces.
const PIECE: usize = 8 << 20;

impl Place {
    /// Sends nothing.
    pub(super) fn open(address: &LakeAddress, key: Option<Key>) -> Result<Self, BlobError> {
        Ok(Place { container: Container::open(&address.container, key)?, folder: address.folder.clone() })
    }

    /// The folder beside it whose name goes on so.
    pub(super) fn beside(&self, suffix: &str) -> Place {
        Place { container: self.container.clone(), folder: format!("{}{suffix}", self.folder) }
    }

    pub(super) async fn ensure_container(&self) -> Result<(), BlobError> {
        self.container.ensure().await
    }

    /// A file's bytes, or nothing if there is none.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Bytes>, BlobError> {
        const LIMIT: u64 = 2 << 30;
        match self.container.get(&self.full(name), LIMIT).await {
            Err(BlobError::NoBlob { .. }) => Ok(None),
            got => got.map(Some),
        }
    }

    /// Writes a file that is not there yet: whole, or not at all. Whether it did: false where there is one of that name.
    pub(super) async fn create(&self, name: &str, content: Bytes) -> Result<bool, BlobError> {
        let full = self.full(name);
        let created = if content.len() <= PIECE {
            self.container.create(&full, content).await
        } else {
            let mut upload = self.container.stage(&full).await?;
            let mut rest = content;
            while !rest.is_empty() {
                upload.append_block(rest.split_to(rest.len().min(PIECE))).await?;
            }
            upload.commit().await
        };
        match created {
            Ok(()) => Ok(true),
            Err(BlobError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes a file, whatever was there.
    pub(super) async fn replace(&self, name: &str, content: Bytes) -> Result<(), BlobError> {
        self.container.replace(&self.full(name), content).await
    }

    /// Deletes a file, if it is there.
    pub(super) async fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.container.delete(&self.full(name)).await
    }

    /// What there is below `prefix` from the name `from` on, with names as seen from the folder.
    pub(super) async fn list(&self, prefix: &str, from: Option<&str>) -> Result<Vec<BlobEntry>, BlobError> {
        let from = from.map(|from| self.full(from));
        let mut pages = self.container.list(&self.full(prefix), from.as_deref());
        let (mut all, skip) = (Vec::new(), self.folder.len() + 1);
        while let Some(page) = pages.next().await {
            all.extend(page?.into_iter().map(|entry| BlobEntry { name: entry.name[skip..].to_owned(), ..entry }));
        }
        Ok(all)
    }

    fn full(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({:?}/{})", self.container, self.folder)
    }
}

/// As programs take it behind `delta:`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.container.address().to_string().trim_end_matches('/'), self.folder)
    }
}
