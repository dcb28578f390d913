//! The `loader` binary with servers that are away and signals that end it: nothing lost, nothing twice, by counting.

use std::time::{Duration, Instant};

use deltawave::offline::{Azurite, Parts, Persistence, Postgres};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::loader::Bench;
use crate::support::{Files, Manner, Proxy, Running, TestStore, eventually, home, program, quiet, run, store, unique};

/// A port on which nobody listens.
async fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn once_gives_up_on_servers_that_stay_away_and_names_them() {
    let bench = Bench::new().await;
    let port = nobody().await;
    let blob = format!("http://127.0.0.1:{port}/devstoreaccount1/capture");
    let store = format!("postgresql://root@127.0.0.1:{port}/dev");
    for (flag, address) in [("--blob", &blob), ("--store-url", &store)] {
        let started = Instant::now();
        let ended = run(bench.loader(&["--once", "--give-up", "1.5", flag, address])).await;
        let elapsed = started.elapsed();
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        let last = ended.err.lines().last().unwrap();
        assert!(last.starts_with("error: gave up after 1.5 s of retrying (--give-up): "), "{last}");
        assert!(last.contains(address.as_str()) && last.contains("refused"), "{last}");
        assert_eq!(ended.err.matches("WARN").count(), 1, "trouble is said once: {}", ended.err);
        assert!((1.5..15.0).contains(&elapsed.as_secs_f64()), "{elapsed:?}");
    }
    bench.passed().await;
}

#[tokio::test]
async fn a_store_that_comes_late_and_goes_meanwhile_loses_and_doubles_nothing() {
    // A server of the test's own, whose data outlives it: it is stopped and killed.
    let directory = home(&unique("postgres"));
    let mut server = Postgres::start(&Parts::locate(), &directory, Persistence::Directory, &quiet).await.unwrap();
    let store = TestStore::on(&server.url()).await.initialised().await;
    let bench = Bench { files: Files::new().await, store };
    server.service.stop().await.unwrap();

    bench.files.add_plain(0..2, 0..10, 1000).await;
    let running = bench.start(&["--poll", "0.1", "--batch-rows", "300"]);
    eventually("the loader notices", async || match running.err() {
        said if said.contains("retrying until it passes") => Ok(()),
        said => Err(said),
    })
    .await;
    server.service.restart().await.unwrap();
    bench.until("SELECT count(*) FROM user_event_log", 20_000).await;

    for (minutes, kill) in [(10..20, false), (20..30, true)] {
        let wanted = (minutes.end * 2000, minutes.start * 2000);
        bench.files.add_plain(0..2, minutes, 1000).await;
        // Somewhere in the middle, if the loader gives us the time.
        eventually("something is loaded", async || match bench.store.count("user_event_log").await {
            count if count > wanted.1 => Ok(()),
            count => Err(count),
        })
        .await;
        match kill {
            true => server.service.kill(),
            false => server.service.stop().await.unwrap(),
        }
        sleep(Duration::from_millis(300)).await;
        server.service.restart().await.unwrap();
        bench.until("SELECT count(*) FROM user_event_log", wanted.0).await;
    }
    bench.until("SELECT count(*) FROM capture_files", 60).await;
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("the store works again after"), "{}", ended.err);
    bench.assert_all(2, 30_000).await;
}

#[tokio::test]
async fn a_storage_service_that_comes_late_and_goes_meanwhile_loses_and_doubles_nothing() {
    let directory = home(&unique("azurite"));
    let mut azurite = Azurite::start(&Parts::locate(), &directory, Persistence::Directory, &quiet).await.unwrap();
    let files = Files::at(&format!("{}/capture", azurite.blob_endpoint())).await;
    let bench = Bench { files, store: store().await.initialised().await };
    bench.files.add_plain(0..2, 0..10, 1000).await;
    azurite.service.stop().await.unwrap();
    let running = bench.start(&["--poll", "0.1"]);
    eventually("the loader notices", async || match running.err() {
        said if said.contains("retrying until it passes") => Ok(()),
        said => Err(said),
    })
    .await;
    azurite.service.restart().await.unwrap();
    // Away again as soon as it is read from.
    eventually("the loader comes back", async || match running.err() {
        said if said.contains("blob storage works again") => Ok(()),
        said => Err(said),
    })
    .await;
    azurite.service.stop().await.unwrap();
    azurite.service.restart().await.unwrap();
    bench.until("SELECT count(*) FROM capture_files", 20).await;
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().await.code, Some(0));
    bench.assert_all(2, 10_000).await;
    bench.passed().await;
}

