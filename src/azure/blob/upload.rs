use std::collections::HashMap;
use std::sync::Arc;

use azure_core::http::RequestContent;
use azure_storage_blob::models::{
    BlobClientGetPropertiesResultHeaders as _, BlockBlobClientCommitBlockListOptions, BlockLookupList,
};
use bytes::Bytes;
use uuid::Uuid;

use super::cloud::Cloud;
use super::dir::DirectoryUpload;
use super::error::{BlobError, Intent};
use crate::azure::failure::has_code;

/// The service's limit.
const MOST_BLOCKS: usize = 50_000;
/// The metadata by which a repeated commit recognises what its first try wrote.
const UPLOAD_ID: &str = "deltawaveupload";

/// A blob being written piece by piece: invisible until [`commit`](Self::commit), and never
/// seen if that does not come. A service forgets the pieces after a week; in a directory they go with this value, and
/// those of a killed program stay below `.partial` until somebody deletes them.
pub struct StagedUpload(Target);

enum Target {
    Cloud(CloudUpload),
    Directory(DirectoryUpload),
}

impl StagedUpload {
    /// Adds the next bytes: at best some MiB, as a service takes at most 50,000 pieces. They need not be kept after
    /// success.
    ///
    /// # Errors
    /// After an error the piece is not part of the upload, and the same call may be made again.
    pub async fn append_block(&mut self, block: Bytes) -> Result<(), BlobError> {
        match &mut self.0 {
            Target::Cloud(upload) => upload.append_block(block).await,
            Target::Directory(upload) => upload.append_block(block).await,
        }
    }

    /// Makes the blob appear, durably and whole, unless one of its name is there.
    ///
    /// # Errors
    /// [`BlobError::AlreadyExists`] when somebody else's blob is there. After a transient error the call may be made
    /// again: it recognises its own blob.
    pub async fn commit(&mut self) -> Result<(), BlobError> {
        match &mut self.0 {
            Target::Cloud(upload) => upload.commit().await,
            Target::Directory(upload) => upload.commit().await,
        }
    }
}

impl From<CloudUpload> for StagedUpload {
    fn from(upload: CloudUpload) -> Self {
        StagedUpload(Target::Cloud(upload))
    }
}

impl From<DirectoryUpload> for StagedUpload {
    fn from(upload: DirectoryUpload) -> Self {
        StagedUpload(Target::Directory(upload))
    }
}

/// Uncommitted blocks of a block blob.
pub(super) struct CloudUpload {
    cloud: Arc<Cloud>,
    name: String,
    id: Uuid,
    blocks: Vec<Vec<u8>>,
}

impl CloudUpload {
    pub fn new(cloud: Arc<Cloud>, name: String) -> Self {
        CloudUpload { cloud, name, id: Uuid::new_v4(), blocks: Vec::new() }
    }

    async fn append_block(&mut self, block: Bytes) -> Result<(), BlobError> {
        let call = self.cloud.call(Intent::Create(&self.name));
        if self.blocks.len() >= MOST_BLOCKS {
            return Err(call.other(format!("it has {MOST_BLOCKS} blocks already, so they must be larger")));
        }
        if block.is_empty() {
            return Ok(());
        }
        // Ids are unique to this upload: two writers of one name do not mix their blocks.
        let id = format!("{}-{:05}", self.id, self.blocks.len()).into_bytes();
        let length = block.len() as u64;
        let client = self.cloud.blob(&self.name).block_blob_client();
        client.stage_block(&id, length, block.into(), None).await.map_err(|error| call.explain(error))?;
        self.blocks.push(id);
        Ok(())
    }

    async fn commit(&self) -> Result<(), BlobError> {
        let call = self.cloud.call(Intent::Create(&self.name));
        let list = BlockLookupList { latest: Some(self.blocks.clone()), ..BlockLookupList::default() };
        let list = RequestContent::try_from(list).map_err(|error| call.explain(error))?;
        let options = BlockBlobClientCommitBlockListOptions {
            if_none_match: Some("*".into()),
            metadata: Some(HashMap::from([(UPLOAD_ID.to_owned(), self.id.to_string())])),
            ..BlockBlobClientCommitBlockListOptions::default()
        };
        let client = self.cloud.blob(&self.name).block_blob_client();
        let Err(error) = client.commit_block_list(list, Some(options)).await else {
            return Ok(());
        };
        // A commit by another writer makes the service drop this one's blocks: the list is then said to be invalid.
        let dropped = has_code(&error, "InvalidBlockList");
        let error = call.explain(error);
        if !dropped && !matches!(error, BlobError::AlreadyExists { .. }) {
            return Err(error);
        }
        match self.is_there().await? {
            Some(true) => Ok(()),
            Some(false) => Err(call.already_exists()),
            None => Err(error),
        }
    }

    /// Whether the blob of that name is this upload's; nothing if there is none.
    async fn is_there(&self) -> Result<Option<bool>, BlobError> {
        let call = self.cloud.call(Intent::Read(&self.name, None));
        let found = self.cloud.blob(&self.name).get_properties(None).await.map_err(|error| call.explain(error));
        match found {
            Ok(answer) => {
                let metadata = answer.metadata().map_err(|error| call.explain(error))?;
                Ok(Some(metadata.get(UPLOAD_ID).is_some_and(|id| *id == self.id.to_string())))
            }
            Err(BlobError::NoBlob { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
