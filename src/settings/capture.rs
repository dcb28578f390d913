use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Faults;
use super::identity::{BlobSasArgs, IdentityArgs};
use super::kafka::KafkaArgs;
use super::names::{LOCAL, name_format};
use super::producer::{DEFAULT_TOPIC, TOPIC_BESIDE_EVENT_HUB, topic_name};
use crate::azure::blob::BlobAddress;
use crate::azure::identity::IdentitySettings;
use crate::base::{Secret, SecretSource};
use crate::capture::{Hub, NameFormat, WindowLimits};
use crate::kafka::KafkaSettings;

/// Flags of the `capture` program.
#[derive(Debug, Clone, Args)]
pub struct CaptureArgs {
    #[command(flatten)]
    kafka: KafkaArgs,
    /// Topics to capture: give it several times, or separate them by commas [default: user-events, or the hub of
    /// --event-hub]
    #[arg(long, env = "DELTAWAVE_TOPIC", value_delimiter = ',')]
    topic: Vec<String>,
    /// Container to write to: azurite, a container's URL (with a SAS or not), or a directory
    #[arg(long, env = "DELTAWAVE_BLOB", value_name = "ADDRESS", default_value = "azurite", hide_env_values = true)]
    blob: Secret,
    #[command(flatten)]
    blob_sas: BlobSasArgs,
    /// What stands for the Event Hubs namespace in the files' names [default: local, or the namespace of --event-hub]
    #[arg(long, env = "DELTAWAVE_NAMESPACE")]
    namespace: Option<String>,
    /// How files are named: all nine tokens, in any order [default: {Namespace}/{EventHub}/{PartitionId}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}]
    #[arg(long, env = "DELTAWAVE_NAME_FORMAT", value_name = "FORMAT")]
    name_format: Option<String>,
    /// Close a file after so many seconds, 1 to 900 (Event Hubs: 60 to 900)
    #[arg(long, env = "DELTAWAVE_WINDOW", value_name = "SECONDS", default_value = "60",
          value_parser = clap::value_parser!(u64).range(1..=900))]
    window: u64,
    /// Close a file at so many bytes, 65536 to 524288000 (Event Hubs: from 10485760)
    #[arg(long, env = "DELTAWAVE_SIZE", value_name = "BYTES", default_value = "314572800",
          value_parser = clap::value_parser!(u64).range(65_536..=524_288_000))]
    size: u64,
    /// Write no file for a window without records
    #[arg(long, env = "DELTAWAVE_SKIP_EMPTY")]
    skip_empty: bool,
    /// How files are compressed
    #[arg(long, env = "DELTAWAVE_CODEC", value_enum, default_value_t = FileCodec::Null)]
    codec: FileCodec,
    /// How long to try an unreachable broker, container or topic at the start before exit 1, in seconds; later there
    /// is no limit
    #[arg(long, env = "DELTAWAVE_GIVE_UP", value_name = "SECONDS", default_value = "60",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    give_up: u64,
    /// Serve /healthz, /readyz and /metrics on this address [default: do not]
    #[arg(long, env = "DELTAWAVE_HTTP", value_name = "ADDR:PORT")]
    http: Option<SocketAddr>,
    /// Capture what is in the topics at the start, then exit
    #[arg(long, env = "DELTAWAVE_UNTIL_END")]
    until_end: bool,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// How files are compressed: the two ways Event Hubs Capture knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FileCodec {
    /// Not at all.
    Null,
    /// By deflate.
    Deflate,
}

/// What becomes of a window without records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyWindows {
    /// A file with a header only: a sign of life.
    Write,
    /// Nothing.
    Skip,
}

/// When to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// When told.
    Stopped,
    /// When all that was in the topics at the start is in files.
    End,
}

/// Validated settings of the capture program.
#[derive(Debug, Clone)]
pub struct CaptureSettings {
    /// Where to read.
    pub kafka: KafkaSettings,
    /// The topics, each as the event hub its files are named after; none twice.
    pub hubs: Vec<Hub>,
    /// Where to write.
    pub blob: BlobAddress,
    /// A SAS for it, beside the address.
    pub blob_sas: Option<SecretSource>,
    /// How files are named.
    pub name_format: NameFormat,
    /// When files are closed.
    pub limits: WindowLimits,
    /// What becomes of a window without records.
    pub empty_windows: EmptyWindows,
    /// How files are compressed.
    pub codec: FileCodec,
    /// How long an unreachable broker, container or topic is tried at the start.
    pub give_up: Duration,
    /// Where health and metrics are served.
    pub http: Option<SocketAddr>,
    /// When to end.
    pub until: Until,
    /// Who this is towards Azure.
    pub identity: IdentitySettings,
}

