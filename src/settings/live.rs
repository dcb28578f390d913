use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use url::Url;

use super::amqp::AmqpEndpointArgs;
use super::check::event_hubs;
use super::{EventHub, Faults, Route, Seconds, kafka};
use crate::base::SecretSource;
use crate::kafka::{BrokerAddress, KafkaSettings, Security};

/// Flags of a loader's live lane.
#[derive(Debug, Clone, Args)]
pub(super) struct LiveArgs {
    /// Also read the newest records from the broker itself (--broker or --event-hub) and put them into their tables before
    /// their files come, which prove them
    #[arg(long, env = "DELTAWAVE_LIVE")]
    live: bool,
    /// The Kafka broker whose topics are captured: it is asked how much is still to come, and with --live its newest records
    /// are read; beside --event-hub the address of its Kafka endpoint, which is then used instead of AMQP [default: with
    /// --live localhost:29092, unless there is an --event-hub]
    #[arg(long, env = "DELTAWAVE_BROKER", value_name = "HOST:PORT")]
    broker: Option<String>,
    /// The event hubs of the routes: they are asked how much is still to come, and with --live read, over AMQP; several
    /// separated by commas
    #[arg(
        long = "event-hub",
        env = "DELTAWAVE_EVENT_HUB",
        value_name = "NAMESPACE/HUB",
        value_delimiter = ',',
        hide_env_values = true
    )]
    event_hubs: Vec<String>,
    /// Connection string for --event-hub, which is then asked and read at its Kafka endpoint: itself, file:PATH or
    /// keyvault:NAME [default: tokens of --credential]
    #[arg(long, env = "DELTAWAVE_CONNECTION_STRING", value_name = "SECRET", hide_env_values = true)]
    connection_string: Option<SecretSource>,
    /// PEM file of the certificate authorities to trust for the Kafka endpoint of --event-hub
    /// [default: $SSL_CERT_FILE, or the system's]
    #[arg(long, env = "DELTAWAVE_KAFKA_CA", value_name = "FILE")]
    kafka_ca: Option<PathBuf>,
    #[command(flatten)]
    endpoint: AmqpEndpointArgs,
    /// With --live: consumer group of --event-hub to read by, over AMQP; at most 5 readers may share one
    #[arg(long, env = "DELTAWAVE_LIVE_GROUP", value_name = "NAME", default_value = GROUP)]
    live_group: String,
    /// With --live: how far behind the newest record is caught up with, in seconds; what is further behind is left to the
    /// files
    #[arg(long, env = "DELTAWAVE_LIVE_WINDOW", value_name = "SECONDS", default_value_t = WINDOW)]
    live_window: Seconds,
    /// With --live: begin before there is any file to prove the records' keys by
    #[arg(long, env = "DELTAWAVE_LIVE_FROM_START")]
    live_from_start: bool,
    /// With --live: how long rows may wait for a file that has them before it is told as an error, in seconds
    #[arg(long, env = "DELTAWAVE_LIVE_UNPROVEN", value_name = "SECONDS", default_value_t = UNPROVEN)]
    live_unproven: Seconds,
}

const GROUP: &str = "$Default";
const WINDOW: Seconds = Seconds(Duration::from_secs(120));
/// Also of what looks at live rows.
pub(super) const UNPROVEN: Seconds = Seconds(Duration::from_secs(15 * 60));

/// What a loader's live lane needs.
#[derive(Debug, Clone)]
pub struct LiveSettings {
    /// What is read.
    pub source: LiveSource,
    /// The consumer group it is read by, where there are any.
    pub group: String,
    /// What is further behind is left to the files.
    pub window: Duration,
    /// Whether to begin before there is a file.
    pub from_start: bool,
    /// How long rows may wait for their file.
    pub unproven: Duration,
}

/// Whose log it is that is loaded.
#[derive(Debug, Clone)]
pub enum LiveSource {
    /// Kafka endpoints, by topic.
    Kafka(Vec<(String, KafkaSettings)>),
    /// Event hubs over AMQP.
    EventHubs {
        /// Which.
        hubs: Vec<EventHub>,
        /// Where a namespace is reached, if not at its own name.
        endpoint: Option<Url>,
    },
}

