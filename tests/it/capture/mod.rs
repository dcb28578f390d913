//! The `capture` binary between a broker and a container: what it writes, where it goes on, what it survives.

pub mod bench;
mod compression;
mod kills;
mod position;
mod trouble;

use std::time::{Duration, Instant};

use apache_avro::types::Value;
use deltawave::azure::identity::IdentitySettings;
use deltawave::capture::{Hub, NameFormat, PartitionId, WindowLimits};
use deltawave::capturer::{self, PartitionProgress, Progress};
use deltawave::kafka::{KafkaSettings, Security};
use deltawave::settings::{CaptureSettings, EmptyWindows, FileCodec, Until};
use tokio_util::sync::CancellationToken;

pub use bench::broker;
use bench::{DEADLINE, FAST, Sent, TOPIC, capture, container, files, offsets, produce, text};

/// Produces so many events to partition 0 as the loader's tests count them.
pub fn produce_plain(bootstrap: &str, events: i64) {
    let bodies: Vec<_> =
        (0..events).map(|number| Sent { payload: crate::support::plain(0, number).body, ..Sent::default() }).collect();
    produce(bootstrap, TOPIC, 0, &bodies);
}

#[tokio::test]
async fn every_record_comes_out_as_it_went_in() {
    let (broker, container) = (broker(3), container().await);
    let mut sent = Vec::new();
    for partition in 0..3 {
        let mut records: Vec<Sent> = (0..200).map(|n| text(format!("{partition}:{n}"))).collect();
        for (n, record) in records.iter_mut().enumerate() {
            record.key = (n % 3 > 0).then(|| format!("key {n}").into_bytes());
        }
        records.push(Sent { key: Some(b"deleted".to_vec()), ..Sent::default() });
        records.push(Sent { key: Some(vec![0xff, 0]), payload: Some((0..=255).collect()), headers: Vec::new() });
        records.push(Sent { payload: Some(vec![partition as u8; 1_000_000]), ..Sent::default() });
        let headers = vec![
            ("a", Some(b"first".to_vec())),
            ("bin", Some(vec![0xff])),
            ("none", None),
            ("a", Some(b"last".to_vec())),
        ];
        records.push(Sent { headers, ..text("with headers") });
        records.push(Sent { payload: Some(Vec::new()), ..Sent::default() });
        produce(&broker.bootstrap_servers(), TOPIC, partition, &records);
        sent.push(records);
    }
    let before = time::OffsetDateTime::now_utc().unix_timestamp();
    capture(&broker.bootstrap_servers(), &container, &FAST).done().await;

    let files = files(&container, TOPIC, &NameFormat::default()).await;
    for (partition, sent) in sent.iter().enumerate() {
        let files = &files[&(partition as i32)];
        let events: Vec<_> = files.iter().flat_map(|file| file.events.clone()).collect();
        let expected: Vec<_> = sent.iter().enumerate().map(|(n, sent)| (n as i64, sent.payload.clone())).collect();
        assert!(events == expected, "partition {partition}: {} of {} records", events.len(), expected.len());
        let values: Vec<_> = files.iter().flat_map(bench::File::values).collect();
        for (n, (value, sent)) in values.iter().zip(sent).enumerate() {
            assert_eq!(value["SequenceNumber"], Value::Long(n as i64));
            assert_eq!(value["Offset"], Value::String(n.to_string()));
            let system = sent.key.clone().map(|key| match String::from_utf8(key) {
                Ok(text) => Value::Union(2, Box::new(Value::String(text))),
                Err(error) => Value::Union(3, Box::new(Value::Bytes(error.into_bytes()))),
            });
            let system = system.map(|key| ("x-opt-partition-key".to_owned(), key)).into_iter().collect();
            assert_eq!(value["SystemProperties"], Value::Map(system));
            let Value::String(enqueued) = &value["EnqueuedTimeUtc"] else { panic!("{value:?}") };
            let enqueued = deltawave::capture::EnqueuedTime::parse(enqueued).unwrap().utc().unix_timestamp();
            assert!((before - 60..=before).contains(&enqueued), "{enqueued} {before}");
        }
        let with_headers = &values[203]["Properties"];
        let union = |branch, value| Value::Union(branch, Box::new(value));
        let expected = [
            ("a", union(2, Value::String("last".to_owned()))),
            ("bin", union(3, Value::Bytes(vec![0xff]))),
            ("none", union(4, Value::Null)),
        ];
        assert_eq!(*with_headers, Value::Map(expected.map(|(name, value)| (name.to_owned(), value)).into()));
        assert_eq!(values[0]["Properties"], Value::Map(Default::default()));
    }
}

