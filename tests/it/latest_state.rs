//! The latest state: made from what a former version left, on a RisingWave that the tests play, interrupted at every
//! step; and what `latest_user_state` shows on the store itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{
    Done, Ended, FakeRisingWave, Files, Http, Kind, Running, TestStore, postgres_store, program, run, store,
};

const DELTAWAVE: &str = env!("CARGO_BIN_EXE_deltawave");

async fn init(url: &str, flags: &[&str]) -> Ended {
    run(program(DELTAWAVE, &[&["init", "--store-url", url, "--give-up", "5"], flags].concat())).await
}

fn assert_done(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

fn made() -> BTreeMap<String, Kind> {
    [
        ("user_event_log", Kind::Table),
        ("capture_files", Kind::Table),
        ("rejected_events", Kind::Table),
        ("pruned_ranges", Kind::Table),
        ("forgotten_records", Kind::Table),
        ("forgotten_rows", Kind::Table),
        ("user_events", Kind::View),
        ("pipeline_progress", Kind::View),
        ("capture_gaps", Kind::View),
        ("latest_user_events", Kind::Table),
        ("latest_user_events_feed", Kind::Sink),
        ("latest_user_state", Kind::View),
    ]
    .map(|(name, kind)| (name.to_owned(), kind))
    .into()
}

/// Asserts that all is as a new `init` makes it, and that whoever could read the former latest state can read this one.
fn assert_moved(fake: &FakeRisingWave) {
    assert_eq!(fake.objects(), made());
    let grants = fake.grants();
    for grant in [
        "GRANT SELECT ON VIEW latest_user_state TO \"grafana\"",
        "GRANT SELECT ON TABLE latest_user_events TO \"grafana\"",
        "GRANT SELECT ON VIEW latest_user_state TO \"reader\"",
        "GRANT SELECT ON VIEW latest_user_state TO loader",
        "GRANT SELECT ON VIEW latest_user_state TO reader",
    ] {
        assert!(grants.contains(grant), "{grant} is missing in {grants:#?}");
    }
    assert!(!grants.iter().any(|grant| grant.contains("root") || grant.contains("postgres")), "{grants:#?}");
    assert_eq!(fake.foreign(), BTreeSet::new());
}

#[tokio::test]
async fn a_former_latest_state_is_replaced_and_its_readers_go_on() {
    let fake = FakeRisingWave::start(true).await;
    fake.former(2);
    let ended = init(&fake.url(), &[]).await;
    assert_done(&ended);
    assert!(ended.err.contains("filling latest_user_events from the history"), "{}", ended.err);
    assert!(ended.err.contains("the former one is dropped"), "{}", ended.err);
    assert_moved(&fake);
    let flushes = fake.done().iter().filter(|done| **done == Done::Flush).count();
    assert_eq!(flushes, 3, "it is looked three times whether all is there, and flushed before each");
    let changes = fake.changes();
    assert_done(&init(&fake.url(), &[]).await);
    assert_eq!(fake.changes(), changes, "there is nothing left to do");
}

#[tokio::test]
async fn it_is_replaced_whichever_step_was_the_last_of_an_init_before() {
    let steps = {
        let fake = FakeRisingWave::start(true).await;
        fake.former(0);
        assert_done(&init(&fake.url(), &[]).await);
        fake.changes()
    };
    // Table, feed, renamed, view, rights of two users, dropped, and the rights of ours.
    assert!(steps > 8, "{steps} steps");
    for step in 1..steps {
        let fake = FakeRisingWave::start(true).await;
        fake.former(0);
        fake.cut_after(step);
        let ended = init(&fake.url(), &[]).await;
        assert_eq!((ended.code, fake.changes()), (Some(1), step), "{}", ended.err);
        // Whatever was done, nobody is left without: either the former one or the new one shows it, or it is being renamed.
        let there = fake.objects();
        let shown = there.contains_key("latest_user_state") || there.contains_key("latest_user_state_before");
        assert!(shown, "after {step} steps: {there:?}");
        assert_done(&init(&fake.url(), &[]).await);
        assert_moved(&fake);
    }
    println!("{steps} steps, each of them the last of an init");
}

#[tokio::test]
async fn a_former_one_that_something_stands_on_stays_beside_the_new_one() {
    let fake = FakeRisingWave::start(true).await;
    fake.former(0);
    fake.use_former(true);
    for _ in 0..2 {
        let ended = init(&fake.url(), &[]).await;
        assert_done(&ended);
        assert!(ended.err.contains("The former one stays, as latest_user_state_before"), "{}", ended.err);
        assert!(ended.err.contains("view public.mine depends on it"), "{}", ended.err);
        assert_eq!(fake.objects()["latest_user_state"], Kind::View);
    }
    // A guard serves all the same.
    let mut command = program(DELTAWAVE, &["guard", "--http", "127.0.0.1:0"]);
    command.env("DELTAWAVE_STORE_URL", fake.url());
    let running = Running::start(command);
    Http::of(&running).await.until(None).await;
    running.signal(libc::SIGTERM);
    assert_done(&running.end().await);
    fake.use_former(false);
    assert_done(&init(&fake.url(), &[]).await);
    assert_moved(&fake);
}

#[tokio::test]
async fn all_of_it_is_dropped_in_an_order_that_works_whatever_its_kind() {
    for former in [true, false] {
        let fake = FakeRisingWave::start(true).await;
        if former {
            fake.former(0);
        }
        fake.protect_tables(former);
        assert_done(&init(&fake.url(), &["--recreate", "--yes", "--without-latest"]).await);
        let mut wanted = made();
        wanted.retain(|name, _| !name.starts_with("latest_"));
        assert_eq!(fake.objects(), wanted);
        let ended = init(&fake.url(), &["--without-latest"]).await;
        assert_done(&ended);
        assert!(ended.out.contains("left     latest_user_state: `deltawave init` makes it once"), "{}", ended.out);
        assert_done(&init(&fake.url(), &[]).await);
        assert_eq!(fake.objects(), made());
        let ended = init(&fake.url(), &["--without-latest"]).await;
        assert!(ended.out.contains("there    latest_user_state"), "{}", ended.out);
        assert_eq!(fake.objects(), made(), "what is there stays");
        assert_done(&init(&fake.url(), &["--recreate", "--yes"]).await);
        assert_eq!(fake.objects(), made());
        assert_eq!(fake.foreign(), BTreeSet::new());
    }
}

const INSERT: &str = "INSERT INTO user_event_log \
     (id, name, op, event_order, event_hub, partition_id, sequence_number, enqueued_at) VALUES ";

/// What the latest state shows: id, name, op.
async fn shown(store: &TestStore) -> Vec<Vec<String>> {
    store.rows("SELECT id, name, op FROM latest_user_state ORDER BY id").await
}

#[tokio::test]
async fn the_newest_event_counts_whatever_comes_when_and_leaves_the_history() {
    let store = store().await.initialised().await;
    let event = |id: i32, name: &str, op: &str, order: &str, number: i64, at: &str| {
        format!("({id}, '{name}', '{op}', {order}, 'user-events', 0, {number}, '2026-01-02 03:04:{at}')")
    };
    store
        .run(&format!(
            "{INSERT} {}",
            [
                event(1, "late", "insert", "10", 0, "00"),
                event(1, "early", "insert", "9", 1, "01"),
                event(2, "gone", "insert", "1", 2, "01"),
                event(2, "gone", "delete", "2", 3, "01"),
                event(3, "tie, earlier", "insert", "5", 4, "01"),
                event(3, "tie, later", "update", "5", 5, "02"),
                event(3, "tie, in between", "update", "5", 6, "01"),
                event(4, "numbered", "insert", "1", 7, "01"),
                event(4, "without a number", "update", "NULL", 8, "02"),
            ]
            .join(", ")
        ))
        .await;
    let wanted = [["1", "late", "insert"], ["3", "tie, later", "update"], ["4", "numbered", "insert"]];
    assert_eq!(shown(&store).await, wanted);

    // Retention: what leaves the history was the latest state, and still is; the delete of 2 as well.
    store.run("DELETE FROM user_event_log WHERE sequence_number < 3").await;
    assert_eq!(shown(&store).await, wanted);
    store.run("DELETE FROM user_event_log").await;
    assert_eq!(shown(&store).await, wanted);
    store.run(&format!("{INSERT} {}", event(2, "back?", "insert", "1", 9, "03"))).await;
    assert_eq!(shown(&store).await, wanted, "a late event brings nobody back");
    store.run(&format!("{INSERT} {}", event(1, "newer", "update", "11", 10, "03"))).await;
    assert_eq!(shown(&store).await[0], ["1", "newer", "update"]);

    // Forgetting someone: from the history first, then from here.
    store.run("DELETE FROM user_event_log WHERE id = 1").await;
    store.run("DELETE FROM latest_user_events WHERE id = 1").await;
    assert_eq!(shown(&store).await, wanted[1..]);
    store.passed().await;
}

/// As a former version made it: a view of nothing but the history.
const FORMER_VIEW: &str = "CREATE VIEW latest_user_state AS SELECT id, name, age, op, ts FROM (SELECT id, name, age, op, ts, \
     row_number() OVER (PARTITION BY id ORDER BY event_order DESC, enqueued_at DESC, sequence_number DESC) AS newest \
     FROM user_event_log) AS ranked WHERE newest = 1 AND op <> 'delete'";

#[tokio::test]
async fn a_former_view_on_postgresql_is_replaced_in_its_place() {
    let store = postgres_store().await.initialised().await;
    store
        .run(
            "DROP VIEW latest_user_state; DROP FUNCTION latest_user_events_feed CASCADE; DROP TABLE latest_user_events",
        )
        .await;
    store.run(FORMER_VIEW).await;
    store.run("CREATE VIEW mine AS SELECT count(*) AS users FROM latest_user_state").await;
    store.run(&format!("{INSERT} (1, 'Ann', 'insert', 1, 'user-events', 0, 0, '2026-01-02')")).await;
    for _ in 0..2 {
        assert_done(&init(&store.url(), &[]).await);
        assert_eq!(store.number("SELECT users FROM mine").await, 1);
    }
    store.run("DELETE FROM user_event_log").await;
    assert_eq!(store.number("SELECT users FROM mine").await, 1, "what was deleted from the history is kept");
    store.run("DROP VIEW mine").await;
    store.passed().await;
}

/// The same on both: first the history, then the latest state from it.
#[tokio::test]
async fn a_backfill_makes_the_latest_state_last_and_goes_on_where_it_ended() {
    let store = store().await;
    let home = tempfile::tempdir().unwrap();
    let files = Files::at(&home.path().display().to_string()).await;
    let backfill = async |flags: &[&str]| {
        let mut command = program(DELTAWAVE, &[&["backfill"], flags].concat());
        command.env("DELTAWAVE_BLOB", files.url()).env("DELTAWAVE_STORE_URL", store.url());
        run(command).await
    };
    files.add_plain(0..4, 0..5, 100).await;
    // As long as something is not loaded, there is no latest state to be slowed down by.
    let ended = backfill(&["--route", "user-events=user_event_log,orders=orders"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("table `orders`"), "{}", ended.err);
    assert!(store.session().await.query_number("SELECT count(*) FROM latest_user_state").await.is_err());
    assert_done(&backfill(&[]).await);
    let events = store.count("user_event_log").await;
    assert_eq!(events, 2000);
    let users = "SELECT count(DISTINCT id) FROM user_event_log";
    let rows = store.count("latest_user_state").await;
    assert!(rows > 0 && rows <= store.number(users).await, "{rows} rows");
    // Again, with more to load: it is kept up to date.
    files.add_plain(0..4, 5..6, 100).await;
    let ended = backfill(&[]).await;
    assert_done(&ended);
    assert!(ended.err.contains("latest_user_state is there already"), "{}", ended.err);
    assert_eq!(store.count("user_event_log").await, 2400);
    store.passed().await;
}
