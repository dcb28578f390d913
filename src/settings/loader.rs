use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::Faults;
use crate::azure::blob::BlobAddress;
use crate::azure::queue::QueueAddress;
use crate::capture::{Hub, NameFormat};
use crate::store::StoreAddress;

/// Flags of the `loader` program.
#[derive(Debug, Clone, Args)]
pub struct LoaderArgs {
    /// Where Capture files are: azurite, https://ACCOUNT.blob.core.windows.net/CONTAINER[?SAS], or a directory
    #[arg(long, env = "DELTAWAVE_BLOB", default_value = "azurite", hide_env_values = true)]
    blob: String,
    /// Where rows go: a libpq URL of RisingWave or PostgreSQL
    #[arg(
        long,
        env = "DELTAWAVE_STORE_URL",
        value_name = "URL",
        default_value = "postgresql://root@localhost:4566/dev",
        hide_env_values = true
    )]
    store_url: String,
    /// Event Hubs namespace in the files' names; what `capture --namespace` says for a plain Kafka broker
    #[arg(long, env = "DELTAWAVE_NAMESPACE", default_value = "local")]
    namespace: String,
    /// How files are named: the capture setting archiveNameFormat [default: the service's own]
    #[arg(long, env = "DELTAWAVE_NAME_FORMAT", value_name = "FORMAT")]
    name_format: Option<String>,
    /// Which event hub's records go into which table; several separated by commas
    #[arg(
        long = "route",
        env = "DELTAWAVE_ROUTE",
        value_name = "HUB=TABLE",
        value_delimiter = ',',
        default_value = "user-events=user_event_log"
    )]
    routes: Vec<String>,
    /// Columns without which a record is rejected, where its table has them; several separated by commas
    #[arg(
        long,
        env = "DELTAWAVE_REQUIRE",
        value_name = "COLUMNS",
        value_delimiter = ',',
        default_values = REQUIRE
    )]
    require: Vec<String>,
    /// Load what is there, then exit: 0 when all of it was loaded or rejected
    #[arg(long, env = "DELTAWAVE_ONCE")]
    once: bool,
    /// How often to look for new files, in seconds; fractions are fine
    #[arg(long, env = "DELTAWAVE_POLL", value_name = "SECONDS", default_value_t = POLL)]
    poll: Seconds,
    /// How much older than its partition's newest file a late one may be to be found by the next poll, in seconds
    #[arg(long, env = "DELTAWAVE_LOOK_BACK", value_name = "SECONDS", default_value_t = LOOK_BACK)]
    look_back: Seconds,
    /// How often to list everything, which finds late files whatever their names, in seconds
    #[arg(long, env = "DELTAWAVE_RECONCILE", value_name = "SECONDS", default_value_t = RECONCILE)]
    reconcile: Seconds,
    /// With --once: how long to retry what is away before exit 1, in seconds. Without --once it is retried for ever
    #[arg(long, env = "DELTAWAVE_GIVE_UP", value_name = "SECONDS", default_value_t = GIVE_UP)]
    give_up: Seconds,
    /// A storage queue of BlobCreated events, so that files are loaded as they arrive; listing finds what it misses:
    /// https://ACCOUNT.queue.core.windows.net/QUEUE[?SAS]. One queue a deployment: what no route wants is deleted
    #[arg(long, env = "DELTAWAVE_NOTIFICATIONS", value_name = "URL", hide_env_values = true)]
    notifications: Option<String>,
    /// How long a notification in hand is hidden from other loaders, in seconds; one of a file that is not done by
    /// then is received again
    #[arg(long, env = "DELTAWAVE_NOTIFICATION_LEASE", value_name = "SECONDS", default_value_t = LEASE)]
    notification_lease: Seconds,
    /// Serve /healthz, /readyz and /metrics on this address [default: do not]
    #[arg(long, env = "DELTAWAVE_HTTP", value_name = "ADDR:PORT")]
    http: Option<SocketAddr>,
    /// Rows in one INSERT
    #[arg(long, env = "DELTAWAVE_BATCH_ROWS", value_name = "N", default_value_t = BATCH_ROWS)]
    batch_rows: usize,
    /// Connections to the store that write at the same time
    #[arg(long, env = "DELTAWAVE_CONNECTIONS", value_name = "N", default_value_t = CONNECTIONS)]
    connections: usize,
    /// Files fetched and decoded at the same time
    #[arg(long, env = "DELTAWAVE_PARALLEL_FILES", value_name = "N", default_value_t = PARALLEL_FILES)]
    parallel_files: usize,
}

