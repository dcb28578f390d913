//! Several routes in one `loader`: the trouble of one is its own, and what arrives now goes before what was there.

use std::time::Duration;

use rand::seq::SliceRandom as _;
use tokio::time::sleep;

use crate::loader::Bench;
use crate::support::{Files, Http, Running, TestStore, eventually, plain, postgres_store, store, unique, user};

/// As `user_event_log`.
async fn table(store: &TestStore, name: &str) {
    store
        .run(&format!(
            "CREATE TABLE {name} (id int, name varchar, age int, op varchar, event_order bigint, ts timestamp, \
             event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp, \
             PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at))"
        ))
        .await;
}

async fn count(store: &TestStore, table: &str, wanted: i64) {
    eventually(table, async || match store.count(table).await {
        rows if rows == wanted => Ok(()),
        rows => Err(format!("{rows} instead of {wanted}")),
    })
    .await;
}

async fn ends(running: Running) -> String {
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ended.err
}

const ROUTES: [&str; 2] = ["--route", "good=good,bad=bad,fine=fine"];
const FLAGS: [&str; 8] = ["--poll", "0.05", "--slow-retry", "0.3", "--connections", "3", "--http", "127.0.0.1:0"];

struct Three {
    bench: Bench,
    hubs: [Files; 3],
}

impl Three {
    /// Hubs and tables `good`, `bad` and `fine`.
    async fn on(store: TestStore) -> Three {
        let bench = Bench { files: Files::new().await, store: store.initialised().await };
        for name in ["good", "bad", "fine"] {
            table(&bench.store, name).await;
        }
        let hubs = ["good", "bad", "fine"].map(|hub| bench.files.of_hub(hub));
        Three { bench, hubs }
    }

    async fn minute(&self, minute: i64) {
        for hub in &self.hubs {
            hub.add_plain(0..2, minute..minute + 1, 100).await;
        }
    }

    fn start(&self) -> Running {
        self.bench.start(&[&ROUTES[..], &FLAGS].concat())
    }
}

#[tokio::test]
async fn a_table_that_is_dropped_stops_its_own_route_alone() {
    let three = Three::on(store().await).await;
    let store = &three.bench.store;
    three.minute(0).await;
    let running = three.start();
    let http = Http::of(&running).await;
    for name in ["good", "bad", "fine"] {
        count(store, name, 200).await;
    }
    store.run("DROP TABLE bad").await;
    three.minute(1).await;
    count(store, "good", 400).await;
    count(store, "fine", 400).await;
    running.says("does not pass by itself").await;
    let answer = http.until(Some("trouble with the store, on route bad=bad")).await;
    assert!(answer["troubles"]["store"]["reason"].as_str().unwrap().contains("bad"), "{answer}");
    let ready: Vec<_> = answer["routes"].as_array().unwrap().iter().map(|route| &route["ready"]).collect();
    assert_eq!(ready, [false, true, true], "by name: bad, fine, good");
    three.minute(2).await;
    count(store, "good", 600).await;
    table(store, "bad").await;
    count(store, "bad", 400).await;
    http.until(None).await;
    let said = ends(running).await;
    assert_eq!(said.matches("ERROR").count(), 1, "said once: {said}");
    assert!(said.contains("route=\"bad=bad\""), "{said}");
    three.bench.passed().await;
}

#[tokio::test]
async fn a_run_loads_what_it_can_of_every_route_and_names_those_that_failed() {
    let three = Three::on(store().await).await;
    three.minute(0).await;
    three.bench.store.run("DROP TABLE bad").await;
    let said = three.bench.fails(&ROUTES).await;
    assert!(said.contains("1 of 3 routes failed: bad=bad: table `bad` does not exist"), "{said}");
    count(&three.bench.store, "good", 200).await;
    count(&three.bench.store, "fine", 200).await;
    table(&three.bench.store, "bad").await;
    three.bench.once(&ROUTES).await;
    count(&three.bench.store, "bad", 200).await;
    three.bench.passed().await;
}

#[tokio::test]
async fn a_grant_that_is_taken_away_stops_its_own_route_alone() {
    let three = Three::on(postgres_store().await).await;
    let store = &three.bench.store;
    let user = unique("app");
    let tables = "capture_files, rejected_events, good, bad, fine";
    store.run(&format!("CREATE ROLE {user} LOGIN; GRANT SELECT, INSERT, UPDATE ON {tables} TO {user}")).await;
    let url = store.url().replace("root@", &format!("{user}@"));
    let running = three.bench.start(&[&ROUTES[..], &FLAGS, &["--store-url", &url]].concat());
    let http = Http::of(&running).await;
    three.minute(0).await;
    for name in ["good", "bad", "fine"] {
        count(store, name, 200).await;
    }
    store.run(&format!("REVOKE INSERT ON bad FROM {user}")).await;
    three.minute(1).await;
    count(store, "good", 400).await;
    count(store, "fine", 400).await;
    let answer = http.until(Some("trouble with the store, on route bad=bad")).await;
    let reason = answer["troubles"]["store"]["reason"].as_str().unwrap();
    assert!(reason.contains("permission denied for table bad") || reason.contains("lacks INSERT on it"), "{reason}");
    assert_eq!(store.count("bad").await, 200);
    store.run(&format!("GRANT INSERT ON bad TO {user}")).await;
    count(store, "bad", 400).await;
    http.until(None).await;
    ends(running).await;
    store.run(&format!("DROP OWNED BY {user}; DROP ROLE {user}")).await;
    three.bench.passed().await;
}

