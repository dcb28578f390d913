//! Loaders with a live lane, the store and the broker killed at drawn moments, while records come and files follow.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deltawave::azure::blob::Container;
use rand::RngExt as _;
use rdkafka::producer::Producer as _;
use tokio::process::Command;
use tokio::time::sleep;

use super::{metric, metric_of};
use crate::capture::bench::{DEADLINE, FAST, Sent, TOPIC, broker, capture, producer, send};
use crate::support::{FakeRisingWave, Files, Http, Running, eventually, plain, program, run};

const KILLS: usize = 200;
const PARTITIONS: i32 = 3;

/// In turn, so that each comes as often as it is meant to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Loader,
    Store,
    Recover,
    Connections,
    Broker,
}

const BLOWS: [Blow; 8] = [
    Blow::Recover,
    Blow::Store,
    Blow::Broker,
    Blow::Loader,
    Blow::Recover,
    Blow::Connections,
    Blow::Store,
    Blow::Recover,
];

fn loader(fake: &FakeRisingWave, files: &Files, bootstrap: &str, flags: &[&str]) -> Command {
    let always = ["--poll", "0.05", "--slow-retry", "0.2", "--batch-rows", "300", "--broker", bootstrap];
    let mut command = program(env!("CARGO_BIN_EXE_loader"), &[&always[..], flags].concat());
    command.env("DELTAWAVE_BLOB", files.url()).env("DELTAWAVE_STORE_URL", fake.url());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_loader_store_and_broker_lose_and_double_nothing() {
    let fake = FakeRisingWave::start(true).await;
    fake.recovers_within(Duration::from_millis(20));
    let home = tempfile::tempdir().unwrap();
    let files = Files::at(&home.path().display().to_string()).await;
    let container: &Container = &files.container;
    let broker = broker(PARTITIONS);
    let bootstrap = broker.bootstrap_servers();
    let capturing = capture(&bootstrap, container, &["--window", "1", "--skip-empty", "--give-up", "60"]);
    capturing.says("capturing").await;

    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::task::spawn_blocking({
        let (bootstrap, stop) = (bootstrap.clone(), Arc::clone(&stop));
        move || {
            let producer = producer(&bootstrap);
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                for partition in 0..PARTITIONS {
                    let payload = plain(partition, sent).body;
                    send(&producer, TOPIC, partition, &Sent { payload, ..Sent::default() });
                }
                sent += 1;
                producer.poll(Duration::from_millis(10));
            }
            producer.flush(DEADLINE).unwrap();
        }
    });

    let flags = ["--live", "--http", "127.0.0.1:0"];
    let (mut live, mut there, mut unwritten, mut lives) = (0.0, 0.0, 0.0, 0);
    let mut blows = BLOWS.iter().cycle().copied().take(KILLS).peekable();
    while blows.peek().is_some() {
        let running = Running::start(loader(&fake, &files, &bootstrap, &flags));
        let http = Http::of(&running).await;
        lives += 1;
        for blow in blows.by_ref() {
            let least = if blow == Blow::Loader { 400 } else { 20 };
            sleep(Duration::from_millis(rand::rng().random_range(least..400 + least))).await;
            match blow {
                Blow::Loader => break,
                Blow::Store => fake.crash(),
                Blow::Recover => fake.recover(),
                Blow::Connections => fake.drop_connections(),
                Blow::Broker => {
                    broker.broker_down(1).unwrap();
                    sleep(Duration::from_millis(50)).await;
                    broker.broker_up(1).unwrap();
                }
            }
        }
        live += metric_of(&http, "deltawave_loader_live_events_total", r#"outcome="written""#).await;
        there += metric(&http, "deltawave_loader_rows_already_there_total").await;
        unwritten += metric(&http, "deltawave_loader_files_already_there_total").await;
        running.signal(libc::SIGKILL);
        assert_eq!(running.end().await.signal, Some(libc::SIGKILL));
    }
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
    capturing.signal(libc::SIGTERM);
    capturing.done().await;
    // What an outage left out of the last windows.
    capture(&bootstrap, container, &FAST).done().await;
    let captured = crate::capture::bench::files(container, TOPIC, &files.format).await;
    let records: usize = captured.values().flatten().map(|file| file.events.len()).sum();
    let written: usize = captured.values().map(Vec::len).sum();

    let ended = run(loader(&fake, &files, &bootstrap, &["--once"])).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    eventually("all of it", async || match fake.counts() {
        counts if counts == (records, written) => Ok(()),
        counts => Err(format!("{counts:?} instead of {:?}", (records, written))),
    })
    .await;
    assert_eq!(fake.rejected(), 0);
    assert_eq!(fake.foreign(), BTreeSet::new());
    println!(
        "{KILLS} kills of loader, store and broker over {lives} loaders; {live} rows came live first, {unwritten} files \
         needed no writing, nor did {there} rows of files; the store forgot {} acknowledged rows; {records} records of {written} files, each once",
        fake.forgotten()
    );
    assert!(live > 100.0 && there > 0.0, "no row came live, so nothing was proven: {live} {there}");
}
