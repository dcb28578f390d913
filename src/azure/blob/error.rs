use std::io;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::time::OffsetDateTime;
use azure_storage_blob::StorageError;

use crate::azure::access::Opener;
use crate::azure::cure::cure;
use crate::azure::failure::{retry_after, root, unsaid, unsigned};

/// Why a blob call failed. No text here holds a SAS, a token or a key, and none of the SDK's own errors is kept as a
/// cause, because they print the URL they were sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The container or directory itself is missing.
    #[error("{address} does not exist: create it, or correct the address")]
    NoContainer { address: String },
    /// The container has no blob of that name.
    #[error("{address} has no blob {blob}: it was never written, or was deleted since it was listed")]
    NoBlob { address: String, blob: String },
    /// A blob of that name is there already and was left as it is. After a transient failure of the same write it may
    /// be the caller's own.
    #[error("{address} already has blob {blob}: it was not replaced, so choose another name")]
    AlreadyExists { address: String, blob: String },
    /// The service knows the caller and refuses, or does not know it.
    #[error("access to {address} is refused ({code}): {cure}")]
    Denied { address: String, status: u16, code: String, cure: String },
    /// The operating system refuses access to a file or directory.
    #[error("access to {address} is refused by the operating system: give this user the right to {doing}")]
    Forbidden { address: String, doing: String },
    /// The blob is no longer the one that was asked for.
    #[error("blob {blob} of {address} was replaced (expected etag {expected}): list it again")]
    Changed { address: String, blob: String, expected: String },
    /// The blob is in the archive tier.
    #[error(
        "blob {blob} of {address} is archived and cannot be read: rehydrate it (az storage blob set-tier --tier Cool), \
         which takes hours"
    )]
    Archived { address: String, blob: String },
    /// The service refuses to read this blob, whoever asks.
    #[error("blob {blob} of {address} cannot be read ({reason}): look the code up in the service's documentation")]
    Unreadable { address: String, blob: String, reason: String },
    /// It may work later: no connection, a silent server, an answer cut short, throttling, a fault of the service.
    #[error("cannot {doing} in {address} now ({reason}): see that it is reachable, then try again")]
    Transient { address: String, doing: String, reason: String, retry_after: Option<Duration> },
    /// The address has neither a SAS nor a key, and there is no identity to use.
    #[error("{address} needs a credential: append a SAS to the address, give one beside it, or choose a --credential")]
    NoCredential { address: String },
    /// The credential gave no token.
    #[error("no token for {address}: {reason}")]
    NoToken { address: String, reason: String },
    /// The SAS could not be read.
    #[error("no SAS for {address}: {reason}")]
    NoSas { address: String, reason: String, is_transient: bool },
    /// The blob is larger than the caller takes.
    #[error("blob {blob} of {address} has {size} bytes, more than the {limit} that are read: check what wrote it")]
    TooLarge { address: String, blob: String, size: u64, limit: u64 },
    /// No backend takes that name.
    #[error("{blob:?} cannot be a blob in {address}: {fault}")]
    BadName { address: String, blob: String, fault: &'static str },
    /// Something repeating does not mend.
    #[error("cannot {doing} in {address} ({reason}): look the code up in the service's documentation")]
    Other { address: String, doing: String, reason: String },
}

impl BlobError {
    /// Whether the same call may succeed later. A missing token counts: identity endpoints start after programs do.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            BlobError::Transient { .. } | BlobError::NoToken { .. } | BlobError::NoSas { is_transient: true, .. }
        )
    }

    /// Whether it may be the trouble of the one blob that was to be read, and of no other.
    pub fn may_be_its_own(&self) -> bool {
        self.is_its_own() || matches!(self, BlobError::Denied { .. } | BlobError::Forbidden { .. })
    }

    /// Whether it is the trouble of the one blob that was to be read, and of no other.
    pub fn is_its_own(&self) -> bool {
        matches!(self, BlobError::Archived { .. } | BlobError::Unreadable { .. } | BlobError::BadName { .. })
    }

    /// How long the service asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            BlobError::Transient { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What a call was about, for its error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub address: &'a str,
    pub intent: Intent<'a>,
    pub opener: Opener,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Intent<'a> {
    Ensure,
    List,
    /// The blob and the etag it must have.
    Read(&'a str, Option<&'a str>),
    Create(&'a str),
    Delete(&'a str),
}

impl<'a> Intent<'a> {
    fn blob(self) -> Option<&'a str> {
        match self {
            Intent::Ensure | Intent::List => None,
            Intent::Read(blob, _) | Intent::Create(blob) | Intent::Delete(blob) => Some(blob),
        }
    }

    /// The least role that allows it.
    fn role(self) -> &'static str {
        match self {
            Intent::List | Intent::Read(..) => "Storage Blob Data Reader",
            Intent::Ensure | Intent::Create(_) | Intent::Delete(_) => "Storage Blob Data Contributor",
        }
    }

    fn doing(self) -> String {
        match self {
            Intent::Ensure => "create the container".to_owned(),
            Intent::List => "list blobs".to_owned(),
            Intent::Read(blob, _) => format!("read blob {blob}"),
            Intent::Create(blob) => format!("write blob {blob}"),
            Intent::Delete(blob) => format!("delete blob {blob}"),
        }
    }
}

