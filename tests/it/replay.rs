//! `deltawave replay`: what verify finds lacking is loaded again, that and nothing else, and proven.

use std::collections::{BTreeMap, BTreeSet};

use azure_storage_blob::models::AccessTier;
use futures::future::join_all;
use serde_json::Value;

use crate::loader::Bench;
use crate::loader_waiting::set_tier;
use crate::support::{Files, event, plain, postgres_store};

const ROUTES: [&str; 2] = ["--route", "user-events=user_event_log,orders=orders"];

impl Bench {
    /// Loads again, expects that exit code, and gives the report.
    async fn replay(&self, code: i32, flags: &[&str]) -> Value {
        let url = self.files.url();
        let flags = [&["--holes", "--json", "--blob", &url, "--settle", "0", "--require", "id"], flags].concat();
        let ended = self.deltawave("replay", &flags).await;
        assert_eq!(ended.code, Some(code), "{}\n{}", ended.out, ended.err);
        assert!(!ended.err.contains("error") && !ended.err.contains("ERROR"), "{}", ended.err);
        serde_json::from_str(&ended.out).unwrap()
    }

    /// Every file of the ledger with the time it was noted, and whether it is done.
    async fn noted(&self) -> BTreeSet<Vec<String>> {
        let rows = self.store.rows("SELECT event_hub, blob, status, loaded_at FROM capture_files").await;
        rows.into_iter().collect()
    }
}

