use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::headers::Headers;
use azure_core::http::{Etag, StatusCode};
use azure_storage_blob::models::{
    AccessTier, BlobClientDownloadOptions, BlobClientGetPropertiesResultHeaders as _, BlobClientUploadOptions,
    BlobContainerClientGetAccountInfoResultHeaders as _, BlobContainerClientListBlobsOptions, BlobItem,
};
use azure_storage_blob::{BlobClient, BlobContainerClient, BlobContainerClientOptions};
use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _, future, stream};

use super::entry::BlobEntry;
use super::error::{BlobError, Call, Intent};
use super::{CHUNK, READ_AHEAD};
use crate::azure::Key;
use crate::azure::access::Opener;
use crate::azure::endpoint::{Connection, Endpoint, Unopened};
use crate::azure::failure::has_code;

/// A container of a storage service.
pub(super) struct Cloud {
    address: String,
    opener: Opener,
    client: BlobContainerClient,
}

/// What a storage account is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Such as `StorageV2`.
    pub kind: String,
    /// How its data is kept, such as `Standard_LRS`.
    pub sku: String,
    /// Whether it is a data lake, whose directories are listed among the files.
    pub is_hierarchical: bool,
}

/// Part of a blob, and the blob it is part of.
struct Chunk {
    bytes: Bytes,
    total: u64,
    etag: String,
}

impl Cloud {
    pub fn open(endpoint: &Endpoint, key: Option<Key>, silence: Duration) -> Result<Self, BlobError> {
        let address = endpoint.shown().to_owned();
        let call = Call { address: &address, intent: Intent::Ensure, opener: Opener::Sas };
        let Connection { url, credential, options: client_options, opener } =
            endpoint.connect(key, silence).map_err(|error| match error {
                Unopened::NoCredential => BlobError::NoCredential { address: address.clone() },
                Unopened::Signature(error) => call.explain(error),
            })?;
        let options = BlobContainerClientOptions { client_options, ..BlobContainerClientOptions::default() };
        let client = BlobContainerClient::new(url, credential, Some(options)).map_err(|error| call.explain(error))?;
        Ok(Cloud { address, opener, client })
    }

    pub async fn account(&self) -> Option<Account> {
        let told = self.client.get_account_info(None).await.ok()?;
        Some(Account {
            kind: told.account_kind().ok()??.to_string(),
            sku: told.sku_name().ok()??.to_string(),
            is_hierarchical: told.is_hierarchical_namespace_enabled().ok().flatten().unwrap_or(false),
        })
    }

    pub async fn ensure(&self) -> Result<(), BlobError> {
        match self.client.create(None).await {
            Err(error) if has_code(&error, "ContainerAlreadyExists") => Ok(()),
            // The right to write blobs does not include the right to make containers.
            Err(error) if error.http_status() == Some(StatusCode::Forbidden) => {
                if self.is_there().await {
                    Ok(())
                } else {
                    Err(self.call(Intent::Ensure).explain(error))
                }
            }
            made => made.map(drop).map_err(|error| self.call(Intent::Ensure).explain(error)),
        }
    }

    /// Whether it is known to be there. A container's own SAS does not let anyone look at the container, but at what is
    /// in it.
    async fn is_there(&self) -> bool {
        if self.client.exists().await.is_ok_and(|there| there) {
            return true;
        }
        let options = BlobContainerClientListBlobsOptions { maxresults: Some(1), ..Default::default() };
        match self.client.list_blobs(Some(options)) {
            Ok(pager) => matches!(pager.into_pages().try_next().await, Ok(Some(_))),
            Err(_) => false,
        }
    }

