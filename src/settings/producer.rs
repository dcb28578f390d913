use std::fmt;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::amqp::AmqpEndpointArgs;
use super::identity::IdentityArgs;
use super::kafka::KafkaArgs;
use super::registry::RegistryToFillArgs;
use super::{Faults, HttpsSettings, Rate};
use crate::azure::eventhub::EventHubAddress;
use crate::azure::identity::IdentitySettings;
use crate::formats::FormatName;
use crate::kafka::KafkaSettings;
use crate::registry::RegistrySettings;

/// Flags of the `producer` program.
#[derive(Debug, Clone, Args)]
pub struct ProducerArgs {
    #[command(flatten)]
    kafka: KafkaArgs,
    /// How to send: kafka (port 9093 of Event Hubs), or to an event hub by amqp (port 5671) or https (port 443, through
    /// HTTPS_PROXY if it is set); auto tries Kafka for 3 seconds and then takes https (docs/networks.md)
    #[arg(long, env = "DELTAWAVE_TRANSPORT", value_enum, default_value_t = TransportChoice::Kafka)]
    transport: TransportChoice,
    #[command(flatten)]
    amqp: AmqpEndpointArgs,
    /// Topic to send to [default: user-events, or the hub of --event-hub]
    #[arg(long, env = "DELTAWAVE_TOPIC")]
    topic: Option<String>,
    /// Create the topic with so many partitions if it does not exist
    #[arg(long, env = "DELTAWAVE_CREATE_TOPIC", value_name = "PARTITIONS")]
    create_topic: Option<NonZero<u16>>,
    /// Events per second (5, 5/s, 0.5/s) or max [default: 1/s, or max with --input]
    #[arg(long, env = "DELTAWAVE_RATE", value_name = "N/s|max")]
    rate: Option<String>,
    /// Stop after so many events [default: no end]
    #[arg(long, env = "DELTAWAVE_EVENTS", value_name = "N")]
    events: Option<u64>,
    /// How many users to make events about: Alice, Bob, Charlie, then more [default: 3]
    #[arg(long, env = "DELTAWAVE_USERS", value_name = "N")]
    users: Option<NonZero<u32>>,
    /// Make the same ids, operations, names and ages on every run [default: random]
    #[arg(long, env = "DELTAWAVE_SEED", value_name = "N")]
    seed: Option<u64>,
    /// How generated events are wrapped: json, as they are; as debezium's change events; as cloudevents; in avro, by a
    /// schema that --schema-registry is given
    #[arg(long, env = "DELTAWAVE_FORMAT", value_enum, default_value_t = EventFormat::Json, conflicts_with = "input")]
    format: EventFormat,
    #[command(flatten)]
    registry: RegistryToFillArgs,
    /// Send JSON objects from this file, one a line and unchanged, instead of generated events; - is standard input
    #[arg(long, env = "DELTAWAVE_INPUT", value_name = "FILE|-")]
    input: Option<PathBuf>,
    /// Field of --input lines whose value becomes the record key, so that a key's events stay in order
    #[arg(long, env = "DELTAWAVE_KEY", value_name = "FIELD", default_value = "id")]
    key: String,
    /// Number events N, N+1, … instead of by the clock: not safe across restarts or with several producers
    #[arg(long, env = "DELTAWAVE_ORDER_START", value_name = "N")]
    order_start: Option<i64>,
    /// File with the last event_order given out, shared by all producers on this machine
    /// [default: $XDG_STATE_HOME or ~/.local/state, then /deltawave/event-order]
    #[arg(long, env = "DELTAWAVE_ORDER_FILE", value_name = "PATH")]
    order_file: Option<PathBuf>,
    /// How long to try an unreachable broker before exit 1, in seconds; also for each event
    #[arg(long, env = "DELTAWAVE_GIVE_UP", value_name = "SECONDS", default_value = "60",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    give_up: u64,
    /// Do not print each event; show progress instead
    #[arg(long, env = "DELTAWAVE_QUIET")]
    quiet: bool,
    /// Serve /healthz, /readyz and /metrics on this address [default: do not]
    #[arg(long, env = "DELTAWAVE_HTTP", value_name = "ADDR:PORT")]
    http: Option<SocketAddr>,
    #[command(flatten)]
    identity: IdentityArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TransportChoice {
    Kafka,
    Amqp,
    Https,
    Auto,
}

/// How generated events are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum EventFormat {
    /// As they are.
    #[default]
    Json,
    /// As Debezium's change events.
    Debezium,
    /// As CloudEvents, structured.
    Cloudevents,
    /// In Avro, by a schema registry.
    Avro,
}

