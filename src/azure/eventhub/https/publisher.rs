use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::error::HttpsError;
use super::lane::Lane;
use super::proof::Proof;
use super::service::Service;
use crate::azure::eventhub::EventHubAddress;
use crate::azure::eventhub::outbox::{LARGEST, Message, Outbox};
use crate::azure::eventhub::partitioner;
use crate::base::{DeliveryWatch, Queued, SecretReader, SecretSource, TokenSource};

/// Requests under way at once.
const LANES: usize = 32;

/// Writes to one event hub over HTTPS, at least once.
///
/// Each key has one lane, so that its events keep their order, and one partition, which the service chooses by the key.
/// What was sent and not acknowledged is sent again, and may be there twice. After the first event that is given up its
/// lane sends no more.
pub struct HttpsPublisher {
    address: EventHubAddress,
    lanes: Vec<mpsc::UnboundedSender<Message>>,
    outbox: Outbox,
    tasks: Vec<AbortHandle>,
}

impl HttpsPublisher {
    /// Reads the connection string, or else uses the identity's tokens. Sends nothing: there is no question to ask that
    /// a sender may. Each event is tried for `patience`.
    ///
    /// # Errors
    /// There is no connection string where it should be, or it is for something else.
    pub async fn open<I>(
        address: EventHubAddress,
        connection_string: Option<&SecretSource>,
        identity: &Arc<I>,
        patience: Duration,
        watch: impl DeliveryWatch,
    ) -> Result<Self, HttpsError>
    where
        I: SecretReader + TokenSource + 'static,
    {
        let proof = Proof::open(&address, connection_string, identity).await?;
        let service = Arc::new(Service::new(address.clone(), proof)?);
        let outbox = Outbox::new(watch);
        let (mut lanes, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..LANES {
            let (sender, queue) = mpsc::unbounded_channel();
            let lane = Lane { service: Arc::clone(&service), patience, ends: outbox.ends(None) };
            tasks.push(tokio::spawn(lane.run(queue)).abort_handle());
            lanes.push(sender);
        }
        Ok(HttpsPublisher { address, lanes, outbox, tasks })
    }

    /// Queues a copy of the event; never blocks.
    ///
    /// # Errors
    /// [`HttpsError::TooLarge`].
    pub fn send(&self, key: &[u8], payload: &[u8], tag: usize) -> Result<Queued, HttpsError> {
        let size = key.len() + payload.len();
        if size > LARGEST {
            return Err(HttpsError::TooLarge { address: self.address.to_string(), size, reason: None });
        }
        let Some(message) = self.outbox.take(key, payload, tag) else { return Ok(Queued::Full) };
        match self.lanes[partitioner::partition(key, self.lanes.len())].send(message) {
            Ok(()) => Ok(Queued::Taken),
            Err(_) => Err(HttpsError::Stopped { address: self.address.to_string() }),
        }
    }

    /// Waits until every event's end was reported, at most `patience`. Blocks the thread.
    pub fn drain(&self, patience: Duration) {
        self.outbox.drain(patience);
    }
}

impl Drop for HttpsPublisher {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