impl CaptureArgs {
    /// Checks the flags.
    ///
    /// # Errors
    /// Every fault found.
    pub fn validate(self) -> Result<CaptureSettings, Faults> {
        let mut faults = Faults::default();
        let (secret_flag, secret) = self.kafka.secret();
        let kafka = self.kafka.check(&mut faults);
        let blob = faults.check("--blob", self.blob.expose().parse::<BlobAddress>());
        let name_format = name_format(self.name_format.as_deref(), &mut faults);
        let (namespace, topics) = match kafka.event_hub {
            None if self.topic.is_empty() => (LOCAL, vec![DEFAULT_TOPIC.to_owned()]),
            None => (LOCAL, self.topic),
            Some(ref event_hub) => {
                if !self.topic.is_empty() {
                    faults.add("--topic", TOPIC_BESIDE_EVENT_HUB);
                }
                (&*event_hub.namespace, vec![event_hub.hub.clone()])
            }
        };
        let hubs = hubs(&mut faults, self.namespace.as_deref().unwrap_or(namespace), topics);
        let blob_sas = self.blob_sas.check(blob.as_ref(), &mut faults);
        let secrets = [("--blob-sas", blob_sas.as_ref()), (secret_flag, secret.as_ref())];
        let identity = self.identity.check(&secrets, &mut faults);
        let parts = kafka.settings.zip(blob).zip(name_format).zip(identity);
        let settings = parts.map(|(((kafka, blob), name_format), identity)| CaptureSettings {
            kafka,
            hubs,
            blob,
            blob_sas,
            name_format,
            limits: WindowLimits { interval: Duration::from_secs(self.window), size: self.size },
            empty_windows: if self.skip_empty { EmptyWindows::Skip } else { EmptyWindows::Write },
            codec: self.codec,
            give_up: Duration::from_secs(self.give_up),
            identity,
            http: self.http,
            until: if self.until_end { Until::End } else { Until::Stopped },
        });
        faults.finish(settings)
    }
}

fn hubs(faults: &mut Faults, namespace: &str, topics: Vec<String>) -> Vec<Hub> {
    // A topic of the same name always passes, so that a fault here is the namespace's.
    faults.check("--namespace", Hub::new(namespace, namespace));
    let mut hubs = Vec::new();
    for topic in topics {
        let Some(topic) = faults.check("--topic", topic_name(topic)) else { continue };
        match Hub::new(namespace, &topic) {
            Ok(hub) if hubs.contains(&hub) => faults.add("--topic", format!("`{topic}` is given twice: give it once")),
            Ok(hub) => hubs.push(hub),
            Err(_) => {} // the namespace's fault, noted above
        }
    }
    hubs
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        capture: CaptureArgs,
    }

    fn validate(flags: &[&str]) -> Result<CaptureSettings, String> {
        let cli = Cli::try_parse_from(["capture"].iter().chain(flags)).unwrap();
        cli.capture.validate().map_err(|faults| faults.to_string())
    }

    #[test]
    fn the_defaults_are_the_services_own() {
        let settings = validate(&[]).unwrap();
        assert_eq!(settings.hubs, [Hub::new("local", "user-events").unwrap()]);
        assert_eq!(settings.name_format, NameFormat::default());
        assert_eq!(settings.limits, WindowLimits { interval: Duration::from_secs(60), size: 300 << 20 });
        assert_eq!(settings.until, Until::Stopped);
    }

    #[test]
    fn topics_are_listed_or_repeated() {
        let settings = validate(&["--topic", "a,b", "--topic", "c", "--namespace", "ns"]).unwrap();
        assert_eq!(settings.hubs, ["a", "b", "c"].map(|topic| Hub::new("ns", topic).unwrap()));
    }

    #[test]
    fn an_event_hub_names_the_files_too() {
        let settings = validate(&["--event-hub", "contoso/orders"]).unwrap();
        assert_eq!(settings.hubs, [Hub::new("contoso", "orders").unwrap()]);
        let settings = validate(&["--event-hub", "contoso/orders", "--namespace", "other"]).unwrap();
        assert_eq!(settings.hubs, [Hub::new("other", "orders").unwrap()]);
        assert!(validate(&["--event-hub", "contoso/orders", "--topic", "x"]).unwrap_err().contains("--topic: "));
    }

    #[test]
    fn every_fault_is_named() {
        let text = validate(&[
            "--broker",
            "here",
            "--topic",
            "a b",
            "--blob",
            "capture",
            "--namespace",
            "a/b",
            "--name-format",
            "{Year}",
        ])
        .unwrap_err();
        for flag in ["--broker: ", "--topic: ", "--blob: ", "--namespace: ", "--name-format: "] {
            assert!(text.contains(flag), "{flag} is missing in: {text}");
        }
        assert!(validate(&["--topic", "a,a"]).unwrap_err().contains("given twice"));
        for wrong in [["--window", "0"], ["--window", "901"], ["--size", "65535"], ["--codec", "snappy"]] {
            assert!(Cli::try_parse_from(["capture"].iter().chain(&wrong)).is_err(), "{wrong:?}");
        }
    }
}
