use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::page::{PageArgs, PageSettings};
use super::{EventFormat, Faults, Rate, Seconds};
use crate::base::{Secret, SecretSource};
use crate::kafka::BrokerAddress;
use crate::store::StoreAddress;

/// Flags of `deltawave up`.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Broker: embedded (in this process), kafka (Apache Kafka, started here; needs JDK 17 and Maven), or HOST:PORT
    #[arg(long, env = "DELTAWAVE_BROKER", default_value = "embedded", value_name = "BROKER")]
    broker: String,
    /// Store: auto (--store-url, else a `risingwave` program on PATH, else PostgreSQL), risingwave, or postgres
    #[arg(long, env = "DELTAWAVE_STORE", default_value = "auto")]
    store: String,
    /// A running store to use instead of starting one: a libpq URL
    #[arg(long, env = "DELTAWAVE_STORE_URL", value_name = "URL", hide_env_values = true)]
    store_url: Option<Secret>,
    /// Memory for a RisingWave started here, in GiB
    #[arg(long, env = "DELTAWAVE_STORE_MEMORY", value_name = "GIB", default_value = "8")]
    store_memory: NonZero<u16>,
    /// Keep all data in this directory, and go on with it next time [default: a temporary one, removed at the end]
    #[arg(long, env = "DELTAWAVE_KEEP", value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Events per second (5, 5/s, 0.5/s) or max
    #[arg(long, env = "DELTAWAVE_RATE", value_name = "N/s|max", default_value = "5/s")]
    rate: String,
    /// Stop producing after so many events [default: no end]
    #[arg(long, env = "DELTAWAVE_EVENTS", value_name = "N")]
    events: Option<u64>,
    /// How many users to make events about
    #[arg(long, env = "DELTAWAVE_USERS", value_name = "N", default_value = "3")]
    users: NonZero<u32>,
    /// Make the same ids, operations, names and ages on every run [default: random]
    #[arg(long, env = "DELTAWAVE_SEED", value_name = "N")]
    seed: Option<u64>,
    /// How events are wrapped on their way: json, debezium, cloudevents, or avro with a schema registry (Apicurio,
    /// started here; needs JDK 17 and Maven)
    #[arg(long, env = "DELTAWAVE_FORMAT", value_enum, default_value_t = EventFormat::Json)]
    format: EventFormat,
    /// With --events: end by itself when all of them have arrived, compare every stage by counting, exit 0 if they agree
    #[arg(long, env = "DELTAWAVE_EXIT", requires = "events")]
    exit: bool,
    /// Topic to use, made if it is missing
    #[arg(long, env = "DELTAWAVE_TOPIC", default_value = "user-events")]
    topic: String,
    /// Partitions of the topic when it is made here
    #[arg(long, env = "DELTAWAVE_PARTITIONS", value_name = "N", default_value = "4")]
    partitions: NonZero<u16>,
    /// Close a Capture file after so many seconds, 1 to 900
    #[arg(long, env = "DELTAWAVE_WINDOW", value_name = "SECONDS", default_value = "1",
          value_parser = clap::value_parser!(u64).range(1..=900))]
    window: u64,
    /// How often the loader looks for new files, in seconds
    #[arg(long, env = "DELTAWAVE_POLL", value_name = "SECONDS", default_value = "0.25")]
    poll: Seconds,
    /// Load files only: rows are there when their file is loaded, and not within a second
    #[arg(long, env = "DELTAWAVE_NO_LIVE")]
    no_live: bool,
    /// Serve the page, /healthz, /readyz and /metrics on this address [default: 127.0.0.1:8080, or another port if that is
    /// taken]
    #[arg(long, env = "DELTAWAVE_HTTP", value_name = "ADDR:PORT")]
    http: Option<SocketAddr>,
    #[command(flatten)]
    page: PageArgs,
    /// Print plain lines even on a terminal
    #[arg(long, env = "DELTAWAVE_PLAIN")]
    plain: bool,
}