const REQUIRE: [&str; 3] = ["id", "op", "event_order"];
const POLL: Seconds = Seconds(Duration::from_secs(5));
const LOOK_BACK: Seconds = Seconds(Duration::from_secs(2 * 60 * 60));
const RECONCILE: Seconds = Seconds(Duration::from_secs(6 * 60 * 60));
const GIVE_UP: Seconds = Seconds(Duration::from_secs(60));
const LEASE: Seconds = Seconds(Duration::from_secs(600));
const LONGEST_LEASE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const POISON: &str = "-poison";
const BATCH_ROWS: usize = 10_000;
const CONNECTIONS: usize = 2;
const PARALLEL_FILES: usize = 4;

/// Validated settings of the loader.
#[derive(Debug, Clone)]
pub struct LoaderSettings {
    /// Where files are.
    pub blob: BlobAddress,
    /// Where rows go.
    pub store: StoreAddress,
    /// How files are named.
    pub name_format: NameFormat,
    /// Which hub goes into which table.
    pub routes: Vec<Route>,
    /// Columns every record must have, where the table has them.
    pub require: Vec<String>,
    /// Whether to end when all there is was loaded.
    pub once: bool,
    /// Time between polls.
    pub poll: Duration,
    /// How much older than the newest file a late one may be to be found without a full listing.
    pub look_back: Duration,
    /// Time between full listings.
    pub reconcile: Duration,
    /// How long trouble is borne with `once`.
    pub give_up: Duration,
    /// What tells of new files, beside the listing.
    pub notifications: Option<Notifications>,
    /// Where health and metrics are served.
    pub http: Option<SocketAddr>,
    /// Rows in one INSERT.
    pub batch_rows: usize,
    /// Connections that write.
    pub connections: usize,
    /// Files decoded at once.
    pub parallel_files: usize,
}

/// A queue of BlobCreated events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notifications {
    /// Where they are received.
    pub queue: QueueAddress,
    /// Where malformed ones are set aside: the queue of the same name with `-poison` after it.
    pub poison: QueueAddress,
    /// How long one in hand is hidden from other loaders: 1 s to 7 days.
    pub lease: Duration,
}

/// One hub's way into one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The event hub.
    pub hub: Hub,
    /// The table, with its schema if it is not in `public`.
    pub table: String,
}

impl LoaderSettings {
    /// A loader that runs until it is stopped, with the defaults of the flags.
    pub fn new(blob: BlobAddress, store: StoreAddress, routes: Vec<Route>) -> Self {
        LoaderSettings {
            blob,
            store,
            name_format: NameFormat::default(),
            routes,
            require: REQUIRE.map(str::to_owned).to_vec(),
            once: false,
            poll: POLL.0,
            look_back: LOOK_BACK.0,
            reconcile: RECONCILE.0,
            give_up: GIVE_UP.0,
            notifications: None,
            http: None,
            batch_rows: BATCH_ROWS,
            connections: CONNECTIONS,
            parallel_files: PARALLEL_FILES,
        }
    }
}

impl LoaderArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<LoaderSettings, Faults> {
        let mut faults = Faults::default();
        let blob = faults.check("--blob", self.blob.parse());
        let store = faults.check("--store-url", self.store_url.parse());
        let name_format = match &self.name_format {
            Some(text) => faults.check("--name-format", text.parse()),
            None => Some(NameFormat::default()),
        };
        let routes = routes(&self.namespace, &self.routes, &mut faults);
        let poll = faults.check("--poll", at_least(self.poll.0, Duration::from_millis(10)));
        for (flag, number, most) in [
            ("--batch-rows", self.batch_rows, 1_000_000),
            ("--connections", self.connections, 64),
            ("--parallel-files", self.parallel_files, 256),
        ] {
            if !(1..=most).contains(&number) {
                faults.add(flag, format_args!("{number} is not between 1 and {most}"));
            }
        }
        let notifications = match self.notifications {
            Some(text) => notifications(&text, self.notification_lease.0, &mut faults).map(Some),
            None => Some(None),
        };
        if matches!(notifications, Some(Some(_))) {
            if self.once {
                faults.add("--notifications", "--once loads what is there and waits for nothing; give one of the two");
            }
            if blob.as_ref().is_some_and(BlobAddress::is_directory) {
                faults.add("--notifications", "no service tells of files in a directory (--blob); leave it out");
            }
        }
        let settings = (|| {
            Some(LoaderSettings {
                blob: blob?,
                store: store?,
                name_format: name_format?,
                routes: routes?,
                require: self.require,
                once: self.once,
                poll: poll?,
                look_back: self.look_back.0,
                reconcile: self.reconcile.0,
                give_up: self.give_up.0,
                notifications: notifications?,
                http: self.http,
                batch_rows: self.batch_rows,
                connections: self.connections,
                parallel_files: self.parallel_files,
            })
        })();
        faults.finish(settings)
    }
}