#[tokio::test]
async fn a_request_to_stop_leaves_nothing_half_noted() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..2, 0..40, 500).await;
    let running = bench.start(&["--poll", "0.1", "--batch-rows", "500", "--connections", "1"]);
    eventually("something is loaded", async || match bench.store.count("user_event_log").await {
        0 => Err("nothing"),
        _ => Ok(()),
    })
    .await;
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let files = bench
        .store
        .rows("SELECT partition_id, first_sequence_number, last_sequence_number, loaded FROM capture_files")
        .await;
    let noted: i64 = files.iter().map(|file| file[3].parse::<i64>().unwrap()).sum();
    let covered = bench
        .store
        .number(
            "SELECT count(*) FROM user_event_log e JOIN capture_files f ON e.partition_id = f.partition_id \
             AND e.sequence_number >= f.first_sequence_number AND e.sequence_number <= f.last_sequence_number",
        )
        .await;
    assert_eq!(noted, covered);
    assert_eq!(bench.store.count("user_event_log").await, noted, "the group in hand is finished");
    bench.once(&[]).await;
    bench.assert_all(2, 20_000).await;
    bench.passed().await;
}

#[tokio::test]
async fn a_stop_while_the_store_is_away_is_obeyed_at_once() {
    let bench = Bench::new().await;
    let store = format!("postgresql://root@127.0.0.1:{}/dev", nobody().await);
    let blob = bench.files.url();
    for (flags, code) in [(&["--poll", "1"][..], 0), (&["--once"], 1)] {
        let arguments = [&["--blob", &blob, "--store-url", &store], flags].concat();
        let running = Running::start(program(env!("CARGO_BIN_EXE_loader"), &arguments));
        eventually("the loader notices", async || match running.err() {
            said if said.contains("retrying") => Ok(()),
            said => Err(said),
        })
        .await;
        running.signal(libc::SIGTERM);
        let ended = running.end().await;
        assert_eq!(ended.code, Some(code), "{}", ended.err);
    }
    bench.passed().await;
}

#[tokio::test]
async fn a_slow_group_is_finished_after_a_request_to_stop_and_no_other_begun() {
    let bench = Bench::new().await;
    let proxy = Proxy::to(&bench.store.url()).await;
    bench.files.add_plain(0..3, 0..4, 1000).await;
    proxy.set(Manner::Delay(Duration::from_millis(30)));
    let mut command = bench.loader(&["--poll", "0.05", "--batch-rows", "200", "--connections", "1"]);
    command.env("DELTAWAVE_STORE_URL", proxy.url(&bench.store.url()));
    let running = Running::start(command);
    eventually("something is loaded", async || match bench.store.count("user_event_log").await {
        0 => Err("nothing"),
        _ => Ok(()),
    })
    .await;
    running.signal(libc::SIGTERM);
    let asked = Instant::now();
    assert_eq!(bench.store.count("capture_files").await, 0, "asked in the middle of the group");
    bench.files.add_plain(0..3, 4..5, 1000).await;
    let ended = running.end().await;
    let took = asked.elapsed().as_secs_f64();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(took < 25.0, "{took} s");
    assert_eq!(bench.store.count("capture_files").await, 12);
    assert_eq!(bench.store.count("user_event_log").await, 12_000);
    println!("a group of 12,000 records was finished {took:.1} s after the request to stop");
    bench.once(&[]).await;
    bench.assert_all(3, 5000).await;
    bench.passed().await;
}

#[tokio::test]
async fn a_store_that_is_silent_does_not_outlast_a_request_to_stop() {
    let bench = Bench::new().await;
    let proxy = Proxy::to(&bench.store.url()).await;
    let start = async |minute| {
        let mut command = bench.loader(&["--poll", "0.05", "--connections", "1", "--batch-rows", "5"]);
        command.env("DELTAWAVE_STORE_URL", proxy.url(&bench.store.url()));
        let running = Running::start(command);
        running.says("loading").await;
        let before = bench.store.count("user_event_log").await;
        bench.files.add_plain(0..2, minute..minute + 1, 5000).await;
        // In the middle of a group: with nothing in hand there is nothing to wait for.
        eventually("rows", async || match bench.store.count("user_event_log").await {
            rows if rows > before => Ok(()),
            rows => Err(rows),
        })
        .await;
        proxy.set(Manner::Stall);
        sleep(Duration::from_millis(300)).await;
        running.signal(libc::SIGTERM);
        sleep(Duration::from_millis(300)).await;
        running
    };
    let running = start(0).await;
    running.signal(libc::SIGTERM);
    let asked = Instant::now();
    let ended = running.end().await;
    assert_eq!((ended.code, ended.signal), (Some(130), None), "{}", ended.err);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());

    proxy.set(Manner::Pass);
    let running = start(1).await;
    let asked = Instant::now();
    let ended = running.end().await;
    let took = asked.elapsed().as_secs_f64();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!((20.0..25.0).contains(&took), "{took} s");
    assert!(ended.err.contains("left for the next loader"), "{}", ended.err);
    bench.once(&[]).await;
    bench.assert_all(2, 10_000).await;
    bench.passed().await;
}
