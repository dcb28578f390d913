use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use url::Url;

use super::event_hubs::EventHubsArgs;
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
    #[command(flatten)]
    event_hubs: EventHubsArgs,
    /// Connection string for --event-hub, which is then asked and read at its Kafka endpoint: itself, file:PATH or
    /// keyvault:NAME [default: tokens of --credential]
    #[arg(long, env = "DELTAWAVE_CONNECTION_STRING", value_name = "SECRET", hide_env_values = true)]
    connection_string: Option<SecretSource>,
    /// PEM file of the certificate authorities to trust for the Kafka endpoint of --event-hub
    /// [default: $SSL_CERT_FILE, or the system's]
    #[arg(long, env = "DELTAWAVE_KAFKA_CA", value_name = "FILE")]
    kafka_ca: Option<PathBuf>,
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
        let (hubs, endpoint) = self.event_hubs.check(faults);
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::capture::Hub;
    use crate::kafka::Proof;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        live: LiveArgs,
    }

    fn validate(flags: &[&str]) -> Result<Option<LiveSettings>, String> {
        let cli = Cli::try_parse_from(["loader"].iter().chain(flags)).map_err(|error| error.to_string())?;
        let routes = ["orders", "users"].map(|hub| Route::new(Hub::new("contoso", hub).unwrap(), hub));
        let mut faults = Faults::default();
        let settings = cli.live.check(Some(&routes), &[(false, "is unfit")], &mut faults);
        faults.finish(settings).map_err(|faults| faults.to_string())
    }

    fn live(flags: &[&str]) -> LiveSettings {
        validate(&[&["--live"], flags].concat()).unwrap().unwrap()
    }

    const HUBS: [&str; 2] = ["--event-hub", "contoso/orders,contoso/users"];
    const KEY: &str = "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=read;SharedAccessKey=c2VjcmV0";

    /// What each topic is read from, and by what.
    fn brokers(settings: LiveSettings) -> Vec<(String, String, Security)> {
        let LiveSource::Kafka(brokers) = settings.source else { panic!("{:?}", settings.source) };
        brokers.into_iter().map(|(topic, kafka)| (topic, kafka.broker.to_string(), kafka.security)).collect()
    }

    #[test]
    fn without_live_the_variables_of_other_programs_mean_nothing() {
        assert!(validate(&[]).unwrap().is_none());
        assert!(validate(&["--broker", "nonsense", "--live-window", "0", "--event-hub", "x"]).unwrap().is_none());
    }

    #[test]
    fn every_route_is_read_at_the_broker() {
        let settings = live(&[]);
        assert_eq!((&*settings.group, settings.window, settings.unproven), ("$Default", WINDOW.0, UNPROVEN.0));
        assert!(!settings.from_start);
        for (flags, at) in [(&[][..], "localhost:29092"), (&["--broker", "kafka:9092"], "kafka:9092")] {
            let found: Vec<_> = brokers(live(flags)).into_iter().map(|(topic, broker, _)| (topic, broker)).collect();
            assert_eq!(found, ["orders", "users"].map(|topic| (topic.to_owned(), at.to_owned())));
        }
    }

    #[test]
    fn event_hubs_are_read_over_amqp_unless_kafka_is_asked_for() {
        let settings =
            live(&[&HUBS[..], &["--live-group", "deltawave", "--amqp-endpoint", "amqp://10.0.0.4:5671"]].concat());
        assert_eq!(settings.group, "deltawave");
        let LiveSource::EventHubs { hubs, endpoint } = settings.source else { panic!("{:?}", settings.source) };
        assert_eq!(hubs.iter().map(|hub| &*hub.hub).collect::<Vec<_>>(), ["orders", "users"]);
        assert_eq!(endpoint.unwrap().as_str(), "amqp://10.0.0.4:5671");
        // A connection string, or an address beside the hubs, leads to the Kafka endpoint.
        let by_key = brokers(live(&[&HUBS[..], &["--connection-string", KEY]].concat()));
        assert_eq!(by_key.len(), 2);
        for (topic, broker, security) in by_key {
            assert_eq!(broker, "contoso.servicebus.windows.net:9093");
            let Security::EventHub(access) = security else { panic!("{topic}: no event hub") };
            assert!(access.hub == topic && matches!(access.proof, Proof::ConnectionString(_)));
        }
        for (_, broker, security) in brokers(live(&[&HUBS[..], &["--broker", "proxy:443"]].concat())) {
            assert_eq!(broker, "proxy:443");
            assert!(matches!(security, Security::EventHub(access) if matches!(access.proof, Proof::EntraToken)));
        }
    }

    #[test]
    fn every_fault_is_named_and_no_key_told() {
        for (flags, fault) in [
            (&["--event-hub", "contoso/orders"][..], "--event-hub: names no event hub for --route "),
            (&["--event-hub", KEY], "--event-hub: is a connection string"),
            (&["--connection-string", KEY], "--connection-string: is for Event Hubs"),
            (&["--kafka-ca", "a.pem"], "--kafka-ca: is for Event Hubs"),
            (&["--broker", "here"], "--broker: "),
            (&["--live-window", "0.5"], "--live-window: must be at least 1 s"),
            (&["--live-group", " "], "--live-group: is empty"),
            (&["--amqp-endpoint", "wss://x"], "--amqp-endpoint: "),
        ] {
            let said = validate(&[&["--live"], flags].concat()).unwrap_err();
            assert!(said.contains(fault) && !said.contains("c2VjcmV0"), "{flags:?}: {said}");
        }
        let other = KEY.replace("contoso", "fabrikam");
        let said = validate(&[&["--live", "--connection-string", &other], &HUBS[..]].concat()).unwrap_err();
        assert!(said.contains("--connection-string: ") && !said.contains("c2VjcmV0"), "{said}");
        let cli = Cli::try_parse_from(["loader", "--live"]).unwrap();
        let mut faults = Faults::default();
        cli.live.check(Some(&[]), &[(true, "goes on for ever"), (false, "is fit")], &mut faults);
        assert_eq!(faults.finish(Some(())).unwrap_err().to_string(), "error: --live: goes on for ever");
    }
}
