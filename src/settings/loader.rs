use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::columns::{ColumnArgs, ColumnRule};
use super::identity::{BlobSasArgs, IdentityArgs};
use super::live::{LiveArgs, LiveSettings, LiveSource};
use super::names::NameArgs;
use super::notifications::{NotificationArgs, Notifications};
use super::page::{PageArgs, PageSettings};
use super::registry::{Registries, RegistryArgs};
use super::route::RouteArgs;
use super::scope::ScopeArgs;
use super::store::StoreArgs;
use super::{Faults, Route, Seconds, Tombstones};
use crate::azure::blob::BlobAddress;
use crate::azure::identity::IdentitySettings;
#[cfg(debug_assertions)]
use crate::base::killpoint::KillPoint;
use crate::base::{Secret, SecretSource};
use crate::capture::{NameFormat, Scope};
use crate::rows::{InvalidTable, Table};
use crate::store::StoreAddress;

/// Flags of the `loader` program.
#[derive(Debug, Clone, Args)]
pub struct LoaderArgs {
    /// Where Capture files are: azurite, https://ACCOUNT.blob.core.windows.net/CONTAINER[?SAS], or a directory
    // This is also the help text, where a link would show its brackets.
    #[allow(rustdoc::bare_urls)]
    #[arg(long, env = "DELTAWAVE_BLOB", default_value = "azurite", hide_env_values = true)]
    blob: Secret,
    #[command(flatten)]
    blob_sas: BlobSasArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    names: NameArgs,
    #[command(flatten)]
    routes: RouteArgs,
    /// Columns without which a record is rejected, where its table has them; several separated by commas
    #[arg(
        long,
        env = "DELTAWAVE_REQUIRE",
        value_name = "COLUMNS",
        value_delimiter = ',',
        default_values = REQUIRE
    )]
    require: Vec<String>,
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// What becomes of fields that have no column: off (they are rescued, or dropped and counted), or add (each becomes one,
    /// of the narrowest type that takes what there is of it; this user must be allowed to alter the table)
    #[arg(long, env = "DELTAWAVE_EVOLVE", value_enum, default_value_t = Evolve::Off)]
    evolve: Evolve,
    /// Load what is there, then exit: 0 when all of it was loaded or rejected
    #[arg(long, env = "DELTAWAVE_ONCE")]
    once: bool,
    /// With --once or --dry-run: exit 0 also when no route has any Capture file
    #[arg(long, env = "DELTAWAVE_ALLOW_EMPTY")]
    allow_empty: bool,
    /// Read and map everything, write nothing: list what would be rejected, and tell the rate. Exit 1 if anything would be
    #[arg(long, env = "DELTAWAVE_DRY_RUN")]
    dry_run: bool,
    /// How often to look for new files, in seconds; fractions are fine
    #[arg(long, env = "DELTAWAVE_POLL", value_name = "SECONDS", default_value_t = POLL)]
    poll: Seconds,
    /// How much older than its partition's newest file a late one may be and still be found within 20 polls or 30 s, in
    /// seconds
    #[arg(long, env = "DELTAWAVE_LOOK_BACK", value_name = "SECONDS", default_value_t = LOOK_BACK)]
    look_back: Seconds,
    /// How often to list everything, which finds late files whatever their names, in seconds
    #[arg(long, env = "DELTAWAVE_RECONCILE", value_name = "SECONDS", default_value_t = RECONCILE)]
    reconcile: Seconds,
    /// How long a file that has no bytes is given to be filled before it is quarantined, in seconds
    #[arg(long, env = "DELTAWAVE_SETTLE", value_name = "SECONDS", default_value_t = SETTLE)]
    settle: Seconds,
    /// With --once: how long to retry what is away before exit 1, in seconds. Without --once it is retried for ever
    #[arg(long, env = "DELTAWAVE_GIVE_UP", value_name = "SECONDS", default_value_t = GIVE_UP)]
    give_up: Seconds,
    /// Pack the small files of Delta tables so often, in seconds, as `deltawave optimize` does [default: never]
    #[arg(long, env = "DELTAWAVE_OPTIMIZE", value_name = "SECONDS")]
    optimize: Option<Seconds>,
    #[command(flatten)]
    notifications: NotificationArgs,
    #[command(flatten)]
    live: LiveArgs,
    /// How often to retry what does not pass by itself, such as a refused credential or a dropped table, in seconds
    #[arg(long, env = "DELTAWAVE_SLOW_RETRY", value_name = "SECONDS", default_value_t = SLOW_RETRY)]
    slow_retry: Seconds,
    /// How long the store may take to answer one statement before the connection is given up, in seconds
    #[arg(long, env = "DELTAWAVE_STORE_TIMEOUT", value_name = "SECONDS", default_value_t = STORE_TIMEOUT)]
    store_timeout: Seconds,
    /// Serve a page, /healthz, /readyz and /metrics on this address [default: do not]
    #[arg(long, env = "DELTAWAVE_HTTP", value_name = "ADDR:PORT")]
    http: Option<SocketAddr>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Memory to use, in MiB; fewer files at once and smaller batches keep to it
    #[arg(long, env = "DELTAWAVE_MEMORY", value_name = "MIB", default_value_t = MEMORY)]
    memory: usize,
    /// Die at this moment, to prove that no moment is a bad one: before:STEP[:N] or after:STEP[:N]
    #[cfg(debug_assertions)]
    #[arg(long, hide = true, value_name = "MOMENT")]
    kill_at: Option<KillPoint>,
    /// Rows in one INSERT
    #[arg(long, env = "DELTAWAVE_BATCH_ROWS", value_name = "N", default_value_t = BATCH_ROWS)]
    batch_rows: usize,
    /// Connections to the store that write at the same time
    #[arg(long, env = "DELTAWAVE_CONNECTIONS", value_name = "N", default_value_t = CONNECTIONS)]
    connections: usize,
    /// Files fetched and decoded at the same time
    #[arg(long, env = "DELTAWAVE_PARALLEL_FILES", value_name = "N", default_value_t = PARALLEL_FILES)]
    parallel_files: usize,
    #[command(flatten)]
    identity: IdentityArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Evolve {
    Off,
    Add,
}