#[tokio::test]
async fn a_disk_that_is_full_for_one_table_stops_its_own_route_alone() {
    let three = Three::on(postgres_store().await).await;
    let store = &three.bench.store;
    // As PostgreSQL says it of a tablespace that has no room left.
    store
        .run(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
               'BEGIN RAISE EXCEPTION ''could not extend file \"pg_tblspc/1/2\": No space left on device'' \
                USING ERRCODE = ''53100''; END'; \
             CREATE TRIGGER full_disk BEFORE INSERT ON bad FOR EACH STATEMENT EXECUTE FUNCTION full_disk()",
        )
        .await;
    let running = three.start();
    let http = Http::of(&running).await;
    for minute in 0..4 {
        three.minute(minute).await;
        count(store, "good", (minute + 1) * 200).await;
        count(store, "fine", (minute + 1) * 200).await;
    }
    let answer = http.until(Some("trouble with the store, on route bad=bad")).await;
    assert!(answer["troubles"]["store"]["reason"].as_str().unwrap().contains("No space left"), "{answer}");
    // The disk is no reason to give a record up.
    assert_eq!([store.count("bad").await, store.count("rejected_events").await], [0, 0]);
    store.run("DROP TRIGGER full_disk ON bad").await;
    count(store, "bad", 800).await;
    http.until(None).await;
    ends(running).await;
    three.bench.passed().await;
}

#[tokio::test]
async fn a_slow_table_leaves_the_others_their_rate() {
    let three = Three::on(postgres_store().await).await;
    let store = &three.bench.store;
    // Ten seconds a statement.
    store
        .run(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
               'BEGIN PERFORM pg_sleep(10); RETURN NULL; END'; \
             CREATE TRIGGER slow AFTER INSERT ON bad FOR EACH STATEMENT EXECUTE FUNCTION slow()",
        )
        .await;
    let running = three.start();
    running.says("loading").await;
    for minute in 0..8 {
        three.minute(minute).await;
        sleep(Duration::from_millis(100)).await;
    }
    count(store, "good", 1600).await;
    count(store, "fine", 1600).await;
    assert!(store.count("bad").await < 1600, "it is slow");
    running.signal(libc::SIGKILL);
    running.end().await;
    three.bench.passed().await;
}

#[tokio::test]
async fn what_arrives_now_is_loaded_before_the_history() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..2, 0..40, 50).await;
    // Now, as Capture would name them: beside files of months ago.
    let now = (time::OffsetDateTime::now_utc() - time::macros::datetime!(2026-01-02 00:00 UTC)).whole_minutes();
    let fresh = bench.files.add(0, now - 5, (90_000..90_050).map(|number| plain(0, number)).collect()).await;
    let ended = bench.once(&["--parallel-files", "1"]).await.err;
    let order: Vec<_> = ended.lines().filter(|line| line.contains("file loaded")).collect();
    assert_eq!(order.len(), 81);
    assert!(order[0].contains(&fresh), "{}", order[0]);
    bench.passed().await;
}

/// However files come, the latest state is that of all events.
#[tokio::test]
async fn the_latest_state_is_the_same_whatever_the_order_of_the_files() {
    const FILES: i64 = 8;
    const EVENTS: i64 = 25;
    let mut wanted = None;
    for round in 0..4 {
        let bench = Bench::new().await;
        let mut minutes: Vec<i64> = (0..FILES).collect();
        if round > 0 {
            minutes.shuffle(&mut rand::rng());
        }
        for some in minutes.chunks(3) {
            for minute in some {
                let event = |number: i64| {
                    let op = ["insert", "update", "delete"][(number * 7 % 11 % 3) as usize];
                    user(number, number * 5 % 13, op, number * 31 % 97)
                };
                let numbers = minute * EVENTS..(minute + 1) * EVENTS;
                bench.files.add(0, *minute, numbers.map(event).collect()).await;
            }
            bench.once(&[]).await;
        }
        let state = bench.store.rows("SELECT * FROM latest_user_state ORDER BY id").await;
        assert!(state.len() > 3, "{state:?}");
        assert_eq!(wanted.get_or_insert_with(|| state.clone()), &state, "{minutes:?}");
        bench.passed().await;
    }
}
