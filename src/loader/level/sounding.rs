use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::azure::eventhub::{EventHubAddress, EventHubLog};
use crate::azure::identity::Identity;
use crate::kafka::{Cluster, Endpoint, MissingTopic, Watermarks};
use crate::ledger::{EndsError, LogEnds};
use crate::loader::pool::Store;
use crate::loader::progress::Progress;
use crate::settings::{LiveSource, LoaderSettings, Route};

/// How often the broker is asked.
const EVERY: Duration = Duration::from_secs(5);

/// How long one that answered may be silent before it is told of.
const BLIND: Duration = Duration::from_secs(60);

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the broker of one stream where its partitions end, for people. Nothing depends on it.
pub(in crate::loader) struct Sounding<'l> {
    pub(in crate::loader) settings: &'l LoaderSettings,
    pub(in crate::loader) identity: &'l Arc<Identity>,
    pub(in crate::loader) route: &'l Route,
    pub(in crate::loader) name: &'l Arc<str>,
    pub(in crate::loader) container: &'l str,
    pub(in crate::loader) store: &'l Store,
    pub(in crate::loader) progress: &'l Progress,
}

impl Sounding<'_> {
    /// For as long as it is let to.
    pub(in crate::loader) async fn run(&self) -> Infallible {
        self.look_at_ledger().await;
        let hub = self.route.hub.name();
        let source = match &self.settings.log {
            Some(Ok(source)) if names(source, hub) => source,
            Some(Ok(_)) | None => return std::future::pending().await,
            Some(Err(reason)) => {
                tracing::warn!(route = &**self.name, "the lag is not known: {reason}");
                self.tell(Err(reason.clone()));
                return std::future::pending().await;
            }
        };
        let mut every = interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = false;
        let mut seen: Option<Instant> = None;
        let mut log: Option<Box<dyn LogEnds>> = None;
        loop {
            every.tick().await;
            let asked = async {
                let log = match &mut log {
                    Some(log) => log,
                    none => none.insert(log_ends(source, hub, self.identity).await?),
                };
                let at = OffsetDateTime::now_utc();
                Ok::<_, EndsError>((at, log.ends(hub).await?))
            };
            let asked = asked.await;
            match asked {
                Ok((at, mut ends)) => {
                    (said, seen) = (false, Some(Instant::now()));
                    ends.retain(|ends| self.settings.scope.takes_partition(&self.route.hub, ends.partition));
                    self.progress.levels.asked(self.name, hub, at, Ok(&ends));
                }
                // What it said a moment ago is as good.
                Err(_) if seen.is_some_and(|at| at.elapsed() < BLIND) => log = None,
                Err(error) => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::warn!(route = &**self.name, "the lag is not known: {error}; asking again");
                    }
                    log = None;
                    self.tell(Err(error.to_string()));
                }
            }
        }
    }

    fn tell(&self, trouble: Result<&[crate::ledger::PartitionEnds], String>) {
        let hub = self.route.hub.name();
        self.progress.levels.asked(self.name, hub, OffsetDateTime::now_utc(), trouble);
    }

    /// How far it was when it began.
    async fn look_at_ledger(&self) {
        let (target, hub) = (self.route.table.as_str(), self.route.hub.name());
        let newest = self.store.persist(async |session| session.newest_files(self.container, target, hub).await).await;
        // What it does not say, the next files do.
        for file in newest.unwrap_or_default() {
            let Some(name) = self.settings.name_format.parse(&self.route.hub, &file.blob) else { continue };
            if self.settings.scope.takes_partition(&self.route.hub, file.partition) {
                let at = file.last_enqueued_at.map(|at| at.utc());
                self.progress.levels.found((self.name, hub), file.partition, name.window_start, file.last, at);
            }
        }
    }
}

/// Whether it is that hub's, too.
fn names(source: &LiveSource, hub: &str) -> bool {
    match source {
        LiveSource::Kafka(brokers) => brokers.iter().any(|(topic, _)| topic == hub),
        LiveSource::EventHubs { hubs, .. } => hubs.iter().any(|event_hub| event_hub.hub == hub),
    }
}

/// Who knows where the partitions of a hub end, reached within 10 s.
///
/// # Errors
/// Nobody is named for that hub, or whoever is cannot be reached.
pub async fn log_ends(source: &LiveSource, hub: &str, identity: &Arc<Identity>) -> Result<Box<dyn LogEnds>, EndsError> {
    let failed = |error: &dyn std::fmt::Display| EndsError(error.to_string());
    match source {
        LiveSource::Kafka(brokers) => {
            let settings = brokers.iter().find(|(topic, _)| topic == hub).map(|(_, settings)| settings);
            let settings = settings.ok_or_else(|| EndsError(format!("no broker is named for {hub}")))?;
            let endpoint = Endpoint::open(settings, identity).await.map_err(|error| failed(&error))?;
            let cluster =
                Cluster::connect(&endpoint, MissingTopic::Leave, PATIENCE).await.map_err(|error| failed(&error))?;
            Ok(Box::new(Watermarks::of(cluster)))
        }
        LiveSource::EventHubs { hubs, endpoint } => {
            let address = |event_hub: &crate::settings::EventHub| EventHubAddress {
                host: event_hub.host.clone(),
                hub: event_hub.hub.clone(),
                endpoint: endpoint.clone(),
            };
            let addresses = hubs.iter().filter(|event_hub| event_hub.hub == hub).map(address).collect();
            let credential = identity.credential().map_err(|error| failed(&error))?;
            Ok(Box::new(EventHubLog::new(addresses, credential, PATIENCE)))
        }
    }
}
