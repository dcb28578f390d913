use std::time::Duration;

use clap::Args;
use url::Url;

use super::identity::{BlobSasArgs, IdentityArgs};
use super::store::StoreArgs;
use super::{EventHub, Faults, Route, Seconds, event_hub, route};
use crate::azure::blob::BlobAddress;
use crate::azure::identity::IdentitySettings;
use crate::base::{Secret, SecretSource};
use crate::capture::NameFormat;
use crate::kafka::{BrokerAddress, KafkaSettings, Security};
use crate::store::StoreAddress;

/// Flags of every command that looks at a running system.
#[derive(Debug, Clone, Args)]
struct CheckArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Which event hub's records are in which table; several separated by commas
    #[arg(
        long = "route",
        env = "DELTAWAVE_ROUTE",
        value_name = "HUB=TABLE",
        value_delimiter = ',',
        default_value = "user-events=user_event_log"
    )]
    routes: Vec<String>,
    /// The Kafka broker whose topics are captured: its own counters tell the lag [default: the lag is not known]
    #[arg(long, env = "DELTAWAVE_BROKER", value_name = "HOST:PORT", conflicts_with = "event_hubs")]
    broker: Option<String>,
    /// The same, for event hubs in Azure, asked over AMQP; several separated by commas
    #[arg(
        long = "event-hub",
        env = "DELTAWAVE_EVENT_HUB",
        value_name = "NAMESPACE/HUB",
        value_delimiter = ',',
        hide_env_values = true
    )]
    event_hubs: Vec<String>,
    #[command(flatten)]
    endpoint: AmqpEndpointArgs,
    /// How long to try a store or broker that is away before exit 1, in seconds
    #[arg(long, env = "DELTAWAVE_GIVE_UP", value_name = "SECONDS", default_value = "60")]
    give_up: Seconds,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// Flag of every program that speaks AMQP.
#[derive(Debug, Clone, Args)]
pub(super) struct AmqpEndpointArgs {
    /// Where to reach the namespace over AMQP if not at its own name, for a private link or a proxy: amqps://HOST:5671,
    /// whose certificate is for HOST, or amqp:// without TLS
    #[arg(long, env = "DELTAWAVE_AMQP_ENDPOINT", value_name = "URL")]
    amqp_endpoint: Option<String>,
}

impl AmqpEndpointArgs {
    /// The endpoint, if one was given.
    pub(super) fn check(self, faults: &mut Faults) -> Option<Option<Url>> {
        match self.amqp_endpoint {
            None => Some(None),
            Some(text) => faults.check("--amqp-endpoint", endpoint(&text)).map(Some),
        }
    }
}

fn endpoint(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| Err(format!("`{text}` {why}: write amqps://HOST:5671"));
    match text.parse::<Url>() {
        Err(_) => wrong("is not a URL"),
        Ok(url) if matches!(url.scheme(), "ws" | "wss" | "http" | "https") => {
            wrong("is not AMQP, and AMQP over WebSockets (port 443) is not spoken here")
        }
        Ok(url) if !matches!(url.scheme(), "amqp" | "amqps") => wrong("is not AMQP"),
        Ok(url) if url.host_str().is_none_or(str::is_empty) => wrong("has no host"),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("takes no user or password: the program's identity is used".to_owned())
        }
        Ok(url) => Ok(url),
    }
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
    /// Which hub's records are in which table.
    pub routes: Vec<Route>,
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
    fn check(self, namespace: &str, blob_sas: Option<&SecretSource>, faults: &mut Faults) -> Option<CheckSettings> {
        let store = self.store.check(faults);
        let routes = route::routes(namespace, &self.routes, faults);
        let endpoint = self.endpoint.check(faults);
        let store_password = store.as_ref().and_then(|store| store.password.clone());
        let secrets = [("--store-password", store_password.as_ref()), ("--blob-sas", blob_sas)];
        let identity = self.identity.check(&secrets, faults);
        let source = match self.broker {
            Some(broker) => faults
                .check("--broker", broker.parse::<BrokerAddress>())
                .map(|broker| LogSource::Kafka(KafkaSettings { broker, security: Security::Plaintext })),
            None if self.event_hubs.is_empty() => Some(LogSource::Unknown),
            None => event_hubs(&self.event_hubs, faults).map(LogSource::EventHubs),
        };
        let (mut routes, source) = routes.zip(source)?;
        if let LogSource::EventHubs(hubs) = &source {
            for event_hub in hubs {
                match routes.iter_mut().find(|route| route.hub.name() == event_hub.hub) {
                    // Its files are named after its own namespace.
                    Some(route) => route.hub = event_hub.names(),
                    None => {
                        faults.add("--event-hub", format_args!("no --route says where {}'s records are", event_hub.hub))
                    }
                }
            }
        }
        Some(CheckSettings {
            store: store?.address,
            store_password,
            routes,
            source,
            amqp_endpoint: endpoint?,
            give_up: self.give_up.0,
            identity: identity?,
        })
    }
}

