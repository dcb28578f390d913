use std::collections::BTreeMap;
use std::time::Duration;

use crate::azure::eventhub::{EventHubAddress, EventHubLog};
use crate::azure::identity::{Identity, IdentityError};
use crate::capture::PartitionId;
use crate::kafka::{Cluster, Endpoint, KafkaError, MissingTopic, Watermarks};
use crate::ledger::{LogEnds, PartitionEnds};
use crate::settings::{CheckSettings, LogSource};

/// Why the broker's counters cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No Kafka broker answers.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The program has no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// The least time a broker is waited for.
const SHORTEST: Duration = Duration::from_secs(1);

/// Who knows where the log ends, if anybody was named.
pub(super) async fn open(settings: &CheckSettings) -> Result<Option<Box<dyn LogEnds>>, SourceError> {
    Ok(match &settings.source {
        LogSource::Unknown => None,
        LogSource::Kafka(kafka) => {
            let patience = settings.give_up.max(SHORTEST);
            let endpoint = Endpoint::open(kafka, &Identity::new(settings.identity.clone())).await?;
            let cluster = Cluster::connect(&endpoint, MissingTopic::Leave, patience).await?;
            Some(Box::new(Watermarks::of(cluster)))
        }
        LogSource::EventHubs(hubs) => {
            let credential = Identity::new(settings.identity.clone()).credential()?;
            let address = |hub: &crate::settings::EventHub| EventHubAddress {
                host: hub.host.clone(),
                hub: hub.hub.clone(),
                endpoint: settings.amqp_endpoint.clone(),
            };
            Some(Box::new(EventHubLog::new(hubs.iter().map(address).collect(), credential, settings.give_up)))
        }
    })
}

/// Ends by partition.
pub(super) fn by_partition(ends: Vec<PartitionEnds>) -> BTreeMap<PartitionId, PartitionEnds> {
    ends.into_iter().map(|ends| (ends.partition, ends)).collect()
}
