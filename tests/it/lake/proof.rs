//! What is in a table is proven, packed and kept through outages.

use std::time::Duration;

use rand::RngExt as _;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::bench::LakeBench;
use crate::support::{Manner, Proxy, Running, event, eventually, plain, unhappy_answer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_is_proven_and_what_is_not_is_named() {
    let bench = LakeBench::in_directory().await.made().await;
    bench.files.add_plain(0..2, 0..3, 40).await;
    bench.files.add(1, 3, vec![event(120, "no JSON")]).await;
    let (route, url) = (bench.route(), bench.files.url());
    let verify = ["verify", "--route", &route, "--blob", &url, "--settle", "0", "--log", "off"];
    let nothing = bench.deltawave(&verify).await;
    assert_eq!(nothing.code, Some(1), "{}{}", nothing.out, nothing.err);
    assert!(nothing.out.contains("the ledger has no file of it"), "{}", nothing.out);
    bench.once(&[]).await;
    let proven = bench.deltawave(&verify).await;
    assert_eq!(proven.code, Some(0), "{}{}", proven.out, proven.err);
    for part in ["ledger and log of Delta table", "proven: 241 records of 7 files, nothing lost, nothing twice"] {
        assert!(proven.out.contains(part), "{part} is missing in {}", proven.out);
    }
    let status = bench.deltawave(&["status", "--route", &route, "--log", "off"]).await;
    assert_eq!(status.code, Some(0), "{}", status.err);
    let lines: Vec<Vec<&str>> =
        status.out.lines().map(|line| line.split_whitespace().skip(2).take(4).collect()).collect();
    assert!(lines.contains(&vec!["1", "4", "121", "1"]), "{}", status.out);

    // A file that is not loaded, a gap between files, a row that another program took, and one that it added.
    bench.files.add(0, 5, vec![plain(0, 130)]).await;
    bench.once(&[]).await;
    bench.files.add(0, 4, vec![plain(0, 125)]).await;
    bench.ask("change.py", json!({"delete": "partition_id = 1 AND sequence_number = 7", "copy": [0, 9]})).await;
    let broken = bench.deltawave(&[&verify[..], &["--json"]].concat()).await;
    assert_eq!(broken.code, Some(3), "{}{}", broken.out, broken.err);
    let report: Value = serde_json::from_str(&broken.out).unwrap();
    let found: Vec<(&str, i64, &str)> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let of = |name: &str| finding[name].as_str().unwrap();
            (of("kind"), finding["partition"].as_i64().unwrap(), of("text"))
        })
        .collect();
    let has = |kind, partition, words| {
        assert!(
            found.iter().any(|(k, p, text)| (*k, *p) == (kind, partition) && text.contains(words)),
            "{kind} {partition} {words}: {found:?}"
        );
    };
    has("hole", 0, "/04/00.avro");
    has("hole", 0, "no file in the ledger has them");
    has("hole", 1, "1 rows of 120 that the ledger has are not in the table's log");
    has("double", 0, "1 rows more than the 121 of the ledger");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_files_are_packed_and_no_row_is_more_or_less() {
    let bench = LakeBench::new().await.made().await;
    for minute in 0..5 {
        bench.files.add_plain(0..2, minute..minute + 1, 30).await;
        bench.once(&[]).await;
    }
    let files = async || bench.ask("files.py", json!({})).await;
    assert_eq!(files().await, json!({"events": 10, "events__files": 5, "events__rejected": 0}));
    for moment in ["before:committed", "after:committed", "before:committed:2", "after:committed:2"] {
        let killed = bench.deltawave(&["optimize", &bench.table, "--kill-at", moment]).await;
        // When all is packed there is nothing left to die at.
        assert!(killed.signal == Some(libc::SIGKILL) || moment.ends_with(":2"), "{moment}: {}", killed.err);
        bench.assert_all(2, 150).await;
    }
    let packed = bench.deltawave(&["optimize", &bench.table, "--log", "off"]).await;
    assert_eq!(packed.code, Some(0), "{}", packed.err);
    assert_eq!(files().await, json!({"events": 2, "events__files": 1, "events__rejected": 0}), "{}", packed.out);
    bench.assert_all(2, 150).await;
    // The log still says what each partition has, and what is captured again is still known.
    bench.files.add(0, 9, (140..160).map(|number| plain(0, number)).collect()).await;
    bench.once(&["--optimize", "3600"]).await;
    let (route, url) = (bench.route(), bench.files.url());
    let verify = ["verify", "--route", &route, "--blob", &url, "--settle", "0", "--log", "off"];
    let proven = bench.deltawave(&verify).await;
    assert_eq!(proven.code, Some(0), "{}{}", proven.out, proven.err);
    let counted = bench.counted().await;
    assert_eq!(counted["partitions"], json!([[0, 160, 160, 0, 159], [1, 150, 150, 0, 149]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_breaks_anywhere_loses_and_doubles_nothing() {
    const MINUTES: i64 = 30;
    let bench = LakeBench::new().await.made().await;
    let proxy = Proxy::to(&bench.table).await;
    let route = format!("user-events=delta:{}", proxy.url(&bench.table));
    let running = Running::start(bench.loader(&["--poll", "0.05", "--slow-retry", "0.5", "--route", &route]));
    let files = bench.files.clone();
    let feed = tokio::spawn(async move {
        for minute in 0..MINUTES {
            files.add_plain(0..2, minute..minute + 1, 100).await;
            sleep(Duration::from_millis(200)).await;
        }
    });
    let mut round = 0;
    while !feed.is_finished() || proxy.faults() < 15 {
        let random = |range: std::ops::Range<u64>| Duration::from_millis(rand::rng().random_range(range));
        match round % 6 {
            0 => proxy.set(Manner::CutDown(rand::rng().random_range(100..8_000))),
            1 => proxy.set(Manner::CutUp(rand::rng().random_range(100..8_000))),
            2 => proxy.set(Manner::Stall),
            3 => proxy.cut_and_set(Manner::Answer(unhappy_answer("503 Busy", "ServerBusy", "retry-after: 1\r\n"))),
            4 => proxy.cut_and_set(Manner::Refuse),
            _ => proxy.cut(),
        }
        sleep(random(50..400)).await;
        proxy.set(Manner::Pass);
        sleep(random(50..300)).await;
        round += 1;
    }
    feed.await.unwrap();
    let faults = proxy.faults();
    eventually("all files", async || {
        let counted = bench.counted().await;
        if counted["files"] == json!([2 * MINUTES, 2 * MINUTES]) { Ok(()) } else { Err(counted) }
    })
    .await;
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    bench.assert_all(2, MINUTES * 100).await;
    println!("{faults} faults of the container, {} records, each once", 2 * MINUTES * 100);
}
