use std::path::PathBuf;

use clap::Args;

use super::{EventHub, Faults, HttpsSettings, event_hub};
use crate::azure::eventhub::EventHubAddress;
use crate::azure::eventhub::https::check_proof;
use crate::base::{SecretSource, check_connection_string};
use crate::kafka::{BrokerAddress, EventHubAccess, KafkaSettings, Proof, Security};

/// Where to ask when nothing is said: the listener that Kafka images offer to the host.
pub(super) const LOCAL: &str = "localhost:29092";
/// Where Event Hubs speaks Kafka.
const PORT: u16 = 9093;

/// Flags of programs that are Kafka clients.
#[derive(Debug, Clone, Args)]
pub(super) struct KafkaArgs {
    /// Kafka bootstrap address, several separated by commas; beside --event-hub the address to reach it through
    /// [default: localhost:29092, or the namespace of --event-hub]
    #[arg(long, env = "DELTAWAVE_BROKER", value_name = "HOST:PORT")]
    broker: Option<String>,
    /// Event hub to use instead of a broker and a topic; NAMESPACE may be a full host name
    #[arg(long, env = "DELTAWAVE_EVENT_HUB", value_name = "NAMESPACE/HUB", hide_env_values = true)]
    event_hub: Option<String>,
    /// Connection string for --event-hub: itself, file:PATH or keyvault:NAME [default: tokens of --credential]
    #[arg(long, env = "DELTAWAVE_CONNECTION_STRING", value_name = "SECRET", hide_env_values = true)]
    connection_string: Option<SecretSource>,
    /// PEM file of the certificate authorities to trust for --event-hub [default: $SSL_CERT_FILE, or the system's]
    #[arg(long, env = "DELTAWAVE_KAFKA_CA", value_name = "FILE")]
    kafka_ca: Option<PathBuf>,
}

/// What the flags come to.
pub(super) struct Kafka {
    pub settings: Option<KafkaSettings>,
    /// The event hub, if one is named.
    pub event_hub: Option<EventHub>,
}

/// The same for HTTPS.
pub(super) struct Https {
    pub settings: Option<HttpsSettings>,
    pub event_hub: Option<EventHub>,
}

impl KafkaArgs {
    /// The secret among them, for the check of the vault.
    pub(super) fn secret(&self) -> (&'static str, Option<SecretSource>) {
        ("--connection-string", self.connection_string.clone())
    }

    /// The event hub for AMQP, which has no use for the other flags.
    pub(super) fn check_for_amqp(self, faults: &mut Faults) -> Option<EventHub> {
        let for_kafka = "is for --transport kafka: leave it out";
        for (flag, given) in [("--broker", self.broker.is_some()), ("--kafka-ca", self.kafka_ca.is_some())] {
            if given {
                faults.add(flag, for_kafka);
            }
        }
        if self.connection_string.is_some() {
            faults.add(
                "--connection-string",
                "cannot be used over AMQP: leave it out, and give the program's identity the role Azure Event Hubs \
                 Data Sender",
            );
        }
        let hub = self.event_hub.ok_or("is needed by --transport amqp: write NAMESPACE/HUB".to_owned());
        faults.check("--event-hub", hub.and_then(|text| event_hub::parse(&text)))
    }

    /// The event hub for HTTPS, and what opens it.
    pub(super) fn check_for_https(self, faults: &mut Faults) -> Https {
        for (flag, given, instead) in [
            ("--broker", self.broker.is_some(), "leave it out"),
            ("--kafka-ca", self.kafka_ca.is_some(), "set SSL_CERT_FILE instead"),
        ] {
            if given {
                faults.add(flag, format_args!("is for --transport kafka: {instead}"));
            }
        }
        let hub = self.event_hub.ok_or("is needed by --transport https and auto: write NAMESPACE/HUB".to_owned());
        let event_hub = faults.check("--event-hub", hub.and_then(|text| event_hub::parse(&text)));
        let settings = event_hub.clone().and_then(|EventHub { host, hub, .. }| {
            if let Some(SecretSource::Literal(text)) = &self.connection_string {
                faults.check("--connection-string", check_proof(text, &host, &hub))?;
            }
            let address = EventHubAddress { host, hub, endpoint: None };
            Some(HttpsSettings { address, connection_string: self.connection_string })
        });
        Https { settings, event_hub }
    }

    /// What of it is for HTTPS too, where both are tried.
    pub(super) fn beside_kafka(self) -> Self {
        KafkaArgs { broker: None, kafka_ca: None, ..self }
    }

    /// Notes every fault; then there are no settings.
    pub(super) fn check(self, faults: &mut Faults) -> Kafka {
        let KafkaArgs { broker, event_hub, connection_string, kafka_ca } = self;
        let broker = broker.map(|broker| faults.check("--broker", broker.parse::<BrokerAddress>()));
        let Some(event_hub) = event_hub else {
            for (flag, given) in
                [("--connection-string", connection_string.is_some()), ("--kafka-ca", kafka_ca.is_some())]
            {
                if given {
                    faults.add(flag, "is for Event Hubs: name the hub by --event-hub, or leave it out");
                }
            }
            let broker = broker.unwrap_or_else(|| faults.check("--broker", LOCAL.parse()));
            let settings = broker.map(|broker| KafkaSettings { broker, security: Security::Plaintext });
            return Kafka { settings, event_hub: None };
        };
        let Some(event_hub) = faults.check("--event-hub", event_hub::parse(&event_hub)) else {
            return Kafka { settings: None, event_hub: None };
        };
        let broker = match broker {
            Some(None) => return Kafka { settings: None, event_hub: Some(event_hub) },
            broker => broker.flatten(),
        };
        let access =
            Access { broker: broker.map(|broker| broker.to_string()), connection_string, authorities: kafka_ca };
        let settings = access.check(event_hub.clone(), faults);
        Kafka { settings, event_hub: Some(event_hub) }
    }
}

/// How the Kafka endpoint of an event hub is reached, and what opens it.
pub(super) struct Access {
    pub(super) broker: Option<String>,
    pub(super) connection_string: Option<SecretSource>,
    pub(super) authorities: Option<PathBuf>,
}

impl Access {
    pub(super) fn check(self, event_hub: EventHub, faults: &mut Faults) -> Option<KafkaSettings> {
        let Access { broker, connection_string, authorities } = self;
        let EventHub { host, hub, .. } = event_hub;
        if let Some(SecretSource::Literal(text)) = &connection_string {
            faults.check("--connection-string", check_connection_string(text, &host, &hub));
        }
        let broker = match broker {
            Some(broker) => faults.check("--broker", broker.parse()),
            None => faults.check("--event-hub", format!("{host}:{PORT}").parse()),
        };
        let proof = connection_string.map_or(Proof::EntraToken, Proof::ConnectionString);
        // As OpenSSL itself does, which librdkafka keeps from it.
        let authorities = authorities.or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from));
        let access = EventHubAccess { host, hub, proof, authorities };
        broker.map(|broker| KafkaSettings { broker, security: Security::EventHub(access) })
    }
}
