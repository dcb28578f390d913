//! Brokers and containers that are away, at the start and meanwhile.

use std::time::{Duration, Instant};

use deltawave::capture::NameFormat;
use deltawave::offline::{Azurite, Parts, Persistence, Scratch};

use super::bench::{FAST, TOPIC, broker, capture, container, files, offsets, open, produce, text};
use crate::support::quiet;

/// An address at which nothing listens.
const NOWHERE: &str = "127.0.0.1:9";

#[tokio::test]
async fn a_container_that_goes_away_is_waited_for() {
    let scratch = Scratch::new().unwrap();
    let mut azurite = Azurite::start(&Parts::locate(), scratch.path(), Persistence::Directory, &quiet).await.unwrap();
    let container = open(&format!("{}/capture", azurite.blob_endpoint()));
    let broker = broker(2);
    let bootstrap = broker.bootstrap_servers();
    let running = capture(&bootstrap, &container, &["--window", "1", "--skip-empty"]);
    for partition in 0..2 {
        produce(&bootstrap, TOPIC, partition, &[text("before")]);
    }
    running.says_times("records=1", 2).await;
    // Not killed: Azurite would forget the container, which it writes down a few seconds later.
    azurite.service.stop().await.unwrap();
    for n in 0..20 {
        for partition in 0..2 {
            produce(&bootstrap, TOPIC, partition, &[text(n)]);
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    running.says("is away").await;
    azurite.service.restart().await.unwrap();
    running.says("is back").await;
    running.signal(libc::SIGTERM);
    let log = running.done().await;
    assert_eq!(log.matches("is away").count(), 1, "{log}");
    capture(&bootstrap, &container, &FAST).done().await;
    let files = files(&container, TOPIC, &NameFormat::default()).await;
    for partition in 0..2 {
        assert_eq!(offsets(&files, partition), (0..21).collect::<Vec<_>>(), "{log}");
    }
}

#[tokio::test]
async fn a_broker_that_goes_away_is_waited_for() {
    let (broker, container) = (broker(1), container().await);
    let bootstrap = broker.bootstrap_servers();
    let running = capture(&bootstrap, &container, &["--window", "1", "--skip-empty"]);
    produce(&bootstrap, TOPIC, 0, &[text("a")]);
    running.says("records=1").await;
    broker.broker_down(1).unwrap();
    running.says("is away").await;
    broker.broker_up(1).unwrap();
    running.says("is back").await;
    produce(&bootstrap, TOPIC, 0, &[text("b")]);
    running.says_times("records=1", 2).await;
    running.signal(libc::SIGTERM);
    running.done().await;
    assert_eq!(offsets(&files(&container, TOPIC, &NameFormat::default()).await, 0), [0, 1]);
}

#[tokio::test]
async fn who_is_not_there_at_the_start_is_named() {
    let (broker, container) = (broker(1), container().await);
    let nowhere = open(&format!("http://{NOWHERE}/devstoreaccount1/capture"));
    let bootstrap = broker.bootstrap_servers();
    let started = Instant::now();
    let cases = [
        (capture(NOWHERE, &container, &["--give-up", "2"]), NOWHERE),
        (capture(&bootstrap, &nowhere, &["--give-up", "2"]), NOWHERE),
        (capture(&bootstrap, &container, &["--give-up", "2", "--topic", "absent"]), "topic absent does not exist"),
    ];
    for (running, named) in cases {
        let (code, log) = running.end().await;
        assert_eq!(code, Some(1), "{log}");
        let error = log.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{log}"));
        assert!(error.contains(named), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}
