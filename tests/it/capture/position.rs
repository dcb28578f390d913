//! Where a capture goes on: topics made anew, records deleted by retention, new partitions.

use std::time::Duration;

use deltawave::capture::NameFormat;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use super::bench::{FAST, Sent, TOPIC, broker, capture, container, files, number, offsets, produce, text};
use crate::support::{self, unique};

fn large(records: usize) -> Vec<Sent> {
    vec![Sent { payload: Some(vec![7; 900_000]), ..Sent::default() }; records]
}

#[tokio::test]
async fn a_topic_made_anew_is_captured_from_its_start() {
    for second_life in [2, 5, 8] {
        let container = container().await;
        let (old, new) = (broker(1), broker(1));
        let records = |word: &str, count| (0..count).map(|n| text(format!("{word} {n}"))).collect::<Vec<_>>();
        produce(&old.bootstrap_servers(), TOPIC, 0, &records("old", 5));
        produce(&new.bootstrap_servers(), TOPIC, 0, &records("new", second_life));
        capture(&old.bootstrap_servers(), &container, &FAST).done().await;
        let log = capture(&new.bootstrap_servers(), &container, &FAST).done().await;
        assert!(log.contains("made anew"), "{log}");
        let log = capture(&new.bootstrap_servers(), &container, &FAST).done().await;
        assert!(!log.contains("made anew"), "{log}");
        let files = files(&container, TOPIC, &NameFormat::default()).await;
        assert_eq!(offsets(&files, 0), (0..5).chain(0..second_life).collect::<Vec<_>>(), "{log}");
    }
}

#[tokio::test]
async fn what_retention_deleted_before_a_restart_is_told() {
    let (broker, container) = (broker(1), container().await);
    let bootstrap = broker.bootstrap_servers();
    produce(&bootstrap, TOPIC, 0, &[text("a"), text("b")]);
    capture(&bootstrap, &container, &FAST).done().await;
    produce(&bootstrap, TOPIC, 0, &large(12));
    let log = capture(&bootstrap, &container, &FAST).done().await;
    assert!(log.contains("ERROR"), "{log}");
    assert_eq!(number(&log, "first_missing="), 2, "{log}");
    let missed = number(&log, "last_missing=");
    assert!((2..13).contains(&missed), "{log}");
    let files = files(&container, TOPIC, &NameFormat::default()).await;
    assert_eq!(offsets(&files, 0), (0..2).chain(missed + 1..14).collect::<Vec<_>>());
    let log = capture(&bootstrap, &container, &FAST).done().await;
    assert!(!log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn what_retention_deletes_meanwhile_is_told() {
    let (broker, container) = (broker(1), container().await);
    let bootstrap = broker.bootstrap_servers();
    let running = capture(&bootstrap, &container, &["--window", "1", "--skip-empty"]);
    produce(&bootstrap, TOPIC, 0, &[text("a"), text("b")]);
    running.says("records=2").await;
    running.signal(libc::SIGSTOP);
    produce(&bootstrap, TOPIC, 0, &large(40));
    running.signal(libc::SIGCONT);
    running.says("ERROR").await;
    produce(&bootstrap, TOPIC, 0, &[text("z")]);
    running.says("last=42").await;
    running.signal(libc::SIGTERM);
    let log = running.done().await;
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    let (first, last) = (number(&log, "first_missing="), number(&log, "last_missing="));
    let files = files(&container, TOPIC, &NameFormat::default()).await;
    assert_eq!(offsets(&files, 0), (0..first).chain(last + 1..43).collect::<Vec<_>>(), "{log}");
}

#[tokio::test]
async fn partitions_that_appear_later_are_captured() {
    let (kafka, container) = (support::kafka().await, container().await);
    let (bootstrap, topic) = (kafka.bootstrap(), unique("growing"));
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &bootstrap).create().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
    let running = capture(&bootstrap, &container, &["--topic", &topic, "--window", "1", "--skip-empty"]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The topic itself comes late, too.
    let made = admin.create_topics([&NewTopic::new(&topic, 1, TopicReplication::Fixed(1))], &options).await.unwrap();
    assert!(made[0].is_ok(), "{made:?}");
    running.says("capturing").await;
    produce(&bootstrap, &topic, 0, &[text("a")]);
    running.says("records=1").await;
    let grown = admin.create_partitions([&NewPartitions::new(&topic, 3)], &options).await.unwrap();
    assert!(grown[0].is_ok(), "{grown:?}");
    produce(&bootstrap, &topic, 2, &[text("b"), text("c")]);
    running.says("records=2").await;
    running.signal(libc::SIGTERM);
    running.done().await;
    let files = files(&container, &topic, &NameFormat::default()).await;
    assert_eq!((offsets(&files, 0), offsets(&files, 2)), (vec![0], vec![0, 1]));
}
