//! The `loader` binary on Azurite and a store: what is loaded, once, from which files, into which tables.

use tokio::process::Command;

use crate::support::{Ended, Files, Running, TestStore, event, eventually, plain, program, run, store, user};

/// Files and a store of the test's own, and loaders between them.
pub struct Bench {
    pub files: Files,
    pub store: TestStore,
}

impl Bench {
    /// With the tables and views that `deltawave init` makes.
    pub async fn new() -> Bench {
        Bench { files: Files::new().await, store: store().await.initialised().await }
    }

    pub fn loader(&self, flags: &[&str]) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_loader"), flags);
        command.env("DELTAWAVE_BLOB", self.files.url()).env("DELTAWAVE_STORE_URL", self.store.url());
        command
    }

    /// Loads what is there; it must end well.
    pub async fn once(&self, flags: &[&str]) -> Ended {
        let ended = run(self.loader(&[&["--once"], flags].concat())).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert_eq!(ended.out, "", "standard output is for data");
        ended
    }

    /// Runs a loader that must fail, and gives what it said, in one sentence.
    pub async fn fails(&self, flags: &[&str]) -> String {
        let ended = run(self.loader(&[&["--once", "--log", "off"], flags].concat())).await;
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        ended.err
    }

    pub fn start(&self, flags: &[&str]) -> Running {
        Running::start(self.loader(flags))
    }

    /// Waits until a query gives that number.
    pub async fn until(&self, sql: &str, wanted: i64) {
        eventually(sql, async || match self.store.number(sql).await {
            number if number == wanted => Ok(()),
            number => Err(format!("{number} instead of {wanted}")),
        })
        .await;
    }

    /// Asserts that the log holds sequence numbers 0 to `records` of each partition, each once, and nothing else.
    pub async fn assert_all(&self, partitions: i32, records: i64) {
        let found = self
            .store
            .rows(
                "SELECT partition_id, count(*), min(sequence_number), max(sequence_number), count(DISTINCT sequence_number) \
                 FROM user_event_log GROUP BY partition_id ORDER BY partition_id",
            )
            .await;
        let row =
            |partition: i32| [i64::from(partition), records, 0, records - 1, records].map(|n| n.to_string()).to_vec();
        assert_eq!(found, (0..partitions).map(row).collect::<Vec<_>>());
        assert_eq!(self.store.count("rejected_events").await, 0);
    }

    pub async fn passed(self) {
        self.store.passed().await;
    }
}

