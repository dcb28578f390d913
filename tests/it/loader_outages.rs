//! The `loader` binary behind a proxy that cuts, stalls, refuses and lies, under load: nothing lost, nothing twice, by
//! counting; and faults that only a person mends, after which it goes on by itself.

use std::time::Duration;

use rand::RngExt as _;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::loader::Bench;
use crate::support::{
    Files, Http, Manner, Proxy, Running, capture_file, event, eventually, postgres_store, unhappy_answer,
};

const PARTITIONS: i32 = 3;
const RECORDS: i64 = 300;
const FLAGS: [&str; 8] = ["--poll", "0.02", "--batch-rows", "250", "--connections", "2", "--slow-retry", "0.5"];

/// Files that keep arriving.
fn feed(files: &Files, minutes: std::ops::Range<i64>, pause: Duration) -> JoinHandle<()> {
    let files = files.clone();
    tokio::spawn(async move {
        for minute in minutes {
            files.add_plain(0..PARTITIONS, minute..minute + 1, RECORDS).await;
            sleep(pause).await;
        }
    })
}

fn loader(bench: &Bench, flags: &[&str], replace: &[(&str, String)]) -> Running {
    let mut command = bench.loader(&[&FLAGS[..], flags].concat());
    command.envs(replace.iter().map(|(name, value)| (name, value)));
    Running::start(command)
}