impl EventFormat {
    /// What a loader reads them by.
    pub const fn read_by(self) -> FormatName {
        match self {
            EventFormat::Json => FormatName::Json,
            EventFormat::Debezium => FormatName::Debezium,
            EventFormat::Cloudevents => FormatName::CloudEvents,
            EventFormat::Avro => FormatName::Avro,
        }
    }
}

/// What the broker is spoken to by, and where it is.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Kafka, any broker's.
    Kafka(KafkaSettings),
    /// AMQP, an event hub's.
    Amqp(EventHubAddress),
    /// HTTPS, an event hub's.
    Https(HttpsSettings),
    /// Kafka if it is reached soon, else HTTPS.
    Auto {
        /// What is tried first.
        kafka: KafkaSettings,
        /// What is taken then.
        https: HttpsSettings,
    },
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Transport::Kafka(kafka) => kafka.broker.fmt(f),
            Transport::Amqp(address) => address.fmt(f),
            Transport::Https(https) | Transport::Auto { https, .. } => https.address.fmt(f),
        }
    }
}

/// Where event numbers come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderSource {
    /// The clock, never below the last number in this file.
    File(PathBuf),
    /// Counting up from a number; the caller answers for its uniqueness.
    CountFrom(i64),
}

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventSource {
    /// Made-up changes to made-up users.
    Generated {
        /// How many users there are.
        users: NonZero<u32>,
        /// The same stream for the same seed; none for a random one.
        seed: Option<u64>,
        /// Where `event_order` comes from.
        order: OrderSource,
        /// How they are wrapped.
        format: EventFormat,
    },
    /// The user's own JSON lines.
    Input {
        /// The file, or none for standard input.
        file: Option<PathBuf>,
        /// The field that becomes the record key.
        key: String,
    },
}

/// Validated settings of the producer.
#[derive(Debug, Clone)]
pub struct ProducerSettings {
    /// Where to send, and how.
    pub transport: Transport,
    /// The topic, or event hub.
    pub topic: String,
    /// Create the topic with so many partitions if it is missing.
    pub create_topic: Option<NonZero<u16>>,
    /// What to send.
    pub source: EventSource,
    /// Where the schema of events in Avro is put.
    pub registry: Option<RegistrySettings>,
    /// How fast.
    pub rate: Rate,
    /// After how many events to stop.
    pub events: Option<u64>,
    /// How long an unreachable broker is tried, and each event.
    pub give_up: Duration,
    /// Show progress, not events.
    pub quiet: bool,
    /// Where health and metrics are served.
    pub http: Option<SocketAddr>,
    /// Who this is towards Azure.
    pub identity: IdentitySettings,
}

