//! Debezium's own connector follows a PostgreSQL under random changes, through Apache Kafka, `capture` and `loader`, with
//! each of the programs killed in between: in the end the latest state is the source's table, row by row.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use deltawave::kafka::{Cluster, Endpoint, MissingTopic};
use deltawave::offline::{Access, Connect, Parts};
use deltawave::store::{Session, StoreAddress};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::support::{Running, azurite, home, kafka, postgres_for, program, quiet, run, store, unique};

const CAPTURE: &str = env!("CARGO_BIN_EXE_capture");
const LOADER: &str = env!("CARGO_BIN_EXE_loader");
const DELTAWAVE: &str = env!("CARGO_BIN_EXE_deltawave");

const CHANGES: usize = 10_000;
/// Changes in one transaction, at most.
const TOGETHER: usize = 40;

const SOURCE: &str = "CREATE TABLE items (id int PRIMARY KEY, name text, amount numeric(12,3), at timestamptz, \
     stamp timestamp(3), day date, clock time, doc jsonb, flag boolean, raw bytea, code uuid, big bigint, ratio float8); \
     CREATE TABLE signals (id varchar(64) PRIMARY KEY, type varchar(32), data varchar(2048))";

const TARGET: &str = "CREATE TABLE items (id int, name varchar, amount numeric, at timestamptz, stamp timestamp, day date, \
     clock time, doc jsonb, flag boolean, raw bytea, code varchar, big bigint, ratio double precision, op varchar, \
     source_ts timestamptz, source_lsn bigint, source_position varchar, event_key varchar, \
     event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp, \
     PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at))";

const COLUMNS: &str = "id, name, amount, at, stamp, day, clock, doc, flag, raw, code, big, ratio";

/// Random changes, and what the table is after them.
struct Changes {
    random: StdRng,
    alive: Vec<i64>,
    next: i64,
    count: BTreeMap<&'static str, usize>,
}

impl Changes {
    fn values(&mut self) -> String {
        let n = self.random.random_range(0..1_000_000_000_i64);
        let text = ["plain", "it''s", "back\\slash \"quote\"", "ünï 😀", "line\nend"][(n % 5) as usize];
        let mut all = Vec::new();
        for value in [
            format!("'{text} {n}'"),
            format!("{}{}.{:03}", if n % 2 == 0 { "-" } else { "" }, n % 1_000_000, n % 1000),
            format!("timestamptz '2026-01-01 00:00:00+00' + interval '{} microseconds'", n * 977),
            format!("timestamp '1960-01-01' + interval '{n} seconds'"),
            format!("date '1950-01-01' + {}", n % 40_000),
            format!("time '00:00' + interval '{} microseconds'", n * 86),
            format!("'{{\"n\": {n}, \"deep\": [null, \"x\"]}}'::jsonb"),
            (n % 3 == 0).to_string(),
            format!("decode('{:08x}', 'hex')", n),
            format!("'00000000-0000-0000-0000-{n:012x}'::uuid"),
            format!("{}", 9_007_199_254_740_993_i64 + n),
            format!("{}::float8 / 7", n),
        ] {
            all.push(if self.random.random_range(0..8) == 0 { "NULL".to_owned() } else { value });
        }
        all.join(", ")
    }

    fn pick(&mut self) -> Option<usize> {
        (!self.alive.is_empty()).then(|| self.random.random_range(0..self.alive.len()))
    }