pub(super) const REQUIRE: [&str; 3] = ["id", "op", "event_order"];
const POLL: Seconds = Seconds(Duration::from_secs(5));
const LOOK_BACK: Seconds = Seconds(Duration::from_secs(2 * 60 * 60));
const RECONCILE: Seconds = Seconds(Duration::from_secs(6 * 60 * 60));
const SETTLE: Seconds = Seconds(Duration::from_secs(60));
const GIVE_UP: Seconds = Seconds(Duration::from_secs(60));
const SLOW_RETRY: Seconds = Seconds(Duration::from_secs(30));
/// Statements and flushes of a busy cluster may take minutes.
pub(super) const STORE_TIMEOUT: Seconds = Seconds(Duration::from_secs(300));
/// In MiB.
pub(super) const MEMORY: usize = 256;
pub(super) const BATCH_ROWS: usize = 10_000;
pub(super) const CONNECTIONS: usize = 2;
pub(super) const PARALLEL_FILES: usize = 4;

/// Validated settings of the loader.
#[derive(Debug, Clone)]
pub struct LoaderSettings {
    /// Where files are.
    pub blob: BlobAddress,
    /// A SAS for it, beside the address.
    pub blob_sas: Option<SecretSource>,
    /// Where rows go.
    pub store: StoreAddress,
    /// Where the store's password is read.
    pub store_password: Option<SecretSource>,
    /// How files are named.
    pub name_format: NameFormat,
    /// Which hub goes into which table of the store.
    pub routes: Vec<Route>,
    /// Which hub goes into which Delta table.
    pub lakes: Vec<Route>,
    /// Columns every record must have, where the table has them.
    pub require: Vec<String>,
    /// What is said of single columns, beside the catalog.
    pub columns: Vec<ColumnRule>,
    /// Where schemas are that bodies name.
    pub registries: Registries,
    /// Whether fields that have no column become one.
    pub evolve: bool,
    /// Whether to end when all there is was loaded.
    pub once: bool,
    /// Whether a run that finds no file ends well.
    pub allow_empty: bool,
    /// Whether to write nothing.
    pub dry_run: bool,
    /// Time between polls.
    pub poll: Duration,
    /// How far back and how often to look for late files.
    pub lookout: Lookout,
    /// How long trouble is borne with `once`.
    pub give_up: Duration,
    /// How often Delta tables are packed.
    pub optimize: Option<Duration>,
    /// What tells of new files, beside the listing.
    pub notifications: Option<Notifications>,
    /// What puts the newest records there before their files.
    pub live: Option<LiveSettings>,
    /// Who is asked how much is still to come, if anybody was named, or why nobody can be.
    pub log: Option<Result<LiveSource, String>>,
    /// Time between tries of what does not pass by itself.
    pub slow_retry: Duration,
    /// How long the store may take to answer.
    pub store_timeout: Duration,
    /// Where health and metrics are served.
    pub http: Option<SocketAddr>,
    /// What is served there beside them.
    pub page: PageSettings,
    /// Which files.
    pub scope: Scope,
    /// Memory to use, in bytes.
    pub memory: usize,
    /// When to die, in development builds.
    #[cfg(debug_assertions)]
    pub kill_at: Option<KillPoint>,
    /// Rows in one INSERT.
    pub batch_rows: usize,
    /// Connections that write.
    pub connections: usize,
    /// Files decoded at once.
    pub parallel_files: usize,
    /// Who this is towards Azure.
    pub identity: IdentitySettings,
}

