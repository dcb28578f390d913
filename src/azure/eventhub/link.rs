use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use tokio::sync::Mutex;

use super::address::EventHubAddress;
use super::client::Client;
use super::error::EventHubError;

/// The one connection that all partitions share, made anew after it broke.
pub(super) struct Link {
    address: EventHubAddress,
    credential: Arc<dyn TokenCredential>,
    answer: Duration,
    client: Mutex<Option<Arc<Client>>>,
    /// Whether anything was ever acknowledged: the service knows this identity, and what it refuses now may pass.
    known: AtomicBool,
    down: AtomicBool,
}

impl Link {
    /// Connects when it is first used. `answer` is how long anything may take.
    pub(super) fn new(address: EventHubAddress, credential: Arc<dyn TokenCredential>, answer: Duration) -> Self {
        Link {
            address,
            credential,
            answer,
            client: Mutex::default(),
            known: AtomicBool::new(false),
            down: AtomicBool::new(false),
        }
    }

    pub(super) fn address(&self) -> &EventHubAddress {
        &self.address
    }

    pub(super) async fn client(&self) -> Result<Arc<Client>, EventHubError> {
        let mut client = self.client.lock().await;
        if let Some(client) = &*client {
            return Ok(Arc::clone(client));
        }
        let new = Arc::new(Client::open(&self.address, &self.credential, self.answer).await?);
        Ok(Arc::clone(client.insert(new)))
    }

    /// Says that a client failed: nobody gets it any more.
    pub(super) async fn discard(&self, failed: &Arc<Client>) {
        let mut client = self.client.lock().await;
        if client.as_ref().is_some_and(|client| Arc::ptr_eq(client, failed)) {
            *client = None;
        }
    }

    /// Notes an acknowledgement.
    pub(super) fn works(&self) {
        self.known.store(true, Ordering::Relaxed);
        if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed) {
            tracing::info!(event_hub = %self.address, "events are acknowledged again");
        }
    }

    /// Whether to try again after this, which is then told once.
    pub(super) fn may_mend(&self, error: &EventHubError) -> bool {
        let mends = error.is_transient()
            || (matches!(error, EventHubError::Denied { .. }) && self.known.load(Ordering::Relaxed));
        if mends && !self.down.swap(true, Ordering::Relaxed) {
            tracing::warn!(event_hub = %self.address, reason = error.reason(), "no acknowledgement, events wait");
        }
        mends
    }
}