    /// One more statement.
    fn push(&mut self, sql: &mut String) {
        let values = self.values();
        let set = "(name, amount, at, stamp, day, clock, doc, flag, raw, code, big, ratio)";
        let kind = match (self.random.random_range(0..100), self.pick()) {
            (0..35, _) | (_, None) => {
                // A key that was there before may come again.
                let id = self.random.random_range(0..self.next + 20);
                if !self.alive.contains(&id) {
                    self.next = self.next.max(id + 1);
                    self.alive.push(id);
                    let _ = write!(sql, "INSERT INTO items VALUES ({id}, {values}); ");
                }
                "insert"
            }
            (35..75, Some(at)) => {
                let _ = write!(sql, "UPDATE items SET {set} = ({values}) WHERE id = {}; ", self.alive[at]);
                "update"
            }
            (75..90, Some(at)) => {
                let id = self.alive.swap_remove(at);
                let _ = write!(sql, "DELETE FROM items WHERE id = {id}; ");
                "delete"
            }
            (_, Some(at)) => {
                let (old, new) = (self.alive[at], self.next);
                self.next += 1;
                self.alive[at] = new;
                let _ = write!(sql, "UPDATE items SET id = {new} WHERE id = {old}; ");
                "key"
            }
        };
        *self.count.entry(kind).or_default() += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_state_is_the_source_whatever_is_killed() {
    let source = postgres_for(&Access { logical: true, ..Access::default() }).await;
    let address: StoreAddress = source.url().parse().unwrap();
    let session = Session::connect(&address).await.unwrap();
    session.execute_script(SOURCE).await.unwrap();
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut changes =
        Changes { random: StdRng::seed_from_u64(seed), alive: Vec::new(), next: 0, count: BTreeMap::new() };
    // What is there before the connector comes is its first snapshot.
    let mut sql = String::new();
    (0..300).for_each(|_| changes.push(&mut sql));
    session.execute_script(&sql).await.unwrap();

    let bootstrap = kafka().await.bootstrap();
    let prefix = unique("db");
    let topic = format!("{prefix}.public.items");
    let endpoint = Endpoint::plaintext(bootstrap.parse().unwrap());
    let cluster = Cluster::connect(&endpoint, MissingTopic::Leave, Duration::from_secs(20)).await.unwrap();
    for (name, partitions) in [(topic.clone(), 3), (format!("{prefix}.public.signals"), 1)] {
        cluster.create_topic(&name, partitions).await.unwrap();
    }
    let port = source.url().rsplit_once(':').unwrap().1.split('/').next().unwrap().to_owned();
    let connector = [
        ("name", prefix.as_str()),
        ("connector.class", "io.debezium.connector.postgresql.PostgresConnector"),
        ("database.hostname", "127.0.0.1"),
        ("database.port", &port),
        ("database.user", "root"),
        ("database.password", "none"),
        ("database.dbname", "dev"),
        ("topic.prefix", &prefix),
        ("plugin.name", "pgoutput"),
        ("publication.autocreate.mode", "filtered"),
        ("table.include.list", "public.items,public.signals"),
        ("signal.data.collection", "public.signals"),
        ("incremental.snapshot.chunk.size", "64"),
        ("poll.interval.ms", "50"),
    ];
    let mut connect =
        Connect::start(&Parts::locate(), &home(&unique("connect")), &bootstrap, &connector, &quiet).await.unwrap();

    let store = store().await.initialised().await;
    store.run(TARGET).await;
    let blob = format!("{}/{}", azurite().await.blob_endpoint(), unique("capture"));
    let capture = || {
        Running::start(program(CAPTURE, &["--broker", &bootstrap, "--topic", &topic, "--blob", &blob, "--window", "1"]))
    };
    let (url, route) = (store.url(), format!("{topic}=items,format=debezium"));
    let loader = || {
        let flags = ["--blob", &blob, "--store-url", &url, "--route", &route, "--poll", "0.1", "--require", "id,op"];
        Running::start(program(LOADER, &flags))
    };
    let (mut capturing, mut loading) = (capture(), loader());

    let mut made = 300;
    let mut step = 0;
    while made < CHANGES {
        let together = changes.random.random_range(1..TOGETHER);
        let mut sql = String::new();
        (0..together).for_each(|_| changes.push(&mut sql));
        session.execute_script(&sql).await.unwrap();
        made += together;
        step += 1;
        match step {
            60 | 180 | 300 => {
                loading.signal(libc::SIGKILL);
                loading = loader();
            }
            120 | 240 => {
                capturing.signal(libc::SIGKILL);
                capturing = capture();
            }
            150 | 330 => {
                connect.service.kill();
                connect.service.restart().await.unwrap();
            }
            200 => {
                let signal = r#"INSERT INTO signals VALUES ('again', 'execute-snapshot', '{"data-collections": ["public.items"], "type": "incremental"}')"#;
                session.execute_script(signal).await.unwrap();
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    println!("{made} changes in {step} transactions: {:?}", changes.count);

    let (_, wanted) = session.query_text(&format!("SELECT {COLUMNS} FROM items ORDER BY id")).await.unwrap();
    let text = |row: Vec<Option<String>>| {
        row.into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".to_owned())).collect::<Vec<_>>()
    };
    let wanted: Vec<_> = wanted.into_iter().map(text).collect();
    let latest = format!(
        "SELECT {COLUMNS} FROM (SELECT {COLUMNS}, op, row_number() OVER (PARTITION BY id ORDER BY source_lsn DESC, \
         enqueued_at DESC, sequence_number DESC) AS newest FROM items) AS ranked WHERE newest = 1 AND op <> 'delete' ORDER BY id"
    );
    let deadline = std::time::Instant::now() + Duration::from_secs(120);
    loop {
        let found = store.rows(&latest).await;
        if found == wanted {
            break;
        }
        if std::time::Instant::now() > deadline {
            let differs = |row: &&Vec<String>| !wanted.contains(row);
            let first = found.iter().find(differs).or_else(|| wanted.iter().find(|row| !found.contains(row))).unwrap();
            let events = format!(
                "SELECT op, source_lsn, source_ts, partition_id, sequence_number, name FROM items WHERE id = {} ORDER BY source_lsn",
                first[0]
            );
            let events = store.rows(&events).await;
            let all = store.rows("SELECT count(*), max(source_lsn), max(source_ts) FROM items").await;
            let log = std::fs::read_to_string(connect.service.log()).unwrap();
            let end = log.len().saturating_sub(6000);
            panic!(
                "{} rows instead of {}, such as {first:?} of {events:#?}; in all {all:?}; the connector says {}",
                found.len(),
                wanted.len(),
                &log[log.char_indices().map(|(at, _)| at).find(|at| *at >= end).unwrap_or(0)..]
            );
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // The text that sorts says the same.
    let by_position = store.rows(&latest.replace("source_lsn DESC", "source_position DESC")).await;
    assert!(by_position == wanted);
    let rejected = store.rows("SELECT reason, body FROM rejected_events LIMIT 3").await;
    assert_eq!(rejected, [[""; 0]; 0], "{rejected:?}");
    let ops = store.rows("SELECT op, count(*) FROM items GROUP BY op ORDER BY op").await;
    let skipped = store.number("SELECT sum(skipped)::bigint FROM capture_files").await;
    println!("{} rows in the end; events {ops:?}, {skipped} tombstones", wanted.len());
    assert!(skipped > 0);
    for running in [loading, capturing] {
        running.signal(libc::SIGTERM);
        let ended = running.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
    let flags = ["verify", "--route", &route, "--blob", &blob, "--settle", "0", "--store-url", &url];
    let verified = run(program(DELTAWAVE, &flags)).await;
    assert_eq!(verified.code, Some(0), "{}{}", verified.out, verified.err);
    connect.service.stop().await.unwrap();
    store.passed().await;
}