/// How far back and how often to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookout {
    /// How much older than a partition's newest file a late one may be and still be found by the next sweep.
    pub look_back: Duration,
    /// How often the look-back is listed. The polls between list only what follows the newest file of each partition,
    /// so that their cost is that of new files, however many there were in the look-back.
    pub sweep: Duration,
    /// How often everything is listed, which finds a late file whatever its name.
    pub reconcile: Duration,
    /// How old a file without any bytes must be to be taken for what it is.
    pub settle: Duration,
}

impl Lookout {
    /// Sweeps every 20 polls, but at least every 30 s.
    fn new(poll: Duration, look_back: Duration, reconcile: Duration, settle: Duration) -> Self {
        const POLLS: u32 = 20;
        const LONGEST: Duration = Duration::from_secs(30);
        Lookout { look_back, sweep: (poll * POLLS).min(LONGEST), reconcile, settle }
    }
}

impl LoaderSettings {
    /// A loader that runs until it is stopped, with the defaults of the flags.
    pub fn new(blob: BlobAddress, store: StoreAddress, routes: Vec<Route>) -> Self {
        LoaderSettings {
            blob,
            blob_sas: None,
            store,
            store_password: None,
            name_format: NameFormat::default(),
            routes,
            lakes: Vec::new(),
            require: REQUIRE.map(str::to_owned).to_vec(),
            columns: Vec::new(),
            registries: Registries::default(),
            evolve: false,
            once: false,
            allow_empty: false,
            dry_run: false,
            poll: POLL.0,
            lookout: Lookout::new(POLL.0, LOOK_BACK.0, RECONCILE.0, SETTLE.0),
            give_up: GIVE_UP.0,
            optimize: None,
            notifications: None,
            live: None,
            log: None,
            slow_retry: SLOW_RETRY.0,
            store_timeout: STORE_TIMEOUT.0,
            http: None,
            page: PageSettings::default(),
            scope: Scope::default(),
            memory: MEMORY << 20,
            #[cfg(debug_assertions)]
            kill_at: None,
            batch_rows: BATCH_ROWS,
            connections: CONNECTIONS,
            parallel_files: PARALLEL_FILES,
            identity: IdentitySettings::default(),
        }
    }