#[tokio::test]
async fn a_silent_window_gives_an_empty_file_unless_told_otherwise() {
    let broker = broker(1);
    let (with, without) = (container().await, container().await);
    let writing = capture(&broker.bootstrap_servers(), &with, &["--window", "1"]);
    let skipping = capture(&broker.bootstrap_servers(), &without, &["--window", "1", "--skip-empty"]);
    writing.says_times("captured a silent window", 2).await;
    produce(&broker.bootstrap_servers(), TOPIC, 0, &[text("one")]);
    for running in [&writing, &skipping] {
        running.says("records=1").await;
    }
    writing.says_times("captured a silent window", 4).await;
    for running in [writing, skipping] {
        running.signal(libc::SIGTERM);
        running.done().await;
    }
    let format = NameFormat::default();
    let (with, without) = (files(&with, TOPIC, &format).await, files(&without, TOPIC, &format).await);
    assert_eq!((offsets(&with, 0), offsets(&without, 0)), (vec![0], vec![0]));
    assert!(with[&0].len() >= 5, "{} files", with[&0].len());
    assert_eq!(without[&0].len(), 1);
}

#[tokio::test]
async fn a_restart_looks_past_empty_files_and_writes_nothing_twice() {
    let (broker, container) = (broker(1), container().await);
    let bootstrap = broker.bootstrap_servers();
    for codec in ["null", "deflate", "null"] {
        produce(&bootstrap, TOPIC, 0, &[text("a"), text("b")]);
        let running = capture(&bootstrap, &container, &["--window", "1", "--codec", codec]);
        running.says("records=2").await;
        running.says_times("captured a silent window", 2).await;
        running.signal(libc::SIGTERM);
        running.done().await;
    }
    capture(&bootstrap, &container, &FAST).done().await;
    let files = files(&container, TOPIC, &NameFormat::default()).await;
    assert_eq!(offsets(&files, 0), (0..6).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_size_limit_splits_and_deflate_packs() {
    let broker = broker(1);
    let (plain, packed, whole) = (container().await, container().await, container().await);
    let records: Vec<Sent> = (0..400).map(|n| text(format!("{n:1000}"))).collect();
    produce(&broker.bootstrap_servers(), TOPIC, 0, &records);
    let small = [&FAST[..], &["--size", "65536"]].concat();
    capture(&broker.bootstrap_servers(), &plain, &small).done().await;
    capture(&broker.bootstrap_servers(), &packed, &[&small[..], &["--codec", "deflate"]].concat()).done().await;
    capture(&broker.bootstrap_servers(), &whole, &FAST).done().await;

    let format = NameFormat::default();
    let expected: Vec<i64> = (0..400).collect();
    let (plain, packed) = (files(&plain, TOPIC, &format).await, files(&packed, TOPIC, &format).await);
    assert_eq!(offsets(&plain, 0), expected);
    assert!((5..=8).contains(&plain[&0].len()), "{} files", plain[&0].len());
    for file in plain[&0].iter().rev().skip(1) {
        assert!((65_536..100_000).contains(&file.content.len()), "{} has {} bytes", file.name, file.content.len());
    }
    assert_eq!(offsets(&packed, 0), expected);
    assert_eq!(packed[&0].len(), 1);
    assert!(packed[&0][0].content.len() < 65_536);
    assert!(packed[&0][0].content[..1000].windows(7).any(|bytes| bytes == b"deflate"));
    assert_eq!(files(&whole, TOPIC, &format).await[&0].len(), 1);
}

#[tokio::test]
async fn a_file_larger_than_a_piece_is_sent_ahead_and_appears_whole() {
    let (broker, container) = (broker(1), container().await);
    let (bootstrap, mut sent) = (broker.bootstrap_servers(), 0);
    let running = capture(&bootstrap, &container, &["--window", "900"]);
    running.says("capturing").await;
    // Less at a time than the mock broker holds, which is 5 MiB.
    for _ in 0..6 {
        let records: Vec<Sent> = (0..3).map(|n| Sent { payload: Some(vec![n; 900_000]), ..Sent::default() }).collect();
        produce(&bootstrap, TOPIC, 0, &records);
        sent += 3;
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    }
    assert!(files(&container, TOPIC, &NameFormat::default()).await.is_empty());
    running.signal(libc::SIGTERM);
    running.done().await;
    let files = files(&container, TOPIC, &NameFormat::default()).await;
    assert_eq!(offsets(&files, 0), (0..sent).collect::<Vec<_>>());
    assert_eq!(files[&0].len(), 1);
    capture(&bootstrap, &container, &FAST).done().await;
}

#[tokio::test]
async fn a_name_format_without_a_partition_prefix_works_over_restarts() {
    let (broker, container) = (broker(2), container().await);
    let bootstrap = broker.bootstrap_servers();
    let format = "{Namespace}-{EventHub}/{Day}.{Month}.{Year}/{Hour}_{Minute}_{Second}_p{PartitionId}";
    let flags = [&FAST[..], &["--name-format", format]].concat();
    for _ in 0..3 {
        for partition in 0..2 {
            produce(&bootstrap, TOPIC, partition, &[text("x"), text("y")]);
        }
        capture(&bootstrap, &container, &flags).done().await;
    }
    let files = files(&container, TOPIC, &format.parse().unwrap()).await;
    for partition in 0..2 {
        assert_eq!(offsets(&files, partition), (0..6).collect::<Vec<_>>());
        assert_eq!(files[&partition].len(), 3);
    }
}

#[tokio::test]
async fn a_run_inside_another_program_is_counted_and_stopped() {
    let (broker, container) = (broker(1), container().await);
    produce(&broker.bootstrap_servers(), TOPIC, 0, &[text("a"), text("b"), text("c")]);
    let hub = Hub::new("local", TOPIC).unwrap();
    let settings = CaptureSettings {
        identity: IdentitySettings::default(),
        kafka: KafkaSettings { broker: broker.bootstrap_servers().parse().unwrap(), security: Security::Plaintext },
        hubs: vec![hub.clone()],
        blob: container.address().clone(),
        blob_sas: None,
        name_format: NameFormat::default(),
        limits: WindowLimits { interval: Duration::from_secs(900), size: 300 << 20 },
        empty_windows: EmptyWindows::Write,
        codec: FileCodec::Null,
        give_up: DEADLINE,
        http: None,
        until: Until::Stopped,
    };
    let (shutdown, progress) = (CancellationToken::new(), Progress::shared());
    let running = tokio::spawn(capturer::run(settings, shutdown.clone(), progress.clone()));
    let started = Instant::now();
    while progress.read() < 3 {
        assert!(started.elapsed() < DEADLINE, "{progress:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let partition = (hub, PartitionId(0));
    assert_eq!(progress.captured(), 0);
    let before = progress.partitions()[&partition];
    assert_eq!(before, PartitionProgress { captured_to: 0, read_to: 3, end: 3 });
    assert_eq!(before.lag(), 3);
    shutdown.cancel();
    tokio::time::timeout(DEADLINE, running).await.unwrap().unwrap().unwrap();
    assert_eq!((progress.captured(), progress.files()), (3, 1));
    assert_eq!(progress.partitions()[&partition].lag(), 0);
    let files = files(&container, TOPIC, &NameFormat::default()).await;
    assert_eq!(progress.bytes(), files[&0][0].content.len() as u64);
}