/// Which broker `up` uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerChoice {
    /// A mock cluster in this process.
    Embedded,
    /// Apache Kafka, started for the run.
    Kafka,
    /// One that runs already.
    Running(BrokerAddress),
}

/// Which store `up` uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreChoice {
    /// RisingWave if its program is on PATH, else PostgreSQL.
    Auto,
    /// RisingWave, started for the run.
    RisingWave,
    /// PostgreSQL, started for the run.
    Postgres,
    /// One that runs already.
    Running(Box<StoreAddress>),
}

/// Validated settings of `up`.
#[derive(Debug, Clone)]
pub struct UpSettings {
    /// The broker.
    pub broker: BrokerChoice,
    /// The store.
    pub store: StoreChoice,
    /// Memory for a RisingWave started here, in bytes.
    pub store_memory: u64,
    /// Where data stays between runs.
    pub keep: Option<PathBuf>,
    /// How fast to produce.
    pub rate: Rate,
    /// How many events to produce.
    pub events: Option<u64>,
    /// About how many users.
    pub users: NonZero<u32>,
    /// Repeatable, by this seed.
    pub seed: Option<u64>,
    /// How events are wrapped.
    pub format: EventFormat,
    /// Whether to end when all events have arrived, and to compare the stages.
    pub exit: bool,
    /// The topic, and the hub's name.
    pub topic: String,
    /// Its partitions, if it is made here.
    pub partitions: NonZero<u16>,
    /// How long a Capture window stays open.
    pub window: Duration,
    /// How often the loader polls.
    pub poll: Duration,
    /// Whether rows are there before their file.
    pub live: bool,
    /// Where the page is served, if not at an address that is free.
    pub http: Option<SocketAddr>,
    /// What is served there.
    pub page: PageSettings,
    /// No live screen.
    pub plain: bool,
}

impl UpArgs {
    /// Whether plain lines were asked for.
    pub fn plain(&self) -> bool {
        self.plain
    }

    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<UpSettings, Faults> {
        let mut faults = Faults::default();
        let broker = match self.broker.as_str() {
            "embedded" => Some(BrokerChoice::Embedded),
            "kafka" => Some(BrokerChoice::Kafka),
            address => faults.check("--broker", address.parse()).map(BrokerChoice::Running),
        };
        let url = self.store_url.map(|url| faults.check("--store-url", url.expose().parse()));
        let store = match (self.store.as_str(), url) {
            ("auto", Some(address)) => address.map(Box::new).map(StoreChoice::Running),
            ("auto", None) => Some(StoreChoice::Auto),
            ("risingwave", None) => Some(StoreChoice::RisingWave),
            ("postgres", None) => Some(StoreChoice::Postgres),
            ("risingwave" | "postgres", Some(_)) => {
                faults.add("--store", "starts a store, --store-url names a running one: leave one out");
                None
            }
            (other, _) => {
                faults.add("--store", format_args!("`{other}` is none of auto, risingwave, postgres"));
                None
            }
        };
        let rate = faults.check("--rate", self.rate.parse());
        if self.page.secret().is_some_and(SecretSource::needs_vault) {
            faults.add("--http-token", "is in a Key Vault, which nothing on this machine asks: give it as file:PATH");
        } else if let Some(fault) = self.page.secret().and_then(SecretSource::fault) {
            faults.add("--http-token", fault);
        }
        let topic = faults.check("--topic", super::producer::topic_name(self.topic));
        let settings = (|| {
            Some(UpSettings {
                broker: broker?,
                store: store?,
                store_memory: u64::from(self.store_memory.get()) << 30,
                keep: self.keep,
                rate: rate?,
                events: self.events,
                users: self.users,
                seed: self.seed,
                format: self.format,
                exit: self.exit,
                topic: topic?,
                partitions: self.partitions,
                window: Duration::from_secs(self.window),
                poll: self.poll.0,
                live: !self.no_live,
                http: self.http,
                page: self.page.check(),
                plain: self.plain,
            })
        })();
        faults.finish(settings)
    }
}
