use std::time::Duration;

use clap::Args;
use url::Url;

use super::event_hubs::EventHubsArgs;
use super::identity::IdentityArgs;
use super::names::LOCAL;
use super::route::RouteArgs;
use super::store::StoreArgs;
use super::{EventHub, Faults, Route, Seconds};
use crate::azure::identity::IdentitySettings;
use crate::base::SecretSource;
use crate::kafka::{BrokerAddress, KafkaSettings, Security};
use crate::store::StoreAddress;

/// Flags of every command that looks at a running system.
#[derive(Debug, Clone, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    routes: RouteArgs,
    /// The Kafka broker whose topics are captured: its own counters tell the lag [default: the lag is not known]
    #[arg(long, env = "DELTAWAVE_BROKER", value_name = "HOST:PORT", conflicts_with = "event_hubs")]
    broker: Option<String>,
    #[command(flatten)]
    event_hubs: EventHubsArgs,
    /// How long to try a store or broker that is away before exit 1, in seconds
    #[arg(long, env = "DELTAWAVE_GIVE_UP", value_name = "SECONDS", default_value = "60")]
    give_up: Seconds,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// Who can be asked where the log ends.
#[derive(Debug, Clone)]
pub enum LogSource {
    /// Nobody: only the ledger is looked at.
    Unknown,
    /// A Kafka broker.
    Kafka(KafkaSettings),
    /// Event hubs, over AMQP.
    EventHubs(Vec<EventHub>),
}

/// Validated settings of every command that looks at a running system.
#[derive(Debug, Clone)]
pub struct CheckSettings {
    /// The store.
    pub store: StoreAddress,
    /// Where the store's password is read.
    pub store_password: Option<SecretSource>,
    /// Which hub's records are in which table of the store.
    pub routes: Vec<Route>,
    /// Which hub's records are in which Delta table.
    pub lakes: Vec<Route>,
    /// Who knows where the log ends.
    pub source: LogSource,
    /// Where a namespace is reached over AMQP, if not at its own name.
    pub amqp_endpoint: Option<Url>,
    /// How long what is away is tried.
    pub give_up: Duration,
    /// Who this is towards Azure.
    pub identity: IdentitySettings,
}

impl CheckArgs {
    pub(super) fn check(
        self,
        namespace: &str,
        blob_sas: Option<&SecretSource>,
        faults: &mut Faults,
    ) -> Option<CheckSettings> {
        let store = self.store.check(faults);
        let routes = self.routes.check_all(namespace, faults);
        let (event_hubs, endpoint) = self.event_hubs.check(faults);
        let store_password = store.as_ref().and_then(|store| store.password.clone());
        let secrets = [("--store-password", store_password.as_ref()), ("--blob-sas", blob_sas)];
        let identity = self.identity.check(&secrets, faults);
        let source = match self.broker {
            Some(broker) => faults
                .check("--broker", broker.parse::<BrokerAddress>())
                .map(|broker| LogSource::Kafka(KafkaSettings { broker, security: Security::Plaintext })),
            None => event_hubs.map(|hubs| match hubs.is_empty() {
                true => LogSource::Unknown,
                false => LogSource::EventHubs(hubs),
            }),
        };
        let (mut all, source) = routes.zip(source)?;
        if let LogSource::EventHubs(hubs) = &source {
            for event_hub in hubs {
                let mut known = false;
                for route in all.iter_mut().filter(|route| route.hub.name() == event_hub.hub) {
                    // Its files are named after its own namespace.
                    route.hub = event_hub.names();
                    known = true;
                }
                if !known {
                    faults.add("--event-hub", format_args!("no --route says where {}'s records are", event_hub.hub));
                }
            }
        }
        let (lakes, routes) = all.into_iter().partition(|route| route.lake.is_some());
        Some(CheckSettings {
            store: store?.address,
            store_password,
            routes,
            lakes,
            source,
            amqp_endpoint: endpoint?,
            give_up: self.give_up.0,
            identity: identity?,
        })
    }
}

/// Flags of `deltawave status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    check: CheckArgs,
}

impl StatusArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<CheckSettings, Faults> {
        let mut faults = Faults::default();
        // What shows lag and counts has no use for the names of files.
        let settings = self.check.check(LOCAL, None, &mut faults);
        faults.finish(settings)
    }
}
