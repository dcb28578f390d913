use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::credentials::TokenCredential;
use futures::future::BoxFuture;
use time::OffsetDateTime;

use super::address::EventHubAddress;
use super::client::{ANSWER, Client};
use super::error::EventHubError;
use crate::capture::{PartitionId, SequenceNumber};
use crate::ledger::{EndsError, LogEnds, PartitionEnds};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// The ends of event hubs' partitions: the properties that the service keeps of them.
pub struct EventHubLog {
    hubs: Vec<EventHubAddress>,
    credential: Arc<dyn TokenCredential>,
    patience: Duration,
}

impl EventHubLog {
    /// Those of these hubs; sends nothing. A service that is away is tried for `patience`.
    pub fn new(hubs: Vec<EventHubAddress>, credential: Arc<dyn TokenCredential>, patience: Duration) -> Self {
        EventHubLog { hubs, credential, patience }
    }

    async fn ask(&self, address: &EventHubAddress) -> Result<Vec<PartitionEnds>, EventHubError> {
        let client =
            Client::open(address, &self.credential, ANSWER.min(self.patience.max(Duration::from_secs(1)))).await?;
        let mut ends = Vec::new();
        for partition in client.partitions().await? {
            let id = partition.to_string();
            let properties = client.within(client.sdk().get_partition_properties(&id)).await?;
            let last = properties.last_enqueued_sequence_number;
            ends.push(PartitionEnds {
                partition: PartitionId(partition),
                earliest: SequenceNumber(properties.beginning_sequence_number),
                // -1 before the first event; whether the partition is empty now says nothing of what was.
                last: (last >= 0).then_some(SequenceNumber(last)),
                last_enqueued_at: properties.last_enqueued_time_utc.filter(|_| last >= 0).map(OffsetDateTime::from),
            });
        }
        Ok(ends)
    }
}

impl fmt::Display for EventHubLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hubs: Vec<_> = self.hubs.iter().map(EventHubAddress::to_string).collect();
        write!(f, "{}", hubs.join(", "))
    }
}

impl LogEnds for EventHubLog {
    fn ends<'a>(&'a self, hub: &'a str) -> BoxFuture<'a, Result<Vec<PartitionEnds>, EndsError>> {
        Box::pin(async move {
            // A hub that nobody named is not asked for.
            let Some(address) = self.hubs.iter().find(|address| address.hub == hub) else { return Ok(Vec::new()) };
            let began = Instant::now();
            loop {
                match self.ask(address).await {
                    Ok(ends) => return Ok(ends),
                    Err(error) if error.is_transient() && began.elapsed() < self.patience => {
                        tracing::debug!(%error, "asking again");
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(error) => return Err(EndsError(error.to_string())),
                }
            }
        })
    }
}
