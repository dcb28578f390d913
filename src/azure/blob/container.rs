use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};

use super::PAGE;
use super::address::{BlobAddress, Place};
use super::cloud::{Account, Cloud};
use super::dir::Directory;
use super::entry::BlobEntry;
use super::error::BlobError;
use super::name;
use super::upload::{CloudUpload, StagedUpload};
use crate::azure::Key;

/// The longest a server may be silent, unless the caller says otherwise.
const SILENCE: Duration = Duration::from_secs(30);

/// An open container; cheap to clone, and all clones share one pool of connections.
#[derive(Clone)]
pub struct Container {
    address: BlobAddress,
    name: Arc<str>,
    backend: Backend,
}

#[derive(Clone)]
enum Backend {
    Cloud(Arc<Cloud>),
    Directory(Arc<Directory>),
}

impl Container {
    /// Opens a container without touching it: nothing is sent. Calls give up on a server that is silent for 30 s.
    ///
    /// # Errors
    /// [`BlobError::NoCredential`] if the address [needs a credential](BlobAddress::needs_credential) and no key is
    /// given. A token that is not needed is not used; a SAS is always used.
    pub fn open(address: &BlobAddress, key: Option<Key>) -> Result<Self, BlobError> {
        Self::open_with_silence(address, key, SILENCE)
    }