impl Call<'_> {
    /// What an SDK error means for this call.
    pub fn explain(self, error: azure_core::Error) -> BlobError {
        match error.kind() {
            ErrorKind::HttpResponse { status, error_code, raw_response } => {
                let (status, code) = (u16::from(*status), error_code.as_deref().map(unsaid).unwrap_or_default());
                let now = OffsetDateTime::now_utc();
                if matches!(status, 401 | 403) {
                    let cure = cure(&code, self.opener, self.intent.role(), raw_response.as_deref(), now);
                    let code = format!("{status} {code}").trim_end().to_owned();
                    return BlobError::Denied { address: self.address.to_owned(), status, code, cure };
                }
                let pause = raw_response.as_deref().and_then(|answer| retry_after(answer, now));
                self.refusal(status, &code, pause, error)
            }
            ErrorKind::Connection | ErrorKind::Io => self.transient(root(&error)),
            ErrorKind::Credential => {
                let address = self.address.to_owned();
                match unsigned(&error) {
                    Some(error) => {
                        BlobError::NoSas { address, reason: error.to_string(), is_transient: error.is_transient() }
                    }
                    None => BlobError::NoToken { address, reason: error.to_string() },
                }
            }
            _ => self.other(root(&error)),
        }
    }

    fn refusal(self, status: u16, code: &str, pause: Option<Duration>, error: azure_core::Error) -> BlobError {
        let address = self.address.to_owned();
        let reason = format!("{status} {code}");
        match (status, code, self.intent) {
            (404, "ContainerNotFound", _) => self.no_container(),
            (404, _, Intent::Read(..) | Intent::Create(_) | Intent::Delete(_)) => self.no_blob(),
            (404, ..) => self.no_container(),
            (409, "BlobAlreadyExists", Intent::Create(_)) | (412, _, Intent::Create(_)) => self.already_exists(),
            (412, _, Intent::Read(_, Some(etag))) => self.changed(etag),
            // A container of the same name is still being deleted.
            (408 | 429 | 500.., ..) | (409, "ContainerBeingDeleted", _) => {
                BlobError::Transient { address, doing: self.intent.doing(), reason, retry_after: pause }
            }
            (409, "BlobArchived" | "BlobBeingRehydrated", Intent::Read(blob, _)) => {
                BlobError::Archived { address, blob: blob.to_owned() }
            }
            (status, _, intent) => {
                let reason = match message(error) {
                    Some(message) => format!("{reason}: {message}"),
                    None => reason,
                };
                match intent {
                    Intent::Read(blob, _) if status != 400 => {
                        BlobError::Unreadable { address, blob: blob.to_owned(), reason }
                    }
                    _ => self.other(reason),
                }
            }
        }
    }

    /// What an operating system's error means for this call. `there` tells whether the directory itself exists.
    pub fn explain_io(self, error: &io::Error, there: bool) -> BlobError {
        use io::ErrorKind as Kind;
        match (error.kind(), self.intent) {
            (Kind::NotFound, _) if !there => self.no_container(),
            (Kind::NotFound, Intent::Read(..) | Intent::Delete(_)) => self.no_blob(),
            (Kind::AlreadyExists, Intent::Create(_)) => self.already_exists(),
            (Kind::PermissionDenied | Kind::ReadOnlyFilesystem, _) => {
                BlobError::Forbidden { address: self.address.to_owned(), doing: self.intent.doing() }
            }
            (Kind::StorageFull | Kind::QuotaExceeded | Kind::TimedOut | Kind::Interrupted, _) => {
                self.transient(error.to_string())
            }
            _ => self.other(error.to_string()),
        }
    }

    pub fn transient(self, reason: String) -> BlobError {
        let address = self.address.to_owned();
        BlobError::Transient { address, doing: self.intent.doing(), reason, retry_after: None }
    }

    pub fn other(self, reason: String) -> BlobError {
        BlobError::Other { address: self.address.to_owned(), doing: self.intent.doing(), reason }
    }

    pub fn changed(self, expected: &str) -> BlobError {
        BlobError::Changed { address: self.address.to_owned(), blob: self.named(), expected: expected.to_owned() }
    }

    pub fn already_exists(self) -> BlobError {
        BlobError::AlreadyExists { address: self.address.to_owned(), blob: self.named() }
    }

    pub fn no_blob(self) -> BlobError {
        BlobError::NoBlob { address: self.address.to_owned(), blob: self.named() }
    }

    fn no_container(self) -> BlobError {
        BlobError::NoContainer { address: self.address.to_owned() }
    }

    fn named(self) -> String {
        self.intent.blob().unwrap_or_default().to_owned()
    }
}

/// The service's own sentence, without the request's id and time that follow it on lines of their own.
fn message(error: azure_core::Error) -> Option<String> {
    StorageError::try_from(error).ok()?.message.map(|message| unsaid(&message))
}