    /// A route's table with what the settings say of it, beside the catalog.
    ///
    /// # Errors
    /// When they say something of a column that does not fit it.
    pub fn fit(&self, route: &Route, table: Table) -> Result<Table, InvalidTable> {
        let mut rules = self.columns.iter().filter(|rule| rule.table == route.table);
        let table = rules.try_fold(table, |table, rule| table.with_epoch(&rule.column, rule.epoch))?;
        if route.format.makes_several() && !table.is_indexed() {
            return Err(InvalidTable::NoIndex { table: table.name().to_owned(), format: route.format.name() });
        }
        Ok(match route.tombstones {
            Tombstones::Reject => table,
            Tombstones::Skip => table.skipping_tombstones(),
        })
    }
}

/// What a loader may use of connections and memory.
pub(super) fn check_sizes(
    batch_rows: usize,
    connections: usize,
    parallel_files: usize,
    memory: usize,
    faults: &mut Faults,
) {
    for (flag, number, least, most) in [
        ("--batch-rows", batch_rows, 1, 1_000_000),
        ("--connections", connections, 1, 64),
        ("--parallel-files", parallel_files, 1, 256),
        ("--memory", memory, 64, 1 << 20),
    ] {
        if !(least..=most).contains(&number) {
            faults.add(flag, format_args!("{number} is not between {least} and {most}"));
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
        let blob = faults.check("--blob", self.blob.expose().parse::<BlobAddress>());
        let store = self.store.check(&mut faults);
        let name_format = self.names.check(&mut faults);
        let all = self.routes.check_all(&self.names.namespace, &mut faults);
        let (lakes, routes) = match all.clone() {
            Some(all) => {
                let (lakes, routes): (Vec<_>, Vec<_>) = all.into_iter().partition(|route| route.lake.is_some());
                (Some(lakes), Some(routes))
            }
            None => (None, None),
        };
        let into_lakes = lakes.as_ref().is_some_and(|lakes| !lakes.is_empty());
        if into_lakes {
            for (flag, given) in [("--dry-run", self.dry_run), ("--evolve", self.evolve == Evolve::Add)] {
                if given {
                    faults.add(
                        flag,
                        "a route into a Delta table (delta:) does not go with it yet; leave one of the two out",
                    );
                }
            }
        }
        let columns = self.columns.check(all.as_deref(), &mut faults);
        let (registry_flag, registry_password) = self.registry.secret();
        let registries = self.registry.check(all.as_deref(), &mut faults);
        let poll = faults.check("--poll", self.poll.at_least(0.01));
        let optimize = match self.optimize {
            None => Some(None),
            Some(every) => faults.check("--optimize", every.at_least(1.0)).map(Some),
        };
        if self.optimize.is_some() && lakes.as_ref().is_some_and(Vec::is_empty) {
            faults.add("--optimize", "no --route leads into a Delta table (delta:); leave it out");
        }
        let slow_retry = faults.check("--slow-retry", self.slow_retry.at_least(0.1));
        let store_timeout = faults.check("--store-timeout", self.store_timeout.at_least(0.1));
        check_sizes(self.batch_rows, self.connections, self.parallel_files, self.memory, &mut faults);
        let (part, span) = (self.scope.is_part(), self.scope.is_span());
        let scope = self.scope.check(&mut faults);
        let no_lane = [
            (self.once, "goes on for ever, and --once ends; give one of the two"),
            (self.dry_run, "writes, and --dry-run does not; give one of the two"),
            (span, "reads what is new, and --from and --until name what was; leave one out"),
        ];
        let unfit = [
            (self.once, "--once loads what is there and waits for nothing; give one of the two"),
            (self.dry_run, "--dry-run loads nothing; give one of the two"),
            (
                part,
                "a loader of a part (--from, --until, --partition) would delete what tells of the rest; leave it out",
            ),
            (
                blob.as_ref().is_some_and(BlobAddress::is_directory),
                "no service tells of files in a directory (--blob); leave it out",
            ),
        ];
        let blob_sas = self.blob_sas.check(blob.as_ref(), &mut faults);
        let store_password = store.as_ref().and_then(|store| store.password.clone());
        let secrets = [
            ("--blob-sas", blob_sas.as_ref()),
            ("--connection-string", self.live.secret()),
            ("--notifications-sas", self.notifications.notifications_sas.as_ref()),
            ("--store-password", store_password.as_ref()),
            (registry_flag, registry_password.as_ref()),
            ("--http-token", self.page.secret()),
        ];
        let identity = self.identity.check(&secrets, &mut faults);
        let page = self.page.check();
        // What the page shows of rows it asks a store, and nobody named one.
        let page = PageSettings { hidden: page.hidden || routes.as_ref().is_some_and(Vec::is_empty), ..page };
        let notifications = self.notifications.check(&unfit, &mut faults);
        let log = routes.as_deref().and_then(|routes| self.live.clone().log(routes));
        let live = self.live.check(routes.as_deref(), &no_lane, &mut faults);
        let log = live.as_ref().and_then(Option::as_ref).map_or(log, |live| Some(Ok(live.source.clone())));
        if self.evolve == Evolve::Add && live.as_ref().is_some_and(Option::is_some) {
            faults.add(
                "--evolve",
                "add and --live do not go together: a live row would stay without what its new column is for",
            );
        }
        if into_lakes && routes.as_ref().is_some_and(Vec::is_empty) {
            for (flag, given) in [
                ("--notifications", notifications.as_ref().is_some_and(Option::is_some)),
                ("--live", live.as_ref().is_some_and(Option::is_some)),
            ] {
                if given {
                    faults.add(
                        flag,
                        "is for routes into a store, and there are routes into Delta tables only; leave it out",
                    );
                }
            }
        }
        let settings = (|| {
            Some(LoaderSettings {
                blob: blob?,
                blob_sas,
                store_password,
                store: store?.address,
                name_format: name_format?,
                routes: routes?,
                lakes: lakes?,
                require: self.require,
                columns: columns?,
                registries: registries?,
                evolve: self.evolve == Evolve::Add,
                once: self.once,
                allow_empty: self.allow_empty,
                dry_run: self.dry_run,
                poll: poll?,
                lookout: Lookout::new(poll?, self.look_back.0, self.reconcile.0, self.settle.0),
                give_up: self.give_up.0,
                optimize: optimize?,
                notifications: notifications?,
                live: live?,
                log,
                slow_retry: slow_retry?,
                store_timeout: store_timeout?,
                http: self.http,
                page,
                scope: scope?,
                memory: self.memory << 20,
                #[cfg(debug_assertions)]
                kill_at: self.kill_at,
                batch_rows: self.batch_rows,
                connections: self.connections,
                parallel_files: self.parallel_files,
                identity: identity?,
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
        assert!(text.contains("--notifications: ") && text.contains("--notification-lease: must be"), "{text}");
        for other in [["--once"].as_slice(), &["--blob", "/tmp"], &["--from", "2026-01-02T00:00:00Z"]] {
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

    #[test]
    fn neither_flags_nor_settings_print_a_secret() {
        let blob = "https://a.blob.core.windows.net/capture?sig=hunter2";
        let queue = "https://a.queue.core.windows.net/events";
        for flags in [
            ["--blob", blob, "--notifications", queue, "--notifications-sas", "sig=hunter2"],
            ["--blob", queue, "--notifications", blob, "--blob-sas", "sig=hunter2"],
            ["--store-url", "postgresql://ann@h/dev", "--once", "--dry-run", "--store-password", "hunter2"],
            ["--store-url", "postgresql://ann:hunter2@h/dev", "--once", "--dry-run", "--store-password", "hunter2"],
        ] {
            let cli = Cli::try_parse_from([&["loader"], &flags[..]].concat()).unwrap();
            let told = format!("{:?} {:?}", cli.args.clone(), cli.args.validate());
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