    /// As [`open`](Self::open), with another limit for a silent server. A call is one request (a listing and a read
    /// are one a page or chunk), so this bounds calls too; an upload has a second more for each 64 KiB.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_silence(address: &BlobAddress, key: Option<Key>, silence: Duration) -> Result<Self, BlobError> {
        let (name, backend) = match &address.place {
            Place::Service(endpoint) => {
                let cloud = Cloud::open(endpoint, key, silence)?;
                (endpoint.name().to_owned(), Backend::Cloud(Arc::new(cloud)))
            }
            Place::Directory(root) => {
                (address.to_string(), Backend::Directory(Arc::new(Directory::new(root.clone(), address.to_string()))))
            }
        };
        Ok(Container { address: address.clone(), name: name.into(), backend })
    }

    /// The container's name, or the directory's absolute path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is; its `Display` shows no secrets.
    pub fn address(&self) -> &BlobAddress {
        &self.address
    }

    /// What kind of account it is in, where the service tells that to this program; nothing of a directory.
    pub async fn account(&self) -> Option<Account> {
        match &self.backend {
            Backend::Cloud(cloud) => cloud.account().await,
            Backend::Directory(_) => None,
        }
    }

    /// Makes the container if it is missing.
    ///
    /// # Errors
    /// Denied, transient, or the path is taken by a file.
    pub async fn ensure(&self) -> Result<(), BlobError> {
        match &self.backend {
            Backend::Cloud(cloud) => cloud.ensure().await,
            Backend::Directory(directory) => directory.clone().ensure().await,
        }
    }

    /// All blobs whose names begin with `prefix` and do not sort before `start_from`, in byte order of their names, in
    /// pages of at most 1,000. A page may be empty; the end of the stream is the end of the listing. Blobs written
    /// meanwhile may or may not be seen.
    ///
    /// # Errors
    /// The stream ends with its first error: list again, from the last name seen if there was one.
    pub fn list(
        &self,
        prefix: &str,
        start_from: Option<&str>,
    ) -> impl Stream<Item = Result<Vec<BlobEntry>, BlobError>> + Send + use<> {
        let pages: BoxStream<'static, _> = match &self.backend {
            Backend::Cloud(cloud) => Box::pin(cloud.clone().list(prefix, start_from, PAGE)),
            Backend::Directory(directory) => Box::pin(directory.clone().list(prefix, start_from, PAGE)),
        };
        pages
    }

    /// The first name that [`list`](Self::list) would show and that is `wanted`. Costs one small request where few
    /// others precede it.
    ///
    /// # Errors
    /// As a listing.
    pub async fn find(
        &self,
        prefix: &str,
        start_from: Option<&str>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, BlobError> {
        /// Of a path of directories in an account that lists them, all and the first file.
        const FEW: usize = 20;
        let mut pages: BoxStream<'static, _> = match &self.backend {
            Backend::Cloud(cloud) => Box::pin(cloud.clone().list(prefix, start_from, FEW)),
            Backend::Directory(directory) => Box::pin(directory.clone().list(prefix, start_from, FEW)),
        };
        while let Some(page) = pages.next().await {
            if let Some(entry) = page?.into_iter().find(|entry| wanted(&entry.name)) {
                return Ok(Some(entry.name));
            }
        }
        Ok(None)
    }

    /// A blob's bytes from position `from` to its end, in chunks of at most 4 MiB, of which at most four are in
    /// memory. All chunks are of one version of the blob: the one with `etag`, or else the one found first.
    ///
    /// # Errors
    /// The stream ends with its first error. After a transient one, read again with `from` moved past the bytes that
    /// came; they are whole and in order. [`BlobError::Changed`] when the blob was replaced.
    pub fn read(
        &self,
        name: &str,
        etag: Option<&str>,
        from: u64,
    ) -> impl Stream<Item = Result<Bytes, BlobError>> + Send + use<> {
        let chunks: BoxStream<'static, _> = match (self.check(name), &self.backend) {
            (Err(error), _) => Box::pin(futures::stream::iter([Err(error)])),
            (Ok(()), Backend::Cloud(cloud)) => Box::pin(cloud.clone().read(name, etag, from)),
            (Ok(()), Backend::Directory(directory)) => Box::pin(directory.clone().read(name, etag, from)),
        };
        chunks
    }

    /// A whole small blob.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] past `limit` bytes, [`BlobError::NoBlob`] if there is none.
    pub async fn get(&self, name: &str, limit: u64) -> Result<Bytes, BlobError> {
        self.check(name)?;
        match &self.backend {
            Backend::Cloud(cloud) => cloud.get(name, limit).await,
            Backend::Directory(directory) => directory.clone().get(name, limit).await,
        }
    }

    /// Writes a blob that is not there yet, in one request: it appears whole or not at all. For contents that are in
    /// memory anyway; [`stage`](Self::stage) is for large ones.
    ///
    /// # Errors
    /// [`BlobError::AlreadyExists`], with the blob there left untouched. A repeat after a transient error may find
    /// what the first try wrote.
    pub async fn create(&self, name: &str, content: Bytes) -> Result<(), BlobError> {
        self.check(name)?;
        match &self.backend {
            Backend::Cloud(cloud) => cloud.create(name, content).await,
            Backend::Directory(directory) => {
                let mut upload = directory.clone().stage(name).await?;
                upload.append_block(content).await?;
                upload.commit().await
            }
        }
    }

    /// Writes a small blob, whatever was there, in one request: who reads it meanwhile sees the old or the new one whole.
    ///
    /// # Errors
    /// Denied or transient, among others.
    pub async fn replace(&self, name: &str, content: Bytes) -> Result<(), BlobError> {
        self.check(name)?;
        match &self.backend {
            Backend::Cloud(cloud) => cloud.replace(name, content).await,
            Backend::Directory(directory) => directory.clone().replace(name, content).await,
        }
    }

    /// Deletes a blob, if it is there.
    ///
    /// # Errors
    /// Denied or transient, among others.
    pub async fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.check(name)?;
        let deleted = match &self.backend {
            Backend::Cloud(cloud) => cloud.delete(name).await,
            Backend::Directory(directory) => directory.clone().delete(name).await,
        };
        match deleted {
            Err(BlobError::NoBlob { .. }) => Ok(()),
            deleted => deleted,
        }
    }

    /// Begins a blob that is written piece by piece and appears, whole, with the last call.
    ///
    /// # Errors
    /// For a directory: its temporary file cannot be made.
    pub async fn stage(&self, name: &str) -> Result<StagedUpload, BlobError> {
        self.check(name)?;
        Ok(match &self.backend {
            Backend::Cloud(cloud) => CloudUpload::new(cloud.clone(), name.to_owned()).into(),
            Backend::Directory(directory) => directory.clone().stage(name).await?.into(),
        })
    }

    /// What a listing would show of one blob, or nothing if it is not there.
    ///
    /// # Errors
    /// [`BlobError::NoContainer`] among others: only the blob's own absence is an answer.
    pub async fn properties(&self, name: &str) -> Result<Option<BlobEntry>, BlobError> {
        self.check(name)?;
        let found = match &self.backend {
            Backend::Cloud(cloud) => cloud.properties(name).await,
            Backend::Directory(directory) => directory.clone().properties(name).await,
        };
        match found {
            Ok(entry) => Ok(Some(entry)),
            Err(BlobError::NoBlob { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn check(&self, name: &str) -> Result<(), BlobError> {
        match name::fault(name) {
            None => Ok(()),
            Some(fault) => Err(BlobError::BadName { address: self.address.to_string(), blob: name.to_owned(), fault }),
        }
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Container({})", self.address)
    }
}