fn again(report: &Value) -> Vec<&str> {
    report["replay"]["files"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

/// Two hubs: three files of 1,000 records in each of two partitions with a silent window and a rejected record behind
/// them, and three files of 200 records.
async fn loaded() -> Bench {
    let bench = Bench::new().await;
    bench
        .store
        .run(
            "CREATE TABLE orders (id int, event_hub varchar, partition_id int, sequence_number bigint, \
             enqueued_at timestamp, PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at))",
        )
        .await;
    bench.files.add_plain(0..2, 0..3, 1000).await;
    bench.files.add(0, 3, vec![]).await;
    bench.files.add(0, 4, vec![event(3000, "no object"), plain(0, 3001)]).await;
    bench.files.add(0, 5, vec![plain(0, 3002)]).await;
    bench.files.of_hub("orders").add_plain(0..1, 0..3, 200).await;
    bench.once(&[&ROUTES[..], &["--require", "id"]].concat()).await;
    bench
}

/// A way to break a store: its name, statements, and the files that mend it, as (orders?, partition, minute).
type Break = (&'static str, String, Vec<(bool, i32, i64)>);

fn breaks(bench: &Bench) -> Vec<Break> {
    let rows = |partition: i32, first: i64, last: i64| {
        format!(
            "DELETE FROM user_event_log WHERE partition_id = {partition} AND sequence_number BETWEEN {first} AND {last}; "
        )
    };
    let blob = |partition, minute| format!("blob = '{}'", bench.files.name(partition, minute));
    let unnoted = |partition, minute| format!("DELETE FROM capture_files WHERE {}; ", blob(partition, minute));
    let lies =
        |what: &str, partition, minute| format!("UPDATE capture_files SET {what} WHERE {}; ", blob(partition, minute));
    let users = |files: &[(i32, i64)]| files.iter().map(|(partition, minute)| (false, *partition, *minute)).collect();
    vec![
        ("the first rows of a file", rows(1, 1000, 1002), users(&[(1, 1)])),
        ("rows in the middle of a file", rows(0, 1500, 1500), users(&[(0, 1)])),
        ("the last rows of the last file", rows(1, 2999, 2999), users(&[(1, 2)])),
        ("the end of one file and the start of the next", rows(0, 990, 1010), users(&[(0, 0), (0, 1)])),
        ("a whole file's rows", rows(0, 2000, 2999), users(&[(0, 2)])),
        ("a ledger row", unnoted(1, 1), users(&[(1, 1)])),
        ("a ledger row and its rows", unnoted(1, 0) + &rows(1, 0, 999), users(&[(1, 0)])),
        ("a silent file's ledger row", unnoted(0, 3), users(&[(0, 3)])),
        ("a rejected record", "DELETE FROM rejected_events".to_owned(), users(&[(0, 4)])),
        ("a ledger row that counts too few", lies("records = 5, loaded = 5", 0, 1), users(&[(0, 1)])),
        (
            "a ledger row that counts what was rejected as loaded",
            lies("loaded = 2, rejected = 0", 0, 4),
            users(&[(0, 4)]),
        ),
        (
            "a ledger row that agrees with a row that is gone",
            lies("records = 999, loaded = 999", 1, 1) + &rows(1, 1700, 1700),
            users(&[(1, 1)]),
        ),
        ("a ledger row with the next file's numbers", lies("last_sequence_number = 1999", 1, 0), users(&[(1, 0)])),
        (
            "records of two hubs at once",
            rows(0, 17, 17) + "DELETE FROM orders WHERE sequence_number = 399",
            vec![(false, 0, 0), (true, 0, 1)],
        ),
        (
            "a partition with all that was known of it",
            "DELETE FROM user_event_log WHERE partition_id = 1; DELETE FROM capture_files WHERE event_hub = \
             'user-events' AND partition_id = 1"
                .to_owned(),
            users(&[(1, 0), (1, 1), (1, 2)]),
        ),
        ("all rows of a hub", "DELETE FROM orders".to_owned(), vec![(true, 0, 0), (true, 0, 1), (true, 0, 2)]),
    ]
}

#[tokio::test]
async fn a_store_broken_in_many_ways_is_healed_by_exactly_the_files_it_lacks() {
    // Looking twice takes time, so several stores are broken and healed at once.
    const STORES: usize = 4;
    let heal = async |store: usize| {
        let bench = loaded().await;
        let mine: Vec<_> = breaks(&bench).into_iter().skip(store).step_by(STORES).collect();
        let healed = (mine.len(), heal(&bench, mine).await);
        bench.passed().await;
        healed
    };
    let healed = join_all((0..STORES).map(heal)).await;
    let (ways, files) = healed.iter().fold((0, 0), |(ways, files), (more, again)| (ways + more, files + again));
    println!("healed {ways} ways to break a store by loading {files} files again");
}

/// Breaks the store in one way after the other, healing each, and says how many files were loaded for it.
async fn heal(bench: &Bench, breaks: Vec<Break>) -> usize {
    let whole = bench.verify_files(0, &ROUTES).await;
    let content = "SELECT event_hub, partition_id, sequence_number, id FROM user_event_log UNION ALL \
         SELECT event_hub, partition_id, sequence_number, id FROM orders UNION ALL \
         SELECT event_hub, partition_id, sequence_number, NULL FROM rejected_events ORDER BY 1, 2, 3";
    let rows = bench.store.rows(content).await;
    assert_eq!(rows.len(), 6003 + 600);
    let mut loaded = 0;
    for (what, sql, files) in breaks {
        let before = bench.noted().await;
        bench.store.run(&sql).await;
        let broken = bench.verify_any(&ROUTES).await;
        assert_ne!(broken["verdict"], "proven", "{what}");
        for finding in broken["findings"].as_array().unwrap() {
            assert_eq!(finding["cure"].is_null(), finding["kind"] == "note", "{what}: {finding}");
        }
        let report = bench.replay(0, &ROUTES).await;
        let name = |(orders, partition, minute): &(bool, i32, i64)| {
            let files = if *orders { bench.files.of_hub("orders") } else { bench.files.clone() };
            files.name(*partition, *minute)
        };
        let names: Vec<_> = files.iter().map(name).collect();
        assert_eq!(again(&report), names, "{what}: {}", report["replay"]);
        assert_eq!(report["verdict"], "proven", "{what}");
        // By what the ledger says, too, nothing else was touched: times are whole seconds, and two have passed.
        let noted = bench.noted().await;
        let fresh: BTreeSet<_> = noted.difference(&before).map(|row| row[1].clone()).collect();
        assert_eq!(fresh, names.iter().cloned().collect(), "{what}");
        assert!(noted.iter().all(|row| row[2] == "loaded"), "{what}: {noted:?}");
        assert_eq!(bench.store.rows(content).await, rows, "{what}");
        loaded += names.len();
    }
    assert_eq!(bench.verify_files(0, &ROUTES).await["partitions"], whole["partitions"]);
    loaded
}

#[tokio::test]
async fn a_replay_killed_at_any_moment_leaves_no_file_done_that_is_not() {
    let bench = loaded().await;
    let (lacking, whole) = (bench.files.name(1, 1), bench.files.name(0, 2));
    let mut kills = 0;
    for step in ["written", "flushed", "counted", "receipted"] {
        for side in ["before", "after"] {
            bench.store.run("DELETE FROM user_event_log WHERE partition_id = 1 AND sequence_number = 1234").await;
            let moment = format!("{side}:{step}");
            let url = bench.files.url();
            let flags = ["--holes", "--blob", &url, "--settle", "0", "--kill-at", &moment];
            let ended = bench.deltawave("replay", &flags).await;
            assert_eq!(ended.signal, Some(libc::SIGKILL), "{moment}: {}", ended.err);
            kills += 1;
            let status = bench.store.rows("SELECT blob, status FROM capture_files").await;
            let status: BTreeMap<_, _> = status.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
            let done = step == "receipted" && side == "after";
            assert_eq!(status[&lacking], if done { "loaded" } else { "waiting" }, "{moment}");
            assert_eq!(status[&whole], "loaded", "{moment}");
            if side == "before" {
                // A loader takes what is left for a new file; so does the next replay.
                bench.once(&ROUTES).await;
            }
            bench.replay(0, &[]).await;
        }
    }
    println!("{kills} replays killed; no file was called done before its rows were there");
    bench.passed().await;
}

#[tokio::test]
async fn a_part_is_loaded_again_whatever_the_ledger_says() {
    let bench = loaded().await;
    let url = bench.files.url();
    let day = "2026-01-02T00:";
    let (from, until) = (format!("{day}01:00Z"), format!("{day}03:00Z"));
    let part = ["--partition", "1", "--from", &from, "--until", &until, "--blob", &url];
    let names = [1, 2].map(|minute| bench.files.name(1, minute));
    let before = bench.noted().await;
    let ended = bench.deltawave("replay", &[&part[..], &["--dry-run"]].concat()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out, format!("again    {}\nagain    {}\n2 files would be loaded again\n", names[0], names[1]));
    assert_eq!(bench.noted().await, before);
    bench.store.run("UPDATE capture_files SET loaded_at = '2026-01-01 00:00:00'").await;
    let before = bench.noted().await;
    let ended = bench.deltawave("replay", &part).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.ends_with("\nloaded again: 2 files, 2000 records loaded, 0 rejected\n"), "{}", ended.out);
    let fresh: Vec<_> = bench.noted().await.difference(&before).map(|row| row[1].clone()).collect();
    assert_eq!(fresh, names);
    let ended = bench.deltawave("replay", &["--blob", &url]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("--holes, --rejected, or a part by --from, --until, --partition"), "{}", ended.err);
    bench.passed().await;
}

#[tokio::test]
async fn nothing_is_loaded_where_nothing_lacks_or_nothing_can_be_done() {
    let bench = loaded().await;
    let before = bench.noted().await;
    let report = bench.replay(0, &ROUTES).await;
    assert_eq!((again(&report).len(), &report["replay"]["sentence"]), (0, &"nothing to load again".into()));
    assert_eq!(bench.noted().await, before);
    // A file that is gone cannot be loaded again, and that is said; a file that leaves out numbers would not help.
    bench.files.add(1, 5, vec![plain(1, 3000), plain(1, 3002)]).await;
    bench.once(&ROUTES).await;
    let ended = bench.deltawave("replay", &["--holes", "--blob", &bench.files.url(), "--settle", "0"]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.out);
    assert!(ended.out.contains("leaves out 1 of these numbers") && ended.out.contains("the file itself lacks them"));
    assert!(ended.out.ends_with("\nnothing to load again\n"), "{}", ended.out);
    let (blob, elsewhere) = (bench.files.name(1, 5), bench.files.name(1, 6));
    for sql in [
        format!("UPDATE capture_files SET blob = '{elsewhere}' WHERE blob = '{blob}'"),
        "DELETE FROM user_event_log WHERE partition_id = 1 AND sequence_number >= 3000".to_owned(),
    ] {
        bench.store.run(&sql).await;
    }
    let report = bench.replay(3, &[&ROUTES[..], &["--sparse"]].concat()).await;
    let texts: Vec<_> = report["findings"].as_array().unwrap().iter().map(|finding| &finding["text"]).collect();
    assert!(
        texts.iter().any(|text| text.as_str().unwrap().contains(&format!("{elsewhere} cannot be loaded again"))),
        "{texts:?}"
    );
    bench.passed().await;
}

#[tokio::test]
async fn rows_that_a_trigger_took_are_loaded_again_once_it_is_mended() {
    let bench = Bench { files: Files::new().await, store: postgres_store().await.initialised().await };
    bench
        .store
        .run(
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
             CREATE TRIGGER swallow BEFORE INSERT ON user_event_log FOR EACH ROW \
             WHEN (NEW.sequence_number % 100 = 7) EXECUTE FUNCTION swallow()",
        )
        .await;
    bench.files.add_plain(0..1, 0..2, 300).await;
    bench.once(&[]).await;
    assert_eq!(bench.store.count("user_event_log").await, 594);
    let broken = bench.verify_any(&[]).await;
    let cure = broken["findings"][0]["cure"].as_str().unwrap();
    assert!(broken["verdict"] == "broken" && cure.starts_with("mend what takes the rows away"), "{broken:#}");
    bench.store.run("DROP TRIGGER swallow ON user_event_log").await;
    assert_eq!(again(&bench.replay(0, &[]).await), [0, 1].map(|minute| bench.files.name(0, minute)));
    assert_eq!(bench.store.count("user_event_log").await, 600);
    bench.passed().await;
}

#[tokio::test]
async fn what_is_archived_stays_as_it_is_until_it_is_rehydrated() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..1, 0..3, 100).await;
    bench.once(&[]).await;
    let blob = bench.files.name(0, 1);
    set_tier(&bench.files, &blob, AccessTier::Archive).await;
    bench.verify_files(0, &[]).await;
    let url = bench.files.url();
    let ended = bench.deltawave("replay", &["--partition", "0", "--blob", &url]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    assert!(
        ended.out.contains("loaded again: 2 files") && ended.err.contains("1 files of local/user-events are archived")
    );
    bench.store.run("DELETE FROM user_event_log WHERE sequence_number = 150").await;
    let report = bench.replay(3, &[]).await;
    assert!(again(&report).is_empty(), "{report:#}");
    let archived =
        |finding: &&Value| finding["text"].as_str().unwrap().ends_with("cannot be loaded again: it is archived");
    let finding = report["findings"].as_array().unwrap().iter().find(archived).unwrap();
    assert!(finding["cure"].as_str().unwrap().contains("set-tier"), "{finding}");
    assert_eq!(bench.store.number("SELECT count(*) FROM capture_files WHERE status = 'loaded'").await, 3);
    // One that the ledger does not have is named with what it waits for.
    bench.store.run(&format!("DELETE FROM capture_files WHERE blob = '{blob}'")).await;
    assert!(bench.fails(&[]).await.contains("cannot be read and waits"));
    let report = bench.verify_files(3, &[]).await;
    let named = report["findings"].as_array().unwrap().iter().find(|finding| finding["blob"] == blob.as_str()).unwrap();
    assert!(named["text"].as_str().unwrap().contains("waits: blob") && !named["cure"].is_null(), "{named}");
    set_tier(&bench.files, &blob, AccessTier::Hot).await;
    assert_eq!(again(&bench.replay(0, &[]).await), [blob.as_str()]);
    assert_eq!(bench.store.count("user_event_log").await, 300);
    bench.passed().await;
}

#[tokio::test]
async fn what_was_rejected_is_tried_again_once_its_table_is_mended() {
    let bench = Bench::new().await;
    bench
        .store
        .run(
            "CREATE TABLE orders (id int, price bigint, event_hub varchar, partition_id int, \
             sequence_number bigint, enqueued_at timestamp, \
             PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at))",
        )
        .await;
    let orders = bench.files.of_hub("orders");
    let one = |number: i64, price: &str| event(number, format!(r#"{{"id":{number},"price":{price}}}"#));
    orders.add(0, 0, vec![one(0, "1"), one(1, "2")]).await;
    orders.add(0, 1, vec![one(2, "3"), one(3, r#""free""#), one(4, "1.5"), event(5, "no object")]).await;
    orders.add(1, 0, vec![one(0, "2.5"), one(1, "4")]).await;
    let route = ["--route", "orders=orders", "--require", "id"];
    bench.once(&route).await;
    assert_eq!((bench.store.count("orders").await, bench.store.count("rejected_events").await), (4, 4));
    let url = bench.files.url();
    let replay = async |flags: &[&str]| {
        let flags = [&["--rejected", "--blob", &url, "--settle", "0"], &route[..], flags].concat();
        let ended = bench.deltawave("replay", &flags).await;
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
        ended.out
    };
    // As long as nothing is mended nothing changes.
    let out = replay(&[]).await;
    assert!(out.ends_with("\nloaded again: 2 files, 2 records loaded, 4 rejected\n"), "{out}");
    assert_eq!(bench.store.count("rejected_events").await, 4);

    // A type that takes more: the rows are loaded, and leave rejected_events.
    bench
        .store
        .run(
            "CREATE TABLE wider (id int, price numeric, event_hub varchar, partition_id int, sequence_number bigint, \
             enqueued_at timestamp, PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at)); \
             INSERT INTO wider SELECT * FROM orders; DROP TABLE orders; ALTER TABLE wider RENAME TO orders",
        )
        .await;
    let out = replay(&["--dry-run"]).await;
    assert!(out.ends_with("2 files would be loaded again\n"), "{out}");
    let out = replay(&["--partition", "1"]).await;
    assert!(out.contains("; 1 that had been rejected fits now\n"), "{out}");
    let out = replay(&[]).await;
    assert!(out.contains("; 1 that had been rejected fits now\n"), "{out}");
    let left = bench.store.rows("SELECT sequence_number FROM rejected_events ORDER BY 1").await;
    assert_eq!(left, [["3"], ["5"]]);
    assert_eq!(bench.store.count("orders").await, 6);
    bench.verify_files(0, &["--deep", "--route", "orders=orders", "--require", "id"]).await;

    bench.passed().await;
}
