//! Routes into Delta tables: every record once, read by others as what it is.

mod bench;
mod kills;
mod proof;
mod readers;

use serde_json::json;

use crate::support::{event, plain, program, run, user};
use bench::LakeBench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_in_the_table_once_with_their_ledger_beside_it() {
    for bench in [LakeBench::new().await, LakeBench::in_directory().await] {
        let bench = bench.made().await;
        bench.files.add_plain(0..3, 0..2, 50).await;
        bench.files.add(3, 0, vec![]).await;
        let said = bench.once(&[]).await.err;
        assert_eq!(said.matches("file loaded").count(), 7, "{said}");
        bench.assert_all(3, 100).await;
        // Nothing is new.
        bench.once(&[]).await;
        bench.files.add_plain(0..3, 2..3, 50).await;
        bench.once(&[]).await;
        bench.assert_all(3, 150).await;
        let counted = bench.counted().await;
        assert_eq!(counted["files"], json!([10, 10]));
        assert_eq!(counted["said"], counted["rows"], "the log's own statistics");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_captured_twice_are_there_once() {
    let bench = LakeBench::new().await.made().await;
    let events = |numbers: std::ops::Range<i64>| numbers.map(|number| plain(0, number)).collect::<Vec<_>>();
    bench.files.add(0, 0, events(0..40)).await;
    // In one group with another file, and in a later one.
    bench.files.add(0, 1, events(30..60)).await;
    bench.once(&[]).await;
    bench.files.add(0, 2, events(10..80)).await;
    let mut bad = events(80..90);
    bad.insert(3, event(200, "no JSON"));
    bench.files.add(0, 3, bad.clone()).await;
    bench.once(&[]).await;
    bench.files.add(0, 4, bad).await;
    bench.once(&[]).await;
    let counted = bench.counted().await;
    assert_eq!(counted["partitions"], json!([[0, 90, 90, 0, 89]]), "{counted}");
    assert_eq!((&counted["loaded"], &counted["rejected"], &counted["of_rejected"]), (&json!(90), &json!(1), &json!(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_stands_beside_the_table_with_the_reason() {
    let bench = LakeBench::in_directory().await.made().await;
    let bad = event(1, r#"{"id":"x","op":"insert","event_order":1}"#);
    bench.files.add(0, 0, vec![user(0, 1, "insert", 1), bad, event(2, vec![0xff, 0xfe])]).await;
    bench.once(&[]).await;
    let found = bench.ask("rejected.py", json!({})).await;
    assert_eq!(found[0]["sequence_number"], 1);
    assert_eq!(found[0]["body"], r#"{"id":"x","op":"insert","event_order":1}"#);
    assert!(found[0]["reason"].as_str().unwrap().contains("field `id`: expected a whole number"), "{found}");
    assert_eq!((&found[1]["body"], &found[1]["body_bytes"]), (&json!(null), &json!("fffe")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_made_from_files_and_loaded() {
    let bench = LakeBench::in_directory().await;
    bench.files.add_plain(0..2, 0..1, 20).await;
    let url = bench.files.url();
    let make = ["table", "user-events", "--blob", &url, "--delta", &bench.table, "--apply", "--yes", "--log", "off"];
    let made = run(program(env!("CARGO_BIN_EXE_deltawave"), &make)).await;
    assert_eq!(made.code, Some(0), "{}{}", made.out, made.err);
    for part in [
        "CREATE TABLE delta.`",
        "`id` INT, -- in every row; 40 whole numbers",
        ") USING delta PARTITIONED BY (enqueued_date);",
        "-- load it: loader --route user-events=delta:",
    ] {
        assert!(made.out.contains(part), "{part} is missing in {}", made.out);
    }
    bench.once(&[]).await;
    bench.assert_all(2, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_in_a_sentence() {
    let bench = LakeBench::in_directory().await;
    bench.files.add_plain(0..1, 0..1, 3).await;
    let missing = run(bench.loader(&["--once", "--log", "off"])).await;
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("there is no Delta table at") && missing.err.contains("--apply"), "{}", missing.err);
    for (flags, words) in [
        (&["--dry-run"][..], "--dry-run: a route into a Delta table"),
        (&["--evolve", "add"], "--evolve: a route into a Delta table"),
        (&["--live", "--broker", "127.0.0.1:1"], "--live: is for routes into a store"),
        (&["--route", "a=delta:nowhere"], "is no address of a Delta table; give https://"),
        (&["--route", "a=delta:/x/t,a=delta:/x/u"], "`a` stands twice"),
    ] {
        let refused = run(bench.loader(flags)).await;
        assert_eq!(refused.code, Some(2), "{flags:?}: {}", refused.err);
        assert!(refused.err.contains(words), "{words}: {}", refused.err);
    }
    let (route, url) = (bench.route(), bench.files.url());
    for command in [
        &["replay", "--holes", "--blob", &url][..],
        &["prune", "--before", "2026-01-01T00:00:00Z"],
        &["doctor"],
        &["backfill"],
    ] {
        let refused = run(program(env!("CARGO_BIN_EXE_deltawave"), &[command, &["--route", &route]].concat())).await;
        assert_eq!(refused.code, Some(2), "{command:?}: {}", refused.err);
        assert!(
            refused.err.contains("into a Delta table") || refused.err.contains("into Delta tables"),
            "{}",
            refused.err
        );
    }
}
