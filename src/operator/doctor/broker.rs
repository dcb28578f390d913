//! Who has what is still to come: the broker, or the event hub, and the way to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::finding::{Finding, Findings};
use super::ways::{Ways, proxy};
use crate::azure::identity::Identity;
use crate::kafka::Security;
use crate::loader::log_ends;
use crate::settings::{LiveSource, LoaderSettings};

/// How long a broker may take for all of its answers.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) async fn look(settings: &LoaderSettings, identity: &Arc<Identity>, findings: &mut Findings) {
    let source = match &settings.log {
        None => {
            return findings.add(Finding::note(
                "broker",
                "none is named, so that nobody knows how much is still to come",
                "name it by --broker or --event-hub; loading needs none",
            ));
        }
        Some(Err(reason)) => return findings.add(Finding::error("broker", reason)),
        Some(Ok(source)) => source,
    };
    for route in &settings.routes {
        let hub = route.hub.name();
        let asked = async {
            let log = log_ends(source, hub, identity).await?;
            let ends = log.ends(hub).await?;
            Ok::<_, crate::ledger::EndsError>((log.to_string(), ends))
        };
        match timeout(LIMIT, asked).await {
            Ok(Ok((log, ends))) => {
                let records: u64 = ends.iter().map(|ends| ends.lag(None)).sum();
                let text = format!("{log}: {hub} has {} partitions and holds {records} records", ends.len());
                findings.add(Finding::well("broker", text));
            }
            Ok(Err(error)) => return findings.add(fault(source, error.to_string()).await),
            Err(_) => {
                let text = format!("it has not answered for {} s", LIMIT.as_secs());
                return findings.add(fault(source, text).await);
            }
        }
    }
}

/// What is wrong, and what is to be done, given which ports are open.
async fn fault(source: &LiveSource, text: String) -> Finding {
    let Some((host, port)) = namespace(source) else { return Finding::error("broker", &text) };
    match Ways::look(&host, port, HTTPS).await.remedy(&host, port, proxy().is_some()) {
        Some(remedy) => Finding::fault("broker", text, remedy),
        None => Finding::error("broker", &text),
    }
}

/// Of Event Hubs: what it listens on.
const HTTPS: u16 = 443;
const KAFKA: u16 = 9093;
const AMQP: u16 = 5671;

/// The namespace that is asked, and by which port. None of a broker elsewhere, nor of an address of its own.
fn namespace(source: &LiveSource) -> Option<(String, u16)> {
    match source {
        LiveSource::EventHubs { hubs, endpoint: None } => Some((hubs.first()?.host.clone(), AMQP)),
        LiveSource::EventHubs { .. } => None,
        LiveSource::Kafka(brokers) => match &brokers.first()?.1.security {
            Security::EventHub(access) => Some((access.host.clone(), KAFKA)),
            Security::Plaintext => None,
        },
    }
}