/// Ends the loader, and counts.
async fn all_there(bench: Bench, running: Running, minutes: i64, what: &str, faults: u64) {
    let files = i64::from(PARTITIONS) * minutes;
    running.says("loading").await;
    bench.until("SELECT count(*) FROM capture_files", files).await;
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    bench.assert_all(PARTITIONS, minutes * RECORDS).await;
    assert_eq!(bench.store.number("SELECT sum(loaded) FROM capture_files").await, files * RECORDS);
    assert_eq!(bench.store.count("capture_gaps").await, 0);
    println!("{what}: {faults} faults, {} records, each once", files * RECORDS);
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_connection_that_breaks_anywhere_loses_and_doubles_nothing() {
    const MINUTES: i64 = 60;
    let bench = Bench::new().await;
    let proxy = Proxy::to(&bench.store.url()).await;
    let running = loader(&bench, &[], &[("DELTAWAVE_STORE_URL", proxy.url(&bench.store.url()))]);
    let feed = feed(&bench.files, 0..MINUTES, Duration::from_millis(150));
    let mut round = 0;
    while !feed.is_finished() {
        let random = |range: std::ops::Range<u64>| Duration::from_millis(rand::rng().random_range(range));
        match round % 5 {
            0 => proxy.cut(),
            // In the middle of a statement, which is about 20 kB long.
            1 => proxy.set(Manner::CutUp(rand::rng().random_range(1_000..60_000))),
            2 => proxy.set(Manner::Stall),
            3 => proxy.cut_and_set(Manner::Refuse),
            _ => proxy.set(Manner::Delay(random(1..10))),
        }
        sleep(random(50..400)).await;
        proxy.set(Manner::Pass);
        sleep(random(50..300)).await;
        round += 1;
    }
    feed.await.unwrap();
    // Idle: what breaks meanwhile shows with the next file only.
    bench.until("SELECT count(*) FROM capture_files", i64::from(PARTITIONS) * MINUTES).await;
    sleep(Duration::from_millis(200)).await;
    proxy.cut();
    bench.files.add_plain(0..PARTITIONS, MINUTES..MINUTES + 1, RECORDS).await;
    let faults = proxy.faults();
    assert!(faults >= 15, "only {faults} connections broke");
    all_there(bench, running, MINUTES + 1, "store connections", faults).await;
}

#[tokio::test]
async fn a_store_that_takes_statements_and_never_answers_is_given_up_and_asked_anew() {
    let bench = Bench::new().await;
    let proxy = Proxy::to(&bench.store.url()).await;
    let store = ("DELTAWAVE_STORE_URL", proxy.url(&bench.store.url()));
    let running = loader(&bench, &["--store-timeout", "1"], &[store]);
    for minute in 0..3 {
        bench.files.add_plain(0..PARTITIONS, minute..minute + 1, RECORDS).await;
        bench.until("SELECT count(*) FROM capture_files", (minute + 1) * i64::from(PARTITIONS)).await;
        proxy.freeze();
    }
    bench.files.add_plain(0..PARTITIONS, 3..4, RECORDS).await;
    running.says("an answer within 1 s did not come").await;
    let faults = proxy.faults();
    assert!(faults >= 3, "only {faults} connections were frozen");
    all_there(bench, running, 4, "silent store", faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_service_that_breaks_anywhere_loses_and_doubles_nothing() {
    const MINUTES: i64 = 50;
    let bench = Bench::new().await;
    let proxy = Proxy::to(&bench.files.url()).await;
    let running = loader(&bench, &[], &[("DELTAWAVE_BLOB", proxy.url(&bench.files.url()))]);
    let feed = feed(&bench.files, 0..MINUTES, Duration::from_millis(150));
    let mut round = 0;
    while !feed.is_finished() {
        let random = |range: std::ops::Range<u64>| Duration::from_millis(rand::rng().random_range(range));
        match round % 5 {
            // In the middle of a file of about 40 kB, or of a listing.
            0 => proxy.set(Manner::CutDown(rand::rng().random_range(100..40_000))),
            1 => proxy.set(Manner::Stall),
            2 => proxy.cut_and_set(Manner::Answer(unhappy_answer(
                "503 Busy",
                "ServerBusy",
                if round % 2 == 0 { "retry-after: 1\r\n" } else { "" },
            ))),
            3 => proxy.cut_and_set(Manner::Refuse),
            _ => proxy.cut(),
        }
        sleep(random(50..400)).await;
        proxy.set(Manner::Pass);
        sleep(random(50..300)).await;
        round += 1;
    }
    feed.await.unwrap();
    let faults = proxy.faults();
    assert!(faults >= 15, "only {faults} connections broke");
    all_there(bench, running, MINUTES, "storage connections", faults).await;
}

#[tokio::test]
async fn a_large_file_whose_download_breaks_is_taken_up_where_it_broke() {
    let bench = Bench::new().await;
    // Some 20 MB: five chunks, of which a try gets two or fewer.
    let padding = "x".repeat(20_000);
    let events = (0..RECORDS * 3).map(|number| {
        let body = format!(r#"{{"id":{number},"op":"insert","event_order":{number},"padding":"{padding}"}}"#);
        event(number, body)
    });
    bench.files.put(&bench.files.name(0, 0), capture_file(events)).await;
    let proxy = Proxy::to(&bench.files.url()).await;
    let running = loader(&bench, &[], &[("DELTAWAVE_BLOB", proxy.url(&bench.files.url()))]);
    for limit in [1_000_000, 5_000_000, 7_000_000] {
        let before = proxy.faults();
        proxy.set(Manner::CutDown(limit));
        eventually("cut", async || if proxy.faults() > before { Ok(()) } else { Err("not yet") }).await;
    }
    proxy.set(Manner::Pass);
    bench.until("SELECT count(*) FROM capture_files", 1).await;
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().await.code, Some(0));
    bench.assert_all(1, RECORDS * 3).await;
    println!("downloads: {} faults, {} records, each once", proxy.faults(), RECORDS * 3);
    bench.passed().await;
}

/// The lines that say what does not pass by itself.
fn complaints(running: &Running) -> Vec<String> {
    running.err().lines().filter(|line| line.contains("does not pass by itself")).map(str::to_owned).collect()
}

/// Waits until a loader that cannot go on says so once and shows it, though it goes on trying.
async fn in_need(running: &Running, http: &Http, words: &str) {
    running.says("does not pass by itself, retrying, at least every 0.5 s").await;
    let answer = http.until(Some(words)).await;
    sleep(Duration::from_millis(1500)).await;
    let said = complaints(running);
    assert_eq!(said.len(), 1, "said once: {said:#?}");
    assert!(said[0].contains("ERROR") && said[0].contains(words), "{said:?}");
    let (ready, still) = http.ready().await;
    assert!(!ready && still["troubles"] != serde_json::json!({}), "{answer} then {still}");
}

#[tokio::test]
async fn a_storage_service_that_refuses_is_asked_again_until_someone_mends_it() {
    let bench = Bench::new().await;
    let proxy = Proxy::to(&bench.files.url()).await;
    let faults = [
        ("403 Forbidden", "AuthorizationFailure", "access to"),
        ("401 Unauthorized", "InvalidAuthenticationInfo", "access to"),
        ("404 Not Found", "ContainerNotFound", "does not exist: create it"),
    ];
    let address = proxy.url(&bench.files.url());
    for (minute, (status, code, words)) in (0..).zip(faults) {
        let running = loader(&bench, &["--http", "127.0.0.1:0"], &[("DELTAWAVE_BLOB", address.clone())]);
        let http = Http::of(&running).await;
        http.until(None).await;
        proxy.cut_and_set(Manner::Answer(unhappy_answer(status, code, "")));
        bench.files.add_plain(0..PARTITIONS, minute..minute + 1, RECORDS).await;
        let before = proxy.faults();
        in_need(&running, &http, words).await;
        let tries = proxy.faults() - before;
        assert!((2..=12).contains(&tries), "{tries} tries in about 1.5 s, one every 0.5 s");
        proxy.set(Manner::Pass);
        bench.until("SELECT count(*) FROM capture_files", (minute + 1) * i64::from(PARTITIONS)).await;
        http.until(None).await;
        assert!(running.err().contains("blob storage works again after"), "{}", running.err());
        running.signal(libc::SIGTERM);
        assert_eq!(running.end().await.code, Some(0));
    }
    let (running, faults) = (loader(&bench, &[], &[]), proxy.faults());
    all_there(bench, running, 3, "refusals", faults).await;
}

#[tokio::test]
async fn a_directory_that_is_moved_away_and_back_is_missed_meanwhile() {
    let home = tempfile::tempdir().unwrap();
    let (here, away) = (home.path().join("capture"), home.path().join("away"));
    let files = Files::at(&here.display().to_string()).await;
    let bench = Bench { files, ..Bench::new().await };
    bench.files.add_plain(0..PARTITIONS, 0..1, RECORDS).await;
    let running = loader(&bench, &["--http", "127.0.0.1:0"], &[]);
    let http = Http::of(&running).await;
    http.until(None).await;
    std::fs::rename(&here, &away).unwrap();
    in_need(&running, &http, "does not exist: create it").await;
    std::fs::rename(&away, &here).unwrap();
    bench.files.add_plain(0..PARTITIONS, 1..2, RECORDS).await;
    http.until(None).await;
    all_there(bench, running, 2, "a missing directory", 1).await;
}

#[tokio::test]
async fn a_table_that_is_dropped_is_waited_for() {
    // What depends on a table goes with it, which only PostgreSQL is asked for here.
    let bench = Bench { files: Files::new().await, store: postgres_store().await.initialised().await };
    for (minute, table) in (0..).zip(["user_event_log", "capture_files"]) {
        let running = loader(&bench, &["--http", "127.0.0.1:0"], &[]);
        let http = Http::of(&running).await;
        http.until(None).await;
        bench.store.run(&format!("DROP TABLE {table} CASCADE")).await;
        bench.files.add_plain(0..PARTITIONS, minute..minute + 1, RECORDS).await;
        in_need(&running, &http, table).await;
        deltawave::store::create_objects(&bench.store.session().await, |_| {}).await.unwrap();
        // A ledger made anew knows nothing: all is loaded again, and replaces itself.
        bench.until("SELECT count(*) FROM capture_files", (minute + 1) * i64::from(PARTITIONS)).await;
        http.until(None).await;
        running.says("the store works again after").await;
        running.signal(libc::SIGTERM);
        assert_eq!(running.end().await.code, Some(0));
    }
    let running = loader(&bench, &[], &[]);
    all_there(bench, running, 2, "dropped tables", 2).await;
}