fn notifications(text: &str, lease: Duration, faults: &mut Faults) -> Option<Notifications> {
    let queue: Option<QueueAddress> = faults.check("--notifications", text.parse());
    let poison = queue.as_ref().and_then(|queue| faults.check("--notifications", queue.neighbour(POISON)));
    let lease = match lease {
        lease if lease > LONGEST_LEASE => Err("must be at most 7 days, 604800 s".to_owned()),
        lease => at_least(lease, Duration::from_secs(1)),
    };
    let lease = faults.check("--notification-lease", lease);
    Some(Notifications { queue: queue?, poison: poison?, lease: lease? })
}

fn routes(namespace: &str, texts: &[String], faults: &mut Faults) -> Option<Vec<Route>> {
    let mut routes: Vec<Route> = Vec::new();
    for text in texts {
        let route = match text.split_once('=') {
            Some((hub, table)) if !table.is_empty() => Hub::new(namespace, hub)
                .map(|hub| Route { hub, table: table.to_owned() })
                .map_err(|error| error.to_string()),
            _ => Err(format!("`{text}` is not HUB=TABLE")),
        };
        match faults.check("--route", route) {
            Some(route) if routes.iter().any(|other| other.hub == route.hub) => {
                faults.add(
                    "--route",
                    format_args!("`{}` stands twice; run a second loader for a second table", route.hub.name()),
                );
            }
            route => routes.extend(route),
        }
    }
    (routes.len() == texts.len()).then_some(routes)
}

fn at_least(value: Duration, least: Duration) -> Result<Duration, String> {
    if value >= least { Ok(value) } else { Err(format!("must be at least {} s", least.as_secs_f64())) }
}

/// A time span in seconds, with a fraction if need be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_secs_f64().fmt(f)
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
        Duration::try_from_secs_f64(seconds).map(Seconds).map_err(|_| format!("`{text}` is no time span"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: LoaderArgs,
    }

    fn validate(flags: &[&str]) -> Result<LoaderSettings, String> {
        let cli = Cli::try_parse_from([&["loader"], flags].concat()).unwrap();
        cli.args.validate().map_err(|faults| faults.to_string())
    }

    #[test]
    fn the_defaults_are_the_local_pipeline() {
        let settings = validate(&[]).unwrap();
        assert_eq!(settings.routes.len(), 1);
        assert_eq!(settings.routes[0].hub.to_string(), "local/user-events");
        assert_eq!(settings.store.to_string(), "postgresql://root@localhost:4566/dev");
        assert_eq!(settings.name_format, NameFormat::default());
    }

    #[test]
    fn every_fault_is_told() {
        let text = validate(&[
            "--blob",
            "ftp://x",
            "--store-url",
            "nonsense",
            "--name-format",
            "{Year}",
            "--route",
            "a=b,a=c,d",
            "--poll",
            "0",
            "--connections",
            "0",
        ])
        .unwrap_err();
        for flag in [
            "--blob",
            "--store-url",
            "--name-format",
            "--route: `a` stands twice",
            "--route: `d`",
            "--poll",
            "--connections",
        ] {
            assert!(text.contains(flag), "{flag} is missing in:\n{text}");
        }
        let text = validate(&[
            "--notifications",
            "https://a.queue.core.windows.net/events-of-a-queue-whose-name-is-so-long-that-none-is-longer",
            "--notification-lease",
            "0.5",
        ])
        .unwrap_err();
        assert!(
            text.contains("--notifications: ") && text.contains("--notification-lease: must be at least 1 s"),
            "{text}"
        );
        for other in [["--once"].as_slice(), &["--blob", "/tmp"]] {
            let queue = ["--notifications", "http://127.0.0.1:10001/devstoreaccount1/events"];
            let text = validate(&[&queue, other].concat()).unwrap_err();
            assert!(text.starts_with("error: --notifications: ") && text.contains(other[0]), "{text}");
        }
    }

    #[test]
    fn notifications_name_a_queue_and_one_for_the_malformed() {
        let queue = "https://a.queue.core.windows.net/events?sv=1&sig=hunter2";
        let notifications = validate(&["--notifications", queue]).unwrap().notifications.unwrap();
        assert_eq!(notifications.queue.to_string(), "https://a.queue.core.windows.net/events");
        assert_eq!(notifications.poison.to_string(), "https://a.queue.core.windows.net/events-poison");
        assert_eq!(notifications.lease, Duration::from_secs(600));
    }
}