impl ProducerArgs {
    /// Checks the flags and puts in what depends on the machine.
    ///
    /// # Errors
    /// Every fault found.
    pub fn validate(self) -> Result<ProducerSettings, Faults> {
        let mut faults = Faults::default();
        let endpoint = self.amqp.check(&mut faults);
        let (secret_flag, secret) = self.kafka.secret();
        let (registry_flag, registry_password) = self.registry.secret();
        // It may be set for all programs of a machine, and is of use for this one only so.
        let registry = match self.format {
            EventFormat::Avro => self.registry.check(&mut faults),
            _ => None,
        };
        let (transport, event_hub) = match self.transport {
            TransportChoice::Kafka => {
                let kafka = self.kafka.check(&mut faults);
                (kafka.settings.map(Transport::Kafka), kafka.event_hub)
            }
            TransportChoice::Amqp => {
                let event_hub = self.kafka.check_for_amqp(&mut faults);
                let address = event_hub.clone().zip(endpoint).map(|(event_hub, endpoint)| EventHubAddress {
                    host: event_hub.host,
                    hub: event_hub.hub,
                    endpoint,
                });
                (address.map(Transport::Amqp), event_hub)
            }
            TransportChoice::Https => {
                let https = self.kafka.check_for_https(&mut faults);
                (https.settings.map(Transport::Https), https.event_hub)
            }
            TransportChoice::Auto => {
                let https = self.kafka.clone().beside_kafka().check_for_https(&mut faults);
                // What is wrong for both is told once.
                let kafka = https.settings.as_ref().and_then(|_| self.kafka.check(&mut faults).settings);
                let both = kafka.zip(https.settings).map(|(kafka, https)| Transport::Auto { kafka, https });
                (both, https.event_hub)
            }
        };
        let topic = match event_hub {
            None => faults.check("--topic", topic_name(self.topic.unwrap_or_else(|| DEFAULT_TOPIC.to_owned()))),
            Some(event_hub) => {
                if self.topic.is_some() {
                    faults.add("--topic", TOPIC_BESIDE_EVENT_HUB);
                }
                if self.create_topic.is_some() {
                    faults.add(
                        "--create-topic",
                        "event hubs are made in Azure, with their partitions: by `az eventhubs eventhub create` or \
                         infra/; leave this out",
                    );
                }
                Some(event_hub.hub)
            }
        };
        let source = match self.input {
            Some(file) => {
                let generator_flags = [
                    ("--users", self.users.is_some()),
                    ("--seed", self.seed.is_some()),
                    ("--order-start", self.order_start.is_some()),
                    ("--order-file", self.order_file.is_some()),
                ];
                for (flag, _) in generator_flags.into_iter().filter(|(_, given)| *given) {
                    faults.add(flag, "is for generated events, --input sends its lines unchanged: leave one out");
                }
                if self.key.is_empty() {
                    faults.add("--key", "must name a field of the input lines");
                }
                EventSource::Input { file: (file.as_os_str() != "-").then_some(file), key: self.key }
            }
            None => EventSource::Generated {
                users: self.users.unwrap_or(DEFAULT_USERS),
                seed: self.seed,
                order: order_source(&mut faults, self.order_start, self.order_file),
                format: self.format,
            },
        };
        let rate = match (&self.rate, &source) {
            (Some(rate), _) => faults.check("--rate", rate.parse()),
            (None, EventSource::Generated { .. }) => Some(Rate::PerSecond(1.0)),
            (None, EventSource::Input { .. }) => Some(Rate::Max),
        };
        let identity = self
            .identity
            .check(&[(secret_flag, secret.as_ref()), (registry_flag, registry_password.as_ref())], &mut faults);
        let parts = transport.zip(topic).zip(rate).zip(identity);
        let settings = parts.map(|(((transport, topic), rate), identity)| ProducerSettings {
            transport,
            topic,
            create_topic: self.create_topic,
            source,
            registry,
            rate,
            events: self.events,
            give_up: Duration::from_secs(self.give_up),
            quiet: self.quiet,
            http: self.http,
            identity,
        });
        faults.finish(settings)
    }
}

/// The topic when nothing is said.
pub(super) const DEFAULT_TOPIC: &str = "user-events";
pub(super) const TOPIC_BESIDE_EVENT_HUB: &str = "--event-hub names the topic too: leave one out";

/// Alice, Bob and Charlie.
const DEFAULT_USERS: NonZero<u32> = NonZero::<u32>::MIN.saturating_add(2);

fn order_source(faults: &mut Faults, start: Option<i64>, file: Option<PathBuf>) -> OrderSource {
    match (start, file) {
        (Some(_), Some(_)) => {
            faults.add("--order-start", "counts without a file, --order-file shares one: leave one out");
            OrderSource::CountFrom(0)
        }
        (Some(start), None) => OrderSource::CountFrom(start),
        (None, Some(file)) => OrderSource::File(file),
        (None, None) => OrderSource::File(default_order_file()),
    }
}

/// Where all producers of this user find the last event number, unless told otherwise.
pub fn default_order_file() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("deltawave/event-order")
}

