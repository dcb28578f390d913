//! `loader --live` beside a Kafka broker and a `capture`: rows before their file, once after it, and none where the key is
//! not the file's.

mod endpoint;
mod formats;
mod kills;
mod level;

use std::time::Duration;

use deltawave::azure::blob::Container;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _};
use serde_json::Value;
use time::OffsetDateTime;

use crate::capture::bench::{FAST, TOPIC, broker, capture, producer};
use crate::loader::Bench;
use crate::loader_health::assert_live_documented;
use crate::support::{Http, Running, eventually, plain, program, run};

const PARTITIONS: i32 = 2;
const DEADLINE: Duration = Duration::from_secs(60);

/// A broker, the files that are made of it, a store, and a loader between them.
struct Pipe {
    bench: Bench,
    broker: MockCluster<'static, DefaultProducerContext>,
    bootstrap: String,
}

impl Pipe {
    async fn new() -> Pipe {
        let broker = broker(PARTITIONS);
        let bootstrap = broker.bootstrap_servers();
        Pipe { bench: Bench::new().await, bootstrap, broker }
    }

    /// Sends plain events of these numbers to every partition, taken so long ago by the broker's clock.
    fn send(&self, numbers: std::ops::Range<i64>, ago: Duration) {
        let at = (OffsetDateTime::now_utc() - ago).unix_timestamp() * 1000 + 250;
        let of_all = |number| (0..PARTITIONS).map(move |partition| (partition, plain(partition, number).body.unwrap()));
        self.send_bodies(numbers.flat_map(of_all), at);
    }