#[tokio::test]
async fn records_are_loaded_once_and_the_latest_state_survives_late_files() {
    let bench = Bench::new().await;
    let Bench { files, store } = &bench;
    // User 3 is deleted; of user 4's two events of one order the broker's last counts.
    let first =
        vec![user(10, 1, "insert", 1), user(11, 2, "insert", 2), user(12, 3, "insert", 3), user(13, 3, "delete", 9)];
    files.add(0, 10, first).await;
    let tie = event(15, r#"{"id":4,"name":"the later","age":null,"op":"update","event_order":5}"#);
    files.add(0, 11, vec![user(14, 4, "insert", 5), tie]).await;
    files.add(1, 10, vec![]).await;
    // Numbers 16 to 19 are missing.
    let unknown_field = event(21, r#"{"event_order":8,"op":"update","id":2,"name":"renamed","extra":[1,{"a":"b"}]}"#);
    files.add(0, 12, vec![user(20, 1, "delete", 7), unknown_field]).await;

    let said = bench.once(&[]).await.err;
    assert_eq!(said.matches("file loaded").count(), 4, "{said}");
    assert_eq!(store.count("user_event_log").await, 8);
    assert_eq!(store.count("rejected_events").await, 0);
    let ledger = "SELECT blob, partition_id, records, loaded, rejected, status, first_sequence_number, \
         last_sequence_number, window_start FROM capture_files ORDER BY blob";
    let row = |partition: i32, minute: i64, numbers: &str| {
        let start = format!("2026-01-02 00:{minute:02}:00");
        let rest = format!("{partition} {numbers}");
        [vec![files.name(partition, minute)], rest.split(' ').map(str::to_owned).collect(), vec![start]].concat()
    };
    assert_eq!(
        store.rows(ledger).await,
        [
            row(0, 10, "4 4 0 loaded 10 13"),
            row(0, 11, "2 2 0 loaded 14 15"),
            row(0, 12, "2 2 0 loaded 20 21"),
            row(1, 10, "0 0 0 loaded NULL NULL"),
        ]
    );
    let latest = "SELECT * FROM latest_user_state ORDER BY id";
    let state = [["2", "renamed", "NULL", "update", "NULL"], ["4", "the later", "NULL", "update", "NULL"]];
    assert_eq!(store.rows(latest).await, state);

    // A file that comes late and whose name is older: user 3 stays deleted, user 2 stays renamed.
    files.add(0, 1, vec![user(1, 3, "insert", 0), user(2, 2, "update", 1), user(3, 5, "insert", 1)]).await;
    let said = bench.once(&[]).await.err;
    assert_eq!(said.matches("file loaded").count(), 1, "{said}");
    assert_eq!(store.count("user_event_log").await, 11);
    let state_and_5 = [&state[..], &[["5", "user 5", "5", "insert", "2026-01-02 03:04:05"]]].concat();
    assert_eq!(store.rows(latest).await, state_and_5);

    let said = bench.once(&[]).await.err;
    assert!(!said.contains("file loaded") && said.contains("done files=0 loaded=0 rejected=0"), "{said}");
    assert_eq!(store.count("user_event_log").await, 11);
    assert_eq!(store.count("capture_files").await, 5);

    let newest = "SELECT * FROM user_events ORDER BY event_order DESC LIMIT 1";
    assert_eq!(store.columns(newest).await, ["id", "name", "age", "op", "event_order", "ts"]);
    assert_eq!(store.rows(newest).await, [["3", "user 3", "3", "delete", "9", "2026-01-02 03:04:05"]]);
    assert_eq!(store.columns(latest).await, ["id", "name", "age", "op", "ts"]);
    let gaps = "SELECT partition_id, first_missing, last_missing, next_blob FROM capture_gaps ORDER BY first_missing";
    let gap =
        |first: &str, last: &str, next| vec!["0".to_owned(), first.to_owned(), last.to_owned(), files.name(0, next)];
    assert_eq!(store.rows(gaps).await, [gap("4", "9", 10), gap("16", "19", 12)]);
    let progress = "SELECT target, event_hub, partition_id, files, records, loaded, rejected, last_sequence_number, \
         newest_window FROM pipeline_progress ORDER BY partition_id";
    let progress_of = |text: &str, newest: &str| {
        let hub = ["user_event_log", "user-events"].map(str::to_owned).to_vec();
        [hub, text.split(' ').map(str::to_owned).collect(), vec![newest.to_owned()]].concat()
    };
    assert_eq!(
        store.rows(progress).await,
        [progress_of("0 4 11 11 0 21", "2026-01-02 00:12:00"), progress_of("1 1 0 0 0 NULL", "2026-01-02 00:10:00")]
    );
    bench.passed().await;
}

/// Only PostgreSQL has constraints and limited numerics.
#[tokio::test]
async fn tables_of_ones_own_are_filled_by_routes() {
    let bench = Bench::new().await;
    bench
        .store
        .run(
            "CREATE TABLE readings (enqueued_at timestamp, celsius double precision, sensor varchar, rescued jsonb, \
             partition_id bigint, event_hub varchar, sequence_number bigint, \
             PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at))",
        )
        .await;
    let readings = bench.files.of_hub("readings");
    let reading = event(7, r#"{"sensor":"a","unit":"C","celsius":21.5,"tags":["x",{"y":null}]}"#);
    readings.add(0, 0, vec![reading, event(8, r#"{"celsius":-3}"#), event(9, r#"{"celsius":"cold"}"#)]).await;
    bench.files.add_plain(0..2, 0..2, 50).await;
    bench.once(&["--route", "user-events=user_event_log,readings=readings"]).await;
    bench.until("SELECT count(*) FROM user_event_log", 200).await;
    let rows =
        bench.store.rows("SELECT sensor, celsius, rescued, enqueued_at FROM readings ORDER BY sequence_number").await;
    assert_eq!(rows[0][..2], ["a", "21.5"]);
    let rescued: serde_json::Value = serde_json::from_str(&rows[0][2]).unwrap();
    assert_eq!(rescued, serde_json::json!({"unit": "C", "tags": ["x", {"y": null}]}));
    assert_eq!(rows[1], ["NULL", "-3", "NULL", "2026-01-02 03:04:05"]);
    let rejected = bench.store.rows("SELECT target, event_hub, sequence_number FROM rejected_events").await;
    assert_eq!(rejected, [["readings", "readings", "9"]]);
    let targets = bench.store.rows("SELECT target, count(*) FROM capture_files GROUP BY target ORDER BY target").await;
    assert_eq!(targets, [["readings", "1"], ["user_event_log", "4"]]);
    bench.passed().await;
}

#[tokio::test]
async fn files_are_found_as_they_arrive_whatever_their_names() {
    let bench = Bench::new().await;
    let files = &bench.files;
    let day = 24 * 60;
    let add = async |partition: i32, minute: i64, number: i64| {
        files.add(partition, minute, vec![plain(partition, number)]).await;
    };
    let stop = async |running: Running| {
        running.signal(libc::SIGTERM);
        let ended = running.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    };
    add(0, 2 * day, 4).await;
    add(3, 2 * day, 0).await;
    let running = bench.start(&["--poll", "0.2", "--look-back", "7200"]);
    let count = "SELECT count(*) FROM user_event_log";
    bench.until(count, 2).await;
    add(0, 2 * day + 1, 5).await;
    bench.until(count, 3).await;
    // An hour older than what is loaded: within the look-back.
    add(0, 2 * day - 60, 3).await;
    bench.until(count, 4).await;
    // Partitions that had no file yet, the next and one between; and what no route names.
    files.of_hub("another-hub").add(0, 2 * day + 2, vec![plain(0, 77)]).await;
    add(4, 2 * day, 0).await;
    add(1, 2 * day, 0).await;
    bench.until(count, 6).await;
    stop(running).await;

    let running = bench.start(&["--poll", "0.2", "--look-back", "7200", "--reconcile", "1"]);
    add(0, 2 * day + 3, 6).await;
    bench.until(count, 7).await;
    // Two days older: for the reconcile.
    add(0, 0, 2).await;
    bench.until(count, 8).await;
    stop(running).await;
    assert_eq!(bench.store.count("capture_files").await, 8);
    bench.passed().await;
}

#[tokio::test]
async fn custom_name_formats_are_read_in_whatever_order_they_sort() {
    for format in [
        "{Year}/{Month}/{Day}/{Hour}/{Namespace}-{EventHub}/{PartitionId}_{Minute}_{Second}",
        "{Namespace}/{EventHub}/{Second}-{Minute}-{Hour}/{Day}/{Month}/{Year}/p{PartitionId}",
        "{Namespace}/{EventHub}/{PartitionId}{Year}{Month}{Day}{Hour}{Minute}{Second}",
    ] {
        let bench = Bench::new().await;
        let bench = Bench { files: bench.files.named(format), ..bench };
        // Eleven partitions, so that one's names can begin another's.
        bench.files.add_plain(0..11, 0..2, 3).await;
        bench.files.of_hub("another-hub").add_plain(0..1, 0..1, 3).await;
        let running = bench.start(&["--poll", "0.2", "--name-format", format]);
        bench.until("SELECT count(*) FROM user_event_log", 66).await;
        bench.files.add_plain(0..11, 2..3, 3).await;
        bench.until("SELECT count(*) FROM user_event_log", 99).await;
        running.signal(libc::SIGTERM);
        let ended = running.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        bench.assert_all(11, 9).await;
        assert_eq!(bench.store.count("capture_files").await, 33, "{format}");
        bench.passed().await;
    }
}

#[tokio::test]
async fn two_loaders_at_once_load_everything_once() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..3, 0..20, 200).await;
    // Records that are rejected meet in the ledger of rejects too.
    let bad = bench.files.of_hub("bad");
    bad.add(0, 0, (0..300).map(|number| event(number, "bad")).collect()).await;
    let flags = ["--route", "user-events=user_event_log,bad=user_event_log", "--batch-rows", "700"];
    let (one, other) = tokio::join!(bench.once(&flags), bench.once(&flags));
    for said in [one.err, other.err] {
        assert!(!said.contains("retrying") && !said.contains("ERROR"), "{said}");
    }
    assert_eq!(bench.store.count("capture_files").await, 61);
    assert_eq!(bench.store.count("rejected_events").await, 300);
    bench.store.run("DELETE FROM rejected_events").await;
    bench.assert_all(3, 4000).await;
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shape_a_dry_run_knows_is_the_one_init_makes() {
    let store = store().await.initialised().await;
    let required = ["id".to_owned(), "op".to_owned()];
    let known = deltawave::store::default_table("user_event_log", &required).unwrap().unwrap();
    assert_eq!(store.session().await.table("user_event_log", &required).await.unwrap().unwrap(), known);
    assert!(deltawave::store::default_table("other", &required).is_none());
    store.passed().await;
}