impl LiveSettings {
    /// Of a broker without encryption or credentials, with the defaults of the flags.
    pub fn of_broker(kafka: &KafkaSettings, routes: &[Route]) -> Self {
        let brokers = routes.iter().map(|route| (route.hub.name().to_owned(), kafka.clone())).collect();
        LiveSettings {
            source: LiveSource::Kafka(brokers),
            group: GROUP.to_owned(),
            window: WINDOW.0,
            from_start: false,
            unproven: UNPROVEN.0,
        }
    }
}

impl LiveArgs {
    /// The secret among them that is used.
    pub(super) fn secret(&self) -> Option<&SecretSource> {
        self.connection_string.as_ref().filter(|_| self.live)
    }

    /// The settings, if there is to be a lane. What is `unfit` goes with none.
    pub(super) fn check(
        self,
        routes: Option<&[Route]>,
        unfit: &[(bool, &str)],
        faults: &mut Faults,
    ) -> Option<Option<LiveSettings>> {
        // The variables of other programs may be set.
        if !self.live {
            return Some(None);
        }
        for (_, why) in unfit.iter().filter(|(is, _)| *is) {
            faults.add("--live", why);
        }
        let window = faults.check("--live-window", self.live_window.at_least(1.0));
        let group = match self.live_group.trim() {
            "" => faults.check("--live-group", Err("is empty: name a consumer group, or leave it out".to_owned())),
            group => Some(group.to_owned()),
        };
        let (from_start, unproven) = (self.live_from_start, self.live_unproven.0);
        let source = self.source(routes, faults);
        Some(Some(LiveSettings { source: source?, group: group?, window: window?, from_start, unproven }))
    }

    /// Who can be asked how much is still to come, if anybody was named; or why nobody can be, which is no reason not to
    /// load: without a lane the variables may be meant for others.
    pub(super) fn log(self, routes: &[Route]) -> Option<Result<LiveSource, String>> {
        if self.broker.is_none() && self.event_hubs.is_empty() {
            return None;
        }
        let mut faults = Faults::default();
        let source = self.source(Some(routes), &mut faults);
        Some(source.filter(|_| faults.is_empty()).ok_or_else(|| {
            faults.to_string().lines().map(|line| line.trim_start_matches("error: ")).collect::<Vec<_>>().join("; ")
        }))
    }

    fn source(self, routes: Option<&[Route]>, faults: &mut Faults) -> Option<LiveSource> {
        let endpoint = self.endpoint.check(faults);
        let hubs = event_hubs(&self.event_hubs, faults);
        let routes = routes?;
        let hubs = hubs?;
        if hubs.is_empty() {
            for (flag, given) in
                [("--connection-string", self.connection_string.is_some()), ("--kafka-ca", self.kafka_ca.is_some())]
            {
                if given {
                    faults.add(flag, "is for Event Hubs: name the hubs by --event-hub, or leave it out");
                }
            }
            let broker = self.broker.as_deref().unwrap_or(kafka::LOCAL);
            let broker = faults.check("--broker", broker.parse::<BrokerAddress>())?;
            let settings = KafkaSettings { broker, security: Security::Plaintext };
            let of_route = |route: &Route| (route.hub.name().to_owned(), settings.clone());
            return Some(LiveSource::Kafka(routes.iter().map(of_route).collect()));
        }
        for route in routes.iter().filter(|route| !hubs.iter().any(|hub| hub.hub == route.hub.name())) {
            faults.add("--event-hub", format_args!("names no event hub for --route {route}"));
        }
        if self.connection_string.is_none() && self.broker.is_none() {
            return Some(LiveSource::EventHubs { hubs, endpoint: endpoint? });
        }
        let brokers = hubs.into_iter().filter_map(|hub| {
            let name = hub.hub.clone();
            let access = kafka::Access {
                broker: self.broker.clone(),
                connection_string: self.connection_string.clone(),
                authorities: self.kafka_ca.clone(),
            };
            access.check(hub, faults).map(|settings| (name, settings))
        });
        Some(LiveSource::Kafka(brokers.collect()))
    }
}