/// Kafka's own rule for topic names; event hub names obey a stricter one.
pub(super) fn topic_name(name: String) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=249).contains(&name.len()) && name.chars().all(legal) && name != "." && name != ".." {
        Ok(name)
    } else {
        Err(format!("`{name}` is not a topic name: use 1 to 249 letters, digits, dots, underscores and hyphens"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::base::SecretSource;
    use crate::kafka::{EventHubAccess, Proof, Security};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        producer: ProducerArgs,
    }

    fn validate(flags: &[&str]) -> Result<ProducerSettings, String> {
        let cli = Cli::try_parse_from(["producer"].iter().chain(flags)).unwrap();
        cli.producer.validate().map_err(|faults| faults.to_string())
    }

    #[test]
    fn the_defaults_are_the_classic_demo() {
        let settings = validate(&[]).unwrap();
        assert_eq!(settings.transport.to_string(), "localhost:29092");
        assert_eq!(settings.topic, "user-events");
        assert_eq!(settings.rate, Rate::PerSecond(1.0));
        assert_eq!(settings.give_up, Duration::from_secs(60));
        assert!(
            matches!(settings.source, EventSource::Generated { users, seed: None, order: OrderSource::File(_), format: EventFormat::Json }
            if users.get() == 3)
        );
    }

    #[test]
    fn input_lines_go_as_fast_as_they_can_unless_told_otherwise() {
        assert_eq!(validate(&["--input", "-"]).unwrap().rate, Rate::Max);
        assert_eq!(validate(&["--input", "-", "--rate", "5"]).unwrap().rate, Rate::PerSecond(5.0));
    }

    #[test]
    fn amqp_needs_an_event_hub_and_no_connection_string() {
        let settings = validate(&["--transport", "amqp", "--event-hub", "contoso/orders"]).unwrap();
        assert_eq!(settings.transport.to_string(), "contoso.servicebus.windows.net/orders");
        assert_eq!(settings.topic, "orders");
        for (flags, fault) in [
            (&["--transport", "amqp"][..], "error: --event-hub: is needed by --transport amqp"),
            (
                &["--transport", "amqp", "--event-hub", "contoso/orders", "--connection-string", "secret"],
                "error: --connection-string: cannot be used over AMQP",
            ),
            (&["--transport", "amqp", "--event-hub", "contoso/orders", "--broker", "a:1"], "error: --broker: "),
            (
                &["--transport", "amqp", "--event-hub", "Endpoint=sb://contoso/;SharedAccessKey=secret"],
                "error: --event-hub: is a connection string",
            ),
            (
                &["--transport", "amqp", "--event-hub", "contoso/orders", "--create-topic", "3"],
                "error: --create-topic: ",
            ),
        ] {
            let text = validate(flags).unwrap_err();
            assert!(text.starts_with(fault) && !text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn https_needs_an_event_hub_and_takes_what_proves_something() {
        let hub = ["--event-hub", "contoso/orders"];
        let key = "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=secret";
        let signature = "SharedAccessSignature sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2Forders&sig=secret";
        for more in [&[][..], &["--connection-string", key], &["--connection-string", signature]] {
            let settings = validate(&[&["--transport", "https"], &hub[..], more].concat()).unwrap();
            assert_eq!(
                (&*settings.transport.to_string(), &*settings.topic),
                ("contoso.servicebus.windows.net/orders", "orders")
            );
            assert!(
                matches!(settings.transport, Transport::Https(https) if https.connection_string.is_some() != more.is_empty())
            );
        }
        let auto = validate(&[&["--transport", "auto", "--connection-string", key], &hub[..]].concat()).unwrap();
        assert!(matches!(auto.transport, Transport::Auto { kafka, .. } if kafka.broker.to_string().ends_with(":9093")));
        for (flags, fault) in [
            (&["--transport", "https"][..], "error: --event-hub: is needed by --transport https and auto"),
            (&["--transport", "auto"], "error: --event-hub: is needed by --transport https and auto"),
            (&["--transport", "https", "--event-hub", "contoso/orders", "--broker", "a:1"], "error: --broker: "),
            (&["--transport", "https", "--event-hub", "contoso/orders", "--kafka-ca", "a"], "error: --kafka-ca: "),
            (
                &["--transport", "https", "--event-hub", "contoso/orders", "--create-topic", "3"],
                "error: --create-topic: ",
            ),
            (
                &["--transport", "https", "--event-hub", "contoso/logs", "--connection-string", signature],
                "error: --connection-string: is a signature for ",
            ),
            (
                &["--transport", "auto", "--event-hub", "contoso/orders", "--connection-string", "secret"],
                "error: --connection-string: is not a",
            ),
            // Kafka takes no bare signature.
            (
                &["--transport", "auto", "--event-hub", "contoso/orders", "--connection-string", signature],
                "error: --connection-string: is not a",
            ),
        ] {
            let text = validate(flags).unwrap_err();
            assert!(text.starts_with(fault) && !text.contains("secret") && text.lines().count() == 1, "{text}");
        }
    }

    #[test]
    fn an_event_hub_stands_for_broker_and_topic() {
        let hub = ["--event-hub", "contoso/orders"];
        let kafka = |settings: ProducerSettings| match settings.transport {
            Transport::Kafka(kafka) => kafka,
            _ => panic!("not Kafka"),
        };
        let settings = validate(&hub).unwrap();
        assert_eq!(settings.topic, "orders");
        let settings = kafka(settings);
        assert_eq!(settings.broker.to_string(), "contoso.servicebus.windows.net:9093");
        let Security::EventHub(access) = settings.security else { panic!("no event hub") };
        assert!(matches!(access.proof, Proof::EntraToken));
        let settings = validate(&[&hub[..], &["--broker", "proxy:443", "--connection-string", "file:x"]].concat());
        let settings = kafka(settings.unwrap());
        assert_eq!(settings.broker.to_string(), "proxy:443");
        assert!(matches!(
            settings.security,
            Security::EventHub(EventHubAccess { proof: Proof::ConnectionString(SecretSource::File(_)), .. })
        ));
        for (wrong, flag) in [
            (["--topic", "orders"], "--topic: "),
            (["--create-topic", "3"], "--create-topic: "),
            (["--connection-string", "nonsense"], "--connection-string: is not"),
            (["--connection-string", "keyvault:x"], "--connection-string: keyvault:x is in a Key Vault"),
        ] {
            let text = validate(&[hub, wrong].concat()).unwrap_err();
            assert!(text.contains(flag), "{text}");
        }
        assert!(validate(&["--event-hub", "contoso"]).unwrap_err().contains("--event-hub: "));
    }

    #[test]
    fn avro_needs_a_registry_that_it_may_fill() {
        let registry = ["--format", "avro", "--schema-registry", "http://localhost:8081"];
        let settings = validate(&[&registry[..], &["--schema-registry-user", "ann"]].concat()).unwrap();
        let found = settings.registry.unwrap();
        assert_eq!((&*found.address.to_string(), found.user.as_deref()), ("http://localhost:8081", Some("ann")));
        assert_eq!(validate(&registry[2..]).unwrap().registry, None);
        for (flags, fault) in [
            (&["--format", "avro"][..], "error: --schema-registry: is missing"),
            (&["--format", "avro", "--schema-registry", "azure:contoso"], "error: --schema-registry: must be the URL"),
            (&["--format", "avro", "--schema-registry", "localhost"], "error: --schema-registry: is neither"),
        ] {
            let text = validate(flags).unwrap_err();
            assert!(text.starts_with(fault), "{text}");
        }
    }

    #[test]
    fn every_fault_is_named() {
        let text = validate(&["--broker", "here", "--topic", "a b", "--rate", "fast", "--input", "x", "--seed", "1"])
            .unwrap_err();
        for flag in ["--broker: ", "--topic: ", "--rate: ", "--seed: "] {
            assert!(text.contains(flag), "{flag} is missing in: {text}");
        }
        let text = validate(&["--order-start", "1", "--order-file", "x"]).unwrap_err();
        assert!(text.contains("--order-start: "), "{text}");
    }
}
