//! A capture that is killed, stopped and doubled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use deltawave::capture::NameFormat;
use rdkafka::producer::Producer as _;

use super::bench::{DEADLINE, FAST, TOPIC, broker, capture, container, files, offsets, produce, producer, send, text};

const KILLS: usize = 24;
const PARTITIONS: i32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_moment_neither_lose_nor_double_a_record() {
    let (broker, container) = (broker(PARTITIONS), container().await);
    let bootstrap = broker.bootstrap_servers();
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::task::spawn_blocking({
        let (bootstrap, stop) = (bootstrap.clone(), Arc::clone(&stop));
        move || {
            let producer = producer(&bootstrap);
            let mut sent = [0_i64; PARTITIONS as usize];
            while !stop.load(Ordering::Relaxed) {
                for partition in 0..PARTITIONS {
                    for _ in 0..12 {
                        send(&producer, TOPIC, partition, &text(sent[partition as usize]));
                        sent[partition as usize] += 1;
                    }
                }
                producer.poll(Duration::from_millis(5));
            }
            producer.flush(DEADLINE).unwrap();
            sent
        }
    });
    // Files are closed by size within a fraction of a second, so that kills hit every step of writing one.
    let flags = ["--window", "1", "--size", "65536"];
    let mut with_files = 0;
    for kill in 0..KILLS {
        let running = capture(&bootstrap, &container, &flags);
        // Every other one while it starts, or at any moment after that; the rest surely between and within files.
        let (reached, then) = if kill % 2 == 0 { ("capturing", 0..1500) } else { ("captured", 0..300) };
        running.says(reached).await;
        tokio::time::sleep(Duration::from_millis(rand::random_range(then))).await;
        running.signal(libc::SIGKILL);
        let (code, log) = running.end().await;
        assert_eq!(code, None, "{log}");
        assert!(!log.contains("ERROR") && !log.contains("made anew"), "{log}");
        with_files += usize::from(log.contains("captured"));
    }
    stop.store(true, Ordering::Relaxed);
    let sent = load.await.unwrap();
    capture(&bootstrap, &container, &FAST).done().await;

    let files = files(&container, TOPIC, &NameFormat::default()).await;
    for (partition, sent) in (0..).zip(sent) {
        assert_eq!(offsets(&files, partition), (0..sent).collect::<Vec<_>>(), "partition {partition}");
        for (offset, body) in files[&partition].iter().flat_map(|file| &file.events) {
            assert_eq!(*body, text(offset).payload);
        }
    }
    let written: usize = files.values().map(Vec::len).sum();
    println!(
        "{KILLS} kills, {with_files} of them after files; {} records in {written} files",
        sent.iter().sum::<i64>()
    );
}

#[tokio::test]
async fn sigterm_writes_the_open_windows() {
    let (broker, container) = (broker(2), container().await);
    for partition in 0..2 {
        produce(&broker.bootstrap_servers(), TOPIC, partition, &[text("a"), text("b")]);
    }
    let running = capture(&broker.bootstrap_servers(), &container, &["--window", "900"]);
    running.says("capturing").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let asked = Instant::now();
    running.signal(libc::SIGTERM);
    let log = running.done().await;
    assert!(asked.elapsed() < Duration::from_secs(20), "{log}");
    let files = files(&container, TOPIC, &NameFormat::default()).await;
    for partition in 0..2 {
        assert_eq!(offsets(&files, partition), [0, 1], "{log}");
    }
}

#[tokio::test]
async fn a_file_that_a_dead_run_left_on_its_way_is_not_written_again() {
    let (broker, container) = (broker(1), container().await);
    let bootstrap = broker.bootstrap_servers();
    produce(&bootstrap, TOPIC, 0, &[text("a"), text("b")]);
    let running = capture(&bootstrap, &container, &["--window", "4", "--skip-empty"]);
    running.says("capturing").await;
    // Stands for the last request of a killed run, which the service finishes after the next run has looked.
    capture(&bootstrap, &container, &FAST).done().await;
    running.says("arrived late").await;
    produce(&bootstrap, TOPIC, 0, &[text("c")]);
    running.says("records=1 first=2").await;
    running.signal(libc::SIGTERM);
    running.done().await;
    assert_eq!(offsets(&files(&container, TOPIC, &NameFormat::default()).await, 0), [0, 1, 2]);
}

#[tokio::test]
async fn a_second_capture_of_a_topic_is_told() {
    let (broker, container) = (broker(1), container().await);
    let bootstrap = broker.bootstrap_servers();
    let mut both = [0, 1].map(|_| capture(&bootstrap, &container, &["--window", "1"]));
    let started = Instant::now();
    while !both.iter_mut().any(|running| running.has_ended()) {
        assert!(started.elapsed() < DEADLINE, "{}\n{}", both[0].log(), both[1].log());
        produce(&bootstrap, TOPIC, 0, &[text("x")]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let [first, second] = both;
    let mut told = false;
    for mut running in [first, second] {
        if running.has_ended() {
            let (code, log) = running.end().await;
            assert_eq!(code, Some(1), "{log}");
            told |= log.contains("only one may run per topic") && log.contains("local/user-events/0/");
        }
    }
    assert!(told);
}
