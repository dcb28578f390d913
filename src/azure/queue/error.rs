use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::time::OffsetDateTime;

use crate::azure::access::Opener;
use crate::azure::cure::cure;
use crate::azure::failure::{retry_after, root, unsaid, unsigned};

/// Why a queue call failed. No text here holds a SAS, a token or a key, and none of the SDK's own errors is kept as a
/// cause, because they print the URL they were sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The queue is missing.
    #[error("queue {address} does not exist: create it, or correct the address")]
    NoQueue { address: String },
    /// The message was deleted, or its lease ended and it is somebody else's now.
    #[error("message {id} of {address} is no longer ours: it was deleted, or its lease ended before")]
    Lost { address: String, id: String },
    /// The service knows the caller and refuses, or does not know it.
    #[error("access to queue {address} is refused ({code}): {cure}")]
    Denied { address: String, code: String, cure: String },
    /// It may work later: no connection, a silent server, an answer cut short, throttling, a fault of the service.
    #[error("cannot {doing} queue {address} now ({reason}): see that it is reachable, then try again")]
    Transient { address: String, doing: &'static str, reason: String, retry_after: Option<Duration> },
    /// The address has neither a SAS nor a key, and there is no identity to use.
    #[error("{address} needs a credential: append a SAS to the address, give one beside it, or choose a --credential")]
    NoCredential { address: String },
    /// The credential gave no token.
    #[error("no token for queue {address}: {reason}")]
    NoToken { address: String, reason: String },
    /// The SAS could not be read.
    #[error("no SAS for queue {address}: {reason}")]
    NoSas { address: String, reason: String, is_transient: bool },
    /// Something repeating does not mend.
    #[error("cannot {doing} queue {address} ({reason}): look the code up in the service's documentation")]
    Other { address: String, doing: &'static str, reason: String },
}

impl QueueError {
    /// Whether the same call may succeed later. A missing token counts: identity endpoints start after programs do.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            QueueError::Transient { .. } | QueueError::NoToken { .. } | QueueError::NoSas { is_transient: true, .. }
        )
    }

    /// How long the service asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            QueueError::Transient { retry_after, .. } => *retry_after,
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
    Look,
    Peek,
    Receive,
    Put,
    /// The message's id.
    Delete(&'a str),
}

impl Intent<'_> {
    fn doing(self) -> &'static str {
        match self {
            Intent::Ensure => "create",
            Intent::Look => "look at",
            Intent::Peek => "look into",
            Intent::Receive => "receive from",
            Intent::Put => "put a message into",
            Intent::Delete(_) => "delete a message from",
        }
    }

    /// The least role that allows it.
    fn role(self) -> &'static str {
        match self {
            Intent::Ensure => "Storage Queue Data Contributor",
            Intent::Look => "Storage Queue Data Reader",
            Intent::Peek | Intent::Receive | Intent::Delete(_) => "Storage Queue Data Message Processor",
            Intent::Put => "Storage Queue Data Message Sender",
        }
    }
}

impl Call<'_> {
    /// What an SDK error means for this call.
    pub fn explain(self, error: &azure_core::Error) -> QueueError {
        let address = self.address.to_owned();
        match error.kind() {
            ErrorKind::HttpResponse { status, error_code, raw_response } => {
                let code = error_code.as_deref().map(unsaid).unwrap_or_default();
                let (status, code) = (u16::from(*status), code.as_str());
                let now = OffsetDateTime::now_utc();
                if matches!(status, 401 | 403) {
                    let cure = cure(code, self.opener, self.intent.role(), raw_response.as_deref(), now);
                    return QueueError::Denied {
                        address,
                        code: format!("{status} {code}").trim_end().to_owned(),
                        cure,
                    };
                }
                let pause = raw_response.as_deref().and_then(|answer| retry_after(answer, now));
                self.refusal(status, code, pause)
            }
            ErrorKind::Connection | ErrorKind::Io => {
                QueueError::Transient { address, doing: self.intent.doing(), reason: root(error), retry_after: None }
            }
            ErrorKind::Credential => match unsigned(error) {
                Some(error) => {
                    QueueError::NoSas { address, reason: error.to_string(), is_transient: error.is_transient() }
                }
                None => QueueError::NoToken { address, reason: error.to_string() },
            },
            _ => self.other(root(error)),
        }
    }

    fn refusal(self, status: u16, code: &str, pause: Option<Duration>) -> QueueError {
        let address = self.address.to_owned();
        let reason = format!("{status} {code}");
        match (status, code, self.intent) {
            (404, "MessageNotFound", Intent::Delete(id)) | (400, "PopReceiptMismatch", Intent::Delete(id)) => {
                QueueError::Lost { address, id: id.to_owned() }
            }
            (404, ..) => QueueError::NoQueue { address },
            // A queue of the same name is still being deleted.
            (408 | 429 | 500.., ..) | (409, "QueueBeingDeleted", _) => {
                QueueError::Transient { address, doing: self.intent.doing(), reason, retry_after: pause }
            }
            _ => self.other(reason),
        }
    }

    pub fn other(self, reason: String) -> QueueError {
        QueueError::Other { address: self.address.to_owned(), doing: self.intent.doing(), reason }
    }
}