    /// Sends these to their partitions, taken at that time by the broker's clock, in milliseconds.
    fn send_bodies(&self, bodies: impl IntoIterator<Item = (i32, Vec<u8>)>, at: i64) {
        let producer = producer(&self.bootstrap);
        for (partition, body) in bodies {
            let record = BaseRecord::<(), Vec<u8>>::to(TOPIC).partition(partition).payload(&body).timestamp(at);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(DEADLINE).unwrap();
    }

    /// Makes files of what no file has.
    async fn capture(&self) {
        let container: &Container = &self.bench.files.container;
        capture(&self.bootstrap, container, &FAST).done().await;
    }

    fn start(&self, flags: &[&str]) -> Running {
        let always = ["--live", "--broker", &self.bootstrap, "--poll", "0.05", "--http", "127.0.0.1:0"];
        self.bench.start(&[&always[..], flags].concat())
    }

    async fn rows(&self, wanted: i64) {
        self.bench.until("SELECT count(*) FROM user_event_log", wanted).await;
    }

    async fn noted(&self, files: i64) {
        self.bench.until("SELECT count(*) FROM capture_files WHERE records > 0", files).await;
    }
}

/// A metric's value, summed over its labels.
pub async fn metric(http: &Http, name: &str) -> f64 {
    metric_of(http, name, "").await
}

/// The same of samples with this label.
pub async fn metric_of(http: &Http, name: &str, label: &str) -> f64 {
    let (_, _, text) = http.get("/metrics").await;
    let named = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let samples = text.lines().filter(named).filter(|line| line.contains(label));
    samples.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

/// Waits until each partition's lane is in that state, and gives what is said of them.
async fn lanes(http: &Http, state: &str) -> Vec<Value> {
    lanes_of(http, state, PARTITIONS as usize).await
}

/// The same of so many partitions.
pub async fn lanes_of(http: &Http, state: &str, partitions: usize) -> Vec<Value> {
    let wanted = partitions;
    eventually(state, async || {
        let (_, answer) = http.ready().await;
        let partitions = answer["live"][0]["partitions"].as_array().cloned().unwrap_or_default();
        let all = partitions.len() == wanted && partitions.iter().all(|lane| lane["state"] == state);
        if all { Ok(partitions) } else { Err(answer["live"].to_string()) }
    })
    .await
}

async fn ends(running: Running) -> String {
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ended.err
}

/// What `deltawave verify` says, and how it ends.
async fn verify(pipe: &Pipe, code: i32, flags: &[&str]) -> Value {
    let always = ["verify", "--json", "--broker", &pipe.bootstrap];
    let mut command = program(env!("CARGO_BIN_EXE_deltawave"), &[&always[..], flags].concat());
    command.env("DELTAWAVE_STORE_URL", pipe.bench.store.url()).env("DELTAWAVE_BLOB", pipe.bench.files.url());
    let ended = run(command).await;
    assert_eq!(ended.code, Some(code), "{}{}", ended.out, ended.err);
    serde_json::from_str(&ended.out).unwrap()
}

const NOW: Duration = Duration::ZERO;

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_rows_are_there_before_their_file_which_needs_no_writing() {
    let pipe = Pipe::new().await;
    pipe.send(0..50, NOW);
    pipe.capture().await;
    let running = pipe.start(&[]);
    let http = Http::of(&running).await;
    pipe.rows(100).await;
    lanes(&http, "reading").await;
    pipe.send(50..80, NOW);
    pipe.rows(160).await;
    assert_eq!(pipe.bench.store.count("capture_files").await, 2, "no file has them");
    let report = verify(&pipe, 0, &[]).await;
    for partition in report["partitions"].as_array().unwrap() {
        let ahead = &partition["ahead"];
        assert_eq!([&partition["rows"], &ahead["rows"], &ahead["first"], &ahead["last"]], [50, 30, 50, 79], "{report}");
        assert_eq!(partition["lag"], 30, "{report}");
    }
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report}");
    let late = eventually("no file for long", async || {
        let report = verify(&pipe, 1, &["--live-unproven", "0", "--settle", "0"]).await;
        if report["findings"].as_array().unwrap().len() == 2 { Ok(report) } else { Err(report.to_string()) }
    })
    .await;
    assert!(late["findings"][0]["text"].as_str().unwrap().contains("30 rows came live"), "{late}");
    eventually("unproven", async || {
        let (_, answer) = http.ready().await;
        let partitions = answer["live"][0]["partitions"].as_array().cloned().unwrap_or_default();
        let all = partitions.iter().all(|lane| lane["unproven_seconds"].is_u64());
        if all { Ok(()) } else { Err(answer["live"].to_string()) }
    })
    .await;
    pipe.capture().await;
    pipe.noted(4).await;
    assert_eq!(metric(&http, "deltawave_loader_rows_already_there_total").await, 60.0);
    assert_eq!(metric(&http, "deltawave_loader_files_already_there_total").await, 2.0);
    eventually("proven", async || {
        let (_, answer) = http.ready().await;
        let partitions = answer["live"][0]["partitions"].as_array().cloned().unwrap_or_default();
        let all = partitions.iter().all(|lane| lane["unproven_seconds"].is_null());
        if all { Ok(()) } else { Err(answer["live"].to_string()) }
    })
    .await;
    pipe.send(80..90, NOW);
    pipe.rows(180).await;
    let fresh = metric(&http, "deltawave_loader_live_freshness_seconds_count").await;
    assert!(fresh >= 1.0, "{fresh}");
    assert_live_documented(&http.get("/metrics").await.2);
    let said = ends(running).await;
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    pipe.bench.assert_all(PARTITIONS, 90).await;
    pipe.capture().await;
    pipe.bench.once(&[]).await;
    pipe.bench.assert_all(PARTITIONS, 90).await;
    pipe.bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_gives_another_time_leaves_the_lane_shut_and_doubles_nothing() {
    let pipe = Pipe::new().await;
    // The same bodies and numbers, of months ago.
    pipe.bench.files.add_plain(0..PARTITIONS, 0..1, 50).await;
    pipe.send(0..80, NOW);
    let running = pipe.start(&[]);
    let http = Http::of(&running).await;
    pipe.rows(100).await;
    let shut = lanes(&http, "shut").await;
    let reason = shut[0]["reason"].as_str().unwrap();
    assert!(reason.contains("was taken at 2026-01-02 03:04:05 by its file and at"), "{reason}");
    assert_eq!(metric(&http, "deltawave_loader_live_shut").await, 2.0);
    // The next file proves nothing better.
    pipe.bench.files.add_plain(0..PARTITIONS, 1..2, 50).await;
    pipe.send(80..110, NOW);
    pipe.rows(200).await;
    lanes(&http, "shut").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(http.ready().await.0, "files are loaded all the same");
    let said = ends(running).await;
    assert_eq!(said.matches("the live lane stays shut").count(), 2, "once a partition: {said}");
    pipe.bench.assert_all(PARTITIONS, 100).await;
    pipe.bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_waits_for_the_first_file_unless_it_need_not() {
    let pipe = Pipe::new().await;
    pipe.send(0..10, NOW);
    let running = pipe.start(&[]);
    let http = Http::of(&running).await;
    lanes(&http, "waiting for the first file").await;
    pipe.send(10..20, NOW);
    pipe.capture().await;
    pipe.rows(40).await;
    lanes(&http, "reading").await;
    pipe.send(20..25, NOW);
    pipe.rows(50).await;
    ends(running).await;

    let other = Pipe::new().await;
    other.send(0..10, NOW);
    let running = other.start(&["--live-from-start", "--live-unproven", "0.1"]);
    let http = Http::of(&running).await;
    lanes(&http, "reading").await;
    // From the end on: what was before is left to the files.
    other.send(10..15, NOW);
    other.rows(10).await;
    running.says("no Capture file has given live rows").await;
    let late = |lanes: Vec<Value>| lanes.iter().filter(|lane| lane["unproven_is_late"] == true).count();
    assert_eq!(late(lanes(&http, "reading").await), PARTITIONS as usize);
    other.capture().await;
    other.noted(2).await;
    other.bench.assert_all(PARTITIONS, 15).await;
    eventually("proven", async || match late(lanes(&http, "reading").await) {
        0 => Ok(()),
        late => Err(late),
    })
    .await;
    ends(running).await;
    pipe.bench.passed().await;
    other.bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_left_to_the_files() {
    let pipe = Pipe::new().await;
    pipe.send(0..10, Duration::from_secs(600));
    pipe.capture().await;
    pipe.send(10..500, Duration::from_secs(500));
    let running = pipe.start(&[]);
    let http = Http::of(&running).await;
    pipe.rows(20).await;
    eventually("jumps", async || match metric(&http, "deltawave_loader_live_jumps_total").await {
        2.0 => Ok(()),
        jumps => Err(jumps),
    })
    .await;
    pipe.send(500..510, NOW);
    pipe.rows(40).await;
    let skipped = "SELECT count(*) FROM user_event_log WHERE sequence_number BETWEEN 10 AND 499";
    assert_eq!(pipe.bench.store.number(skipped).await, 0);
    pipe.capture().await;
    pipe.noted(4).await;
    pipe.bench.assert_all(PARTITIONS, 510).await;
    ends(running).await;
    pipe.bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_left_to_its_file() {
    let pipe = Pipe::new().await;
    pipe.send(0..1, NOW);
    pipe.capture().await;
    let running = pipe.start(&[]);
    let http = Http::of(&running).await;
    lanes(&http, "reading").await;
    let body = |number: i64| match number % 5 {
        0 => b"no JSON".to_vec(),
        _ => plain(0, number).body.unwrap(),
    };
    let now = OffsetDateTime::now_utc().unix_timestamp() * 1000;
    pipe.send_bodies((1..21).map(|number| (0, body(number))), now);
    pipe.rows(2 + 16).await;
    assert_eq!(pipe.bench.store.count("rejected_events").await, 0);
    assert_eq!(metric(&http, "deltawave_loader_live_events_total").await, 20.0);
    pipe.capture().await;
    pipe.noted(3).await;
    assert_eq!(pipe.bench.store.count("rejected_events").await, 4);
    assert_eq!(pipe.bench.store.count("user_event_log").await, 18);
    assert_eq!(metric(&http, "deltawave_loader_rows_already_there_total").await, 16.0);
    ends(running).await;
    pipe.bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_stops_no_file_and_comes_back() {
    let pipe = Pipe::new().await;
    pipe.send(0..10, NOW);
    pipe.capture().await;
    let running = pipe.start(&["--reconcile", "1"]);
    let http = Http::of(&running).await;
    lanes(&http, "reading").await;
    pipe.broker.broker_down(1).unwrap();
    // Beside the hub's own, which are of months ago and so never the newest.
    pipe.bench.files.add_plain(0..PARTITIONS, 5..6, 100).await;
    pipe.rows(20 + 200).await;
    assert!(http.ready().await.0);
    pipe.broker.broker_up(1).unwrap();
    pipe.send(10..20, NOW);
    pipe.rows(40 + 200).await;
    ends(running).await;
    pipe.bench.passed().await;
}
