use std::sync::Arc;

use crate::azure::eventhub::{EventHubAddress, EventHubTail};
use crate::azure::identity::Identity;
use crate::kafka::TopicLog;
use crate::ledger::{Log, LogError};
use crate::settings::LiveSource;

/// The log of one hub.
pub(super) async fn open(
    source: &LiveSource,
    hub: &str,
    group: &str,
    identity: &Arc<Identity>,
) -> Result<Arc<dyn Log>, LogError> {
    let failed = |error: &dyn std::fmt::Display| LogError(error.to_string());
    match source {
        LiveSource::Kafka(brokers) => {
            let settings = brokers.iter().find(|(topic, _)| topic == hub).map(|(_, settings)| settings);
            let settings = settings.ok_or_else(|| LogError(format!("no broker is named for {hub}")))?;
            let log = TopicLog::connect(settings, identity, hub).await.map_err(|error| failed(&error))?;
            Ok(Arc::new(log))
        }
        LiveSource::EventHubs { hubs, endpoint } => {
            let found = hubs.iter().find(|event_hub| event_hub.hub == hub);
            let found = found.ok_or_else(|| LogError(format!("no --event-hub is named for {hub}")))?;
            let address = EventHubAddress { host: found.host.clone(), hub: hub.to_owned(), endpoint: endpoint.clone() };
            let credential = identity.credential().map_err(|error| failed(&error))?;
            Ok(Arc::new(EventHubTail::new(address, credential, group)))
        }
    }
}