    pub fn list(
        self: Arc<Self>,
        prefix: &str,
        start_from: Option<&str>,
        page: usize,
    ) -> impl Stream<Item = Result<Vec<BlobEntry>, BlobError>> + Send + use<> {
        let start_from = start_from.map(str::to_owned);
        let options = BlobContainerClientListBlobsOptions {
            prefix: Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty()),
            start_from: start_from.clone(),
            maxresults: i32::try_from(page).ok(),
            ..BlobContainerClientListBlobsOptions::default()
        };
        let pages = stream::once(future::ready(self.client.list_blobs(Some(options))));
        pages.map_ok(|pager| pager.into_pages()).try_flatten().map(move |page| {
            let call = self.call(Intent::List);
            let page = page.and_then(|page| page.into_model()).map_err(|error| call.explain(error))?;
            page.blob_items
                .into_iter()
                .filter(|item| item.name >= start_from)
                .map(|item| {
                    entry(item).ok_or_else(|| call.other("an entry lacks its name, etag, size or time".to_owned()))
                })
                .collect()
        })
    }

    pub fn read(
        self: Arc<Self>,
        name: &str,
        etag: Option<&str>,
        from: u64,
    ) -> impl Stream<Item = Result<Bytes, BlobError>> + Send + use<> {
        let (name, etag) = (Arc::<str>::from(name), etag.map(str::to_owned));
        let rest = async move {
            let Some(first) = self.fetch(&name, etag.as_deref(), from, CHUNK).await? else {
                return Ok(stream::empty().left_stream());
            };
            let etag = Arc::<str>::from(first.etag);
            let next = from.saturating_add(CHUNK);
            let starts = (next..first.total).step_by(usize::try_from(CHUNK).unwrap_or(usize::MAX));
            let chunks = stream::iter(starts).map(move |at| {
                let (cloud, name, etag) = (self.clone(), name.clone(), etag.clone());
                // A task of its own, so that a slow reader does not let a half-read answer time out; it ends when the
                // stream is dropped.
                let (fetch, chunk) = async move { cloud.fetch(&name, Some(&etag), at, CHUNK).await }.remote_handle();
                tokio::spawn(fetch);
                chunk
            });
            let chunks = chunks.buffered(READ_AHEAD).try_filter_map(|chunk| future::ok(chunk.map(|chunk| chunk.bytes)));
            Ok(stream::iter([Ok(first.bytes)]).chain(chunks).right_stream())
        };
        stream::once(rest).try_flatten()
    }

    pub async fn get(&self, name: &str, limit: u64) -> Result<Bytes, BlobError> {
        match self.fetch(name, None, 0, limit.saturating_add(1)).await? {
            Some(chunk) if chunk.total > limit => {
                let (address, blob) = (self.address.clone(), name.to_owned());
                Err(BlobError::TooLarge { address, blob, size: chunk.total, limit })
            }
            chunk => Ok(chunk.map(|chunk| chunk.bytes).unwrap_or_default()),
        }
    }

    pub async fn create(&self, name: &str, content: Bytes) -> Result<(), BlobError> {
        let options = BlobClientUploadOptions {
            // One request, whatever the size: in several, the blob would still appear at once, but cost more.
            partition_size: Some(NonZero::<u64>::MAX),
            ..BlobClientUploadOptions::default().if_not_exists()
        };
        let done = self.blob(name).upload(content.into(), Some(options)).await;
        done.map(drop).map_err(|error| self.call(Intent::Create(name)).explain(error))
    }

    pub async fn replace(&self, name: &str, content: Bytes) -> Result<(), BlobError> {
        let options =
            BlobClientUploadOptions { partition_size: Some(NonZero::<u64>::MAX), ..BlobClientUploadOptions::default() };
        let done = self.blob(name).upload(content.into(), Some(options)).await;
        done.map(drop).map_err(|error| self.call(Intent::Create(name)).explain(error))
    }

    pub async fn delete(&self, name: &str) -> Result<(), BlobError> {
        let done = self.blob(name).delete(None).await;
        done.map(drop).map_err(|error| self.call(Intent::Delete(name)).explain(error))
    }

    pub async fn properties(&self, name: &str) -> Result<BlobEntry, BlobError> {
        let call = self.call(Intent::Read(name, None));
        let answer = self.blob(name).get_properties(None).await.map_err(|error| call.explain(error))?;
        let read = || {
            Some(BlobEntry {
                name: name.to_owned(),
                etag: bare(answer.etag().ok()??.as_ref()),
                size: answer.content_length().ok()??,
                last_modified: answer.last_modified().ok()??,
                archived: answer.access_tier().ok()?.as_deref() == Some("Archive"),
            })
        };
        read().ok_or_else(|| call.other("the answer lacks an etag, a size or a time".to_owned()))
    }

    /// At most `length` bytes from position `at`, or nothing if the blob ends before.
    async fn fetch(&self, name: &str, etag: Option<&str>, at: u64, length: u64) -> Result<Option<Chunk>, BlobError> {
        let call = self.call(Intent::Read(name, etag));
        let options = BlobClientDownloadOptions {
            if_match: etag.map(|etag| Etag::from(format!("\"{etag}\""))),
            range: Some((at..at.saturating_add(length)).into()),
            // One request, whose answer is not gathered by the SDK: the loop below bounds it.
            parallel: Some(NonZero::<usize>::MIN),
            partition_size: usize::try_from(length).ok().and_then(NonZero::new),
            ..BlobClientDownloadOptions::default()
        };
        let mut answer = match self.blob(name).download(Some(options)).await {
            Ok(answer) => answer,
            Err(error) if error.http_status() == Some(StatusCode::RequestedRangeNotSatisfiable) => return Ok(None),
            Err(error) => return Err(call.explain(error)),
        };
        let total = total(&answer.headers).ok_or_else(|| call.other("the answer lacks the blob's size".to_owned()))?;
        let etag = answer.headers.get_optional_str(&"etag".into()).map(bare);
        let etag = etag.ok_or_else(|| call.other("the answer lacks an etag".to_owned()))?;
        let expected = total.saturating_sub(at).min(length);
        let mut bytes = BytesMut::with_capacity(usize::try_from(expected).unwrap_or_default());
        while let Some(piece) = answer.body.try_next().await.map_err(|error| call.explain(error))? {
            bytes.extend_from_slice(&piece);
            if bytes.len() as u64 > expected {
                break;
            }
        }
        if bytes.len() as u64 != expected {
            return Err(call.transient(format!("the answer has {} bytes at {at} instead of {expected}", bytes.len())));
        }
        Ok(Some(Chunk { bytes: bytes.freeze(), total, etag }))
    }

    pub(super) fn blob(&self, name: &str) -> BlobClient {
        self.client.blob_client(name)
    }

    pub(super) fn call<'a>(&'a self, intent: Intent<'a>) -> Call<'a> {
        Call { address: &self.address, intent, opener: self.opener }
    }
}

fn entry(item: BlobItem) -> Option<BlobEntry> {
    let properties = item.properties?;
    Some(BlobEntry {
        name: item.name?,
        etag: bare(properties.etag?.as_ref()),
        size: properties.content_length?,
        last_modified: properties.last_modified?,
        archived: properties.access_tier == Some(AccessTier::Archive),
    })
}

/// An etag without its quotes: the service puts them in headers and leaves them out of listings.
fn bare(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// The whole blob's size, from an answer with a part of it or with all of it.
fn total(headers: &Headers) -> Option<u64> {
    let part = headers.get_optional_str(&"content-range".into()).and_then(|range| range.split_once('/'));
    match part {
        Some((_, total)) => total.parse().ok(),
        None => headers.get_optional_str(&"content-length".into())?.parse().ok(),
    }
}
