use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::{RequestContent, StatusCode};
use azure_storage_queue::models::{
    QueueClientGetPropertiesResultHeaders as _, QueueClientPeekMessagesOptions, QueueClientReceiveMessagesOptions,
    QueueClientSendMessageOptions, QueueMessage, ReceivedMessage,
};
use azure_storage_queue::{QueueClient, QueueClientOptions};

use super::address::QueueAddress;
use super::error::{Call, Intent, QueueError};
use crate::azure::Key;
use crate::azure::access::Opener;
use crate::azure::endpoint::{Connection, Unopened};
use crate::azure::failure::has_code;

/// The longest a server may be silent: calls are small, and nobody is to wait for a queue that is away.
const SILENCE: Duration = Duration::from_secs(10);

/// Most messages that one call receives: the service's limit.
pub const MOST_RECEIVED: usize = 32;

/// A message in hand: the queue shows it to nobody else until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The service's name for it, the same each time it is received.
    pub id: String,
    /// The text as it was put, which some senders encode in base64.
    pub text: String,
    /// How often it was received, this time included.
    pub dequeue_count: u64,
    /// What this receipt of it, and no other, is deleted with.
    pop_receipt: String,
}

/// An open queue; cheap to clone, and all clones share one pool of connections.
#[derive(Clone)]
pub struct Queue {
    address: Arc<str>,
    opener: Opener,
    client: Arc<QueueClient>,
}

impl Queue {
    /// Opens a queue without touching it: nothing is sent. Calls give up on a server that is silent for 10 s.
    ///
    /// # Errors
    /// [`QueueError::NoCredential`] if the address [needs a credential](QueueAddress::needs_credential) and no key is
    /// given. A token that is not needed is not used; a SAS is always used.
    pub fn open(address: &QueueAddress, key: Option<Key>) -> Result<Self, QueueError> {
        let shown = address.to_string();
        let call = Call { address: &shown, intent: Intent::Receive, opener: Opener::Sas };
        let Connection { url, credential, options: client_options, opener } =
            address.endpoint.connect(key, SILENCE).map_err(|error| match error {
                Unopened::NoCredential => QueueError::NoCredential { address: shown.clone() },
                Unopened::Signature(error) => call.explain(&error),
            })?;
        let options = QueueClientOptions { client_options, ..QueueClientOptions::default() };
        let client = QueueClient::new(url, credential, Some(options)).map_err(|error| call.explain(&error))?;
        Ok(Queue { address: shown.into(), opener, client: Arc::new(client) })
    }

    /// Makes the queue if it is missing.
    ///
    /// # Errors
    /// Denied or transient. The right to read and write messages does not include the right to make queues.
    pub async fn ensure(&self) -> Result<(), QueueError> {
        match self.client.create(None).await {
            Err(error) if has_code(&error, "QueueAlreadyExists") => Ok(()),
            Err(error) if error.http_status() == Some(StatusCode::Forbidden) => {
                let there = self.client.exists().await.unwrap_or_default();
                if there { Ok(()) } else { Err(self.call(Intent::Ensure).explain(&error)) }
            }
            made => made.map(drop).map_err(|error| self.call(Intent::Ensure).explain(&error)),
        }
    }

    /// Takes at most `most` messages (never more than [`MOST_RECEIVED`]), roughly the oldest first, and hides them
    /// from everybody for `visibility`, in whole seconds of 1 to 7 days. No messages is an answer.
    ///
    /// # Errors
    /// If the answer is lost on its way, so are its messages, until `visibility` ends.
    pub async fn receive(&self, most: usize, visibility: Duration) -> Result<Vec<Message>, QueueError> {
        let call = self.call(Intent::Receive);
        let options = QueueClientReceiveMessagesOptions {
            number_of_messages: i32::try_from(most.clamp(1, MOST_RECEIVED)).ok(),
            visibility_timeout: i32::try_from(visibility.as_secs().max(1)).ok(),
            ..QueueClientReceiveMessagesOptions::default()
        };
        let answer = self.client.receive_messages(Some(options)).await.map_err(|error| call.explain(&error))?;
        let messages = answer.into_model().map_err(|error| call.explain(&error))?.items.unwrap_or_default();
        messages
            .into_iter()
            .map(|received| message(received).ok_or_else(|| call.other("a message lacks its id or receipt".to_owned())))
            .collect()
    }

    /// How many messages could be received now, as far as one look shows: at most [`MOST_RECEIVED`]. Hides none.
    ///
    /// # Errors
    /// Missing, denied or transient.
    pub async fn peek(&self) -> Result<usize, QueueError> {
        let call = self.call(Intent::Peek);
        let options = QueueClientPeekMessagesOptions {
            number_of_messages: i32::try_from(MOST_RECEIVED).ok(),
            ..QueueClientPeekMessagesOptions::default()
        };
        let answer = self.client.peek_messages(Some(options)).await.map_err(|error| call.explain(&error))?;
        Ok(answer.into_model().map_err(|error| call.explain(&error))?.items.unwrap_or_default().len())
    }

    /// Deletes a message for good.
    ///
    /// # Errors
    /// [`QueueError::Lost`] if its lease ended and somebody else received it, or it is deleted already.
    pub async fn delete(&self, message: &Message) -> Result<(), QueueError> {
        let deleted = self.client.delete_message(&message.id, &message.pop_receipt, None).await;
        deleted.map(drop).map_err(|error| self.call(Intent::Delete(&message.id)).explain(&error))
    }

    /// Puts a message that stays until somebody deletes it. The service takes at most 64 KiB.
    ///
    /// # Errors
    /// After a transient one the message may be there all the same.
    pub async fn put(&self, text: &str) -> Result<(), QueueError> {
        let call = self.call(Intent::Put);
        let message = QueueMessage { message_text: Some(text.to_owned()) };
        let message = RequestContent::try_from(message).map_err(|error| call.explain(&error))?;
        let options = QueueClientSendMessageOptions {
            // Never: the service's default is a week.
            message_time_to_live: Some(-1),
            ..QueueClientSendMessageOptions::default()
        };
        let put = self.client.send_message(message, Some(options)).await;
        put.map(drop).map_err(|error| call.explain(&error))
    }

    /// About how many messages it holds, hidden ones included: never fewer than there are.
    ///
    /// # Errors
    /// Missing, denied or transient.
    pub async fn length(&self) -> Result<u64, QueueError> {
        let call = self.call(Intent::Look);
        let answer = self.client.get_properties(None).await.map_err(|error| call.explain(&error))?;
        let length = answer.approximate_messages_count().map_err(|error| call.explain(&error))?;
        let length = length.and_then(|length| u64::try_from(length).ok());
        length.ok_or_else(|| call.other("the answer lacks the number of messages".to_owned()))
    }

    fn call<'a>(&'a self, intent: Intent<'a>) -> Call<'a> {
        Call { address: &self.address, intent, opener: self.opener }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({})", self.address)
    }
}

fn message(received: ReceivedMessage) -> Option<Message> {
    Some(Message {
        id: received.message_id?,
        text: received.message_text.unwrap_or_default(),
        dequeue_count: received.dequeue_count.and_then(|count| u64::try_from(count).ok()).unwrap_or(1),
        pop_receipt: received.pop_receipt?,
    })
}