fn event_hubs(texts: &[String], faults: &mut Faults) -> Option<Vec<EventHub>> {
    let hubs: Vec<_> = texts.iter().filter_map(|text| faults.check("--event-hub", event_hub::parse(text))).collect();
    (hubs.len() == texts.len()).then_some(hubs)
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
        let settings = self.check.check("local", None, &mut faults);
        faults.finish(settings)
    }
}

/// Flags of `deltawave verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    check: CheckArgs,
    /// Also hold the ledger against the files themselves: azurite, https://ACCOUNT.blob.core.windows.net/CONTAINER[?SAS],
    /// or a directory [default: do not]
    // This is also the help text, where a link would show its brackets.
    #[allow(rustdoc::bare_urls)]
    #[arg(long, env = "DELTAWAVE_BLOB", hide_env_values = true)]
    blob: Option<Secret>,
    #[command(flatten)]
    blob_sas: BlobSasArgs,
    /// Event Hubs namespace in the files' names, for hubs that --event-hub does not name
    #[arg(long, env = "DELTAWAVE_NAMESPACE", default_value = "local")]
    namespace: String,
    /// How files are named: the capture setting archiveNameFormat [default: the service's own]
    #[arg(long, env = "DELTAWAVE_NAME_FORMAT", value_name = "FORMAT")]
    name_format: Option<String>,
    /// How old a file must be to count as forgotten when later ones are loaded and it is not, in seconds
    #[arg(long, env = "DELTAWAVE_SETTLE", value_name = "SECONDS", default_value = "60")]
    settle: Seconds,
    /// Sequence numbers may be left out: the Kafka topic is compacted, or written to in transactions
    #[arg(long, env = "DELTAWAVE_SPARSE")]
    sparse: bool,
    /// Print one JSON object instead of a table
    #[arg(long, env = "DELTAWAVE_JSON")]
    json: bool,
}

/// Validated settings of `verify`.
#[derive(Debug, Clone)]
pub struct VerifySettings {
    /// What is looked at.
    pub check: CheckSettings,
    /// Where the files are.
    pub blob: Option<BlobAddress>,
    /// A SAS for them, beside the address.
    pub blob_sas: Option<SecretSource>,
    /// How they are named.
    pub name_format: NameFormat,
    /// How old a forgotten file must be.
    pub settle: Duration,
    /// Whether sequence numbers may be left out.
    pub sparse: bool,
    /// Whether the report is an object.
    pub json: bool,
}

impl VerifyArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<VerifySettings, Faults> {
        let mut faults = Faults::default();
        let blob: Option<Option<BlobAddress>> = match self.blob {
            None => Some(None),
            Some(text) => faults.check("--blob", text.expose().parse()).map(Some),
        };
        let blob_sas = self.blob_sas.check(blob.as_ref().and_then(Option::as_ref), &mut faults);
        let check = self.check.check(&self.namespace, blob_sas.as_ref(), &mut faults);
        let name_format = match self.name_format {
            None => Some(NameFormat::default()),
            Some(text) => faults.check("--name-format", text.parse()),
        };
        let settings = (|| {
            Some(VerifySettings {
                check: check?,
                blob: blob?,
                blob_sas,
                name_format: name_format?,
                settle: self.settle.0,
                sparse: self.sparse,
                json: self.json,
            })
        })();
        faults.finish(settings)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        verify: VerifyArgs,
    }

    fn validate(flags: &[&str]) -> Result<VerifySettings, String> {
        let cli = Cli::try_parse_from(["verify"].iter().chain(flags)).map_err(|error| error.to_string())?;
        cli.verify.validate().map_err(|faults| faults.to_string())
    }

    #[test]
    fn an_event_hub_gives_its_route_the_namespace() {
        let settings = validate(&["--event-hub", "contoso/user-events"]).unwrap();
        assert_eq!(settings.check.routes[0].hub.to_string(), "contoso/user-events");
        assert!(matches!(settings.check.source, LogSource::EventHubs(hubs) if hubs.len() == 1));
        assert!(matches!(validate(&[]).unwrap().check.source, LogSource::Unknown));
        let text = validate(&["--event-hub", "contoso/orders"]).unwrap_err();
        assert_eq!(text, "error: --event-hub: no --route says where orders's records are");
        assert!(validate(&["--event-hub", "contoso/user-events", "--broker", "a:1"]).is_err());
    }

    #[test]
    fn an_amqp_endpoint_is_amqp() {
        for good in ["amqps://10.0.0.4:5671", "amqp://127.0.0.1:9", "amqps://proxy.example"] {
            assert_eq!(endpoint(good).unwrap().as_str().trim_end_matches('/'), good);
        }
        for (bad, why) in [
            ("wss://contoso.servicebus.windows.net:443", "WebSockets"),
            ("10.0.0.4:5671", "is not"),
            ("amqps://", "host"),
            ("amqps://me:secret@host", "takes no user"),
        ] {
            let text = endpoint(bad).unwrap_err();
            assert!(text.contains(why) && !text.contains("secret"), "{bad}: {text}");
        }
    }
}
