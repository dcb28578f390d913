//! The `producer` binary against a mock cluster: what arrives is read back by a consumer of our own.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::num::NonZero;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deltawave::azure::identity::IdentitySettings;
use deltawave::kafka::{KafkaSettings, Security};
use deltawave::producer::{self, Acknowledged, Event};
use deltawave::settings::{EventFormat, EventSource, OrderSource, ProducerSettings, Rate, Transport};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long anything may take before the test fails.
const DEADLINE: Duration = Duration::from_secs(60);
const TOPIC: &str = "user-events";
const PARTITIONS: i32 = 3;

/// A cluster and a state directory of the test's own.
struct Bench {
    cluster: MockCluster<'static, DefaultProducerContext>,
    state: tempfile::TempDir,
}

#[derive(Debug)]
struct Record {
    partition: i32,
    key: String,
    payload: String,
}

impl Record {
    fn field(&self, name: &str) -> Value {
        serde_json::from_str::<Value>(&self.payload).unwrap()[name].clone()
    }

    fn order(&self) -> i64 {
        self.field("event_order").as_i64().unwrap()
    }
}

impl Bench {
    fn new() -> Bench {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, PARTITIONS, 1).unwrap();
        Bench { cluster, state: tempfile::tempdir().unwrap() }
    }

    fn producer(&self, flags: &[&str]) -> Command {
        let mut command = command(&self.cluster.bootstrap_servers(), flags);
        command.env("XDG_STATE_HOME", self.state.path());
        command
    }

    /// Everything in the topic, partition by partition.
    fn records(&self) -> Vec<Record> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("group.id", "reader")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            assignment.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let (mut records, mut ended) = (Vec::new(), HashSet::new());
        let started = Instant::now();
        while ended.len() < PARTITIONS as usize {
            assert!(started.elapsed() < DEADLINE, "only {ended:?} of {PARTITIONS} partitions could be read");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => records.push(Record {
                    partition: message.partition(),
                    key: String::from_utf8(message.key().unwrap().to_vec()).unwrap(),
                    payload: String::from_utf8(message.payload().unwrap().to_vec()).unwrap(),
                }),
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(partition))) => {
                    ended.insert(partition);
                }
                Some(Err(error)) => panic!("{error}"),
                None => {}
            }
        }
        records.sort_by_key(|record| record.partition);
        records
    }
}

fn command(broker: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_producer"));
    command.args(["--broker", broker]).args(flags);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A producer under way. Every wait for it has a deadline, and it does not outlive its test.
struct Running {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

/// How a producer ended and what it printed, the lines taken before left out.
struct Ended {
    code: Option<i32>,
    out: Vec<String>,
    err: String,
}

impl Ended {
    fn summary(&self) -> &str {
        self.out.last().map_or("", String::as_str)
    }
}

impl Running {
    fn start(mut command: Command) -> Running {
        let mut child = command.spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let err = lines(child.stderr.take().unwrap());
        Running { child, out, err }
    }

    fn line(&mut self) -> String {
        self.out.recv_timeout(DEADLINE).expect("a line on standard output")
    }

    fn interrupt(&self) {
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, libc::SIGINT) }, 0);
    }

    fn end(mut self) -> Ended {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < DEADLINE, "the producer did not end within {DEADLINE:?}");
            std::thread::sleep(Duration::from_millis(10));
        };
        Ended {
            code: status.code(),
            out: self.out.iter().collect(),
            err: self.err.iter().collect::<Vec<_>>().join("\n"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn run(command: Command) -> Ended {
    Running::start(command).end()
}

/// The orders of each key in the order of arrival must grow, and no order may occur twice.
fn assert_ordered(records: &[Record]) {
    let mut by_key: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        by_key.entry(&record.key).or_default().push(record);
    }
    for (key, records) in by_key {
        assert!(records.iter().all(|record| record.partition == records[0].partition), "key {key} in two partitions");
        assert!(records.is_sorted_by_key(|record| record.order()), "key {key} out of order");
    }
    let distinct: HashSet<_> = records.iter().map(Record::order).collect();
    assert_eq!(distinct.len(), records.len(), "an event_order occurs twice");
}

#[test]
fn all_events_arrive_once_and_in_order_across_a_restart() {
    let bench = Bench::new();
    let flags = ["--rate", "max", "--events", "200", "--users", "7"];
    let ended = run(bench.producer(&flags));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.summary().starts_with("200 events sent, 200 acknowledged, 0 failed in "), "{}", ended.summary());
    assert_eq!(ended.out.len(), 201, "one line per event and the summary");
    let first = bench.records();
    assert_eq!(first.len(), 200);
    assert_ordered(&first);
    for record in &first {
        assert_eq!(record.key, record.field("id").to_string());
        assert_eq!(record.field("name").is_null(), record.field("op") == "delete");
        assert_eq!(record.field("ts").as_str().unwrap().len(), "2026-11-23T07:00:00".len());
    }

    // A clock that went back: the last number lies in the future.
    let highest = first.iter().map(Record::order).max().unwrap() + 3_600_000_000;
    std::fs::write(bench.state.path().join("deltawave/event-order"), format!("{highest:019}\n")).unwrap();
    assert_eq!(run(bench.producer(&flags)).code, Some(0));
    let all = bench.records();
    assert_eq!(all.len(), 400);
    assert_ordered(&all);
    let mut later: Vec<_> = all.iter().map(Record::order).filter(|order| *order > highest).collect();
    later.sort_unstable();
    assert_eq!(later, (highest + 1..=highest + 200).collect::<Vec<_>>());
}

#[test]
fn two_producers_at_once_never_give_one_number_twice() {
    let bench = Bench::new();
    let start = || Running::start(bench.producer(&["--rate", "max", "--events", "3000", "--quiet"]));
    for running in [start(), start()] {
        let ended = running.end();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
    let records = bench.records();
    assert_eq!(records.len(), 6000);
    let distinct: HashSet<_> = records.iter().map(Record::order).collect();
    assert_eq!(distinct.len(), 6000, "an event_order occurs twice");
}

#[test]
fn a_seed_repeats_the_events_and_order_start_counts() {
    let contents = || {
        let bench = Bench::new();
        let flags = ["--rate", "max", "--events", "50", "--seed", "42", "--order-start", "1", "--quiet"];
        assert_eq!(run(bench.producer(&flags)).code, Some(0));
        assert!(!bench.state.path().join("deltawave").exists(), "--order-start needs no file");
        let mut rows: Vec<_> = bench
            .records()
            .iter()
            .map(|r| (r.order(), r.field("id"), r.field("op"), r.field("name"), r.field("age")))
            .collect();
        rows.sort_by_key(|row| row.0);
        rows
    };
    let rows = contents();
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    assert_eq!(rows, contents());
}

#[test]
fn an_interrupt_flushes_and_the_summary_tells_what_arrived() {
    let bench = Bench::new();
    let mut running = Running::start(bench.producer(&["--rate", "200/s"]));
    for _ in 0..30 {
        running.line();
    }
    running.interrupt();
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let arrived = bench.records().len();
    let summary = format!("{arrived} events sent, {arrived} acknowledged, 0 failed");
    assert!(ended.summary().starts_with(&summary), "{arrived} arrived, but: {}", ended.summary());
    assert_eq!(30 + ended.out.len(), arrived + 1);
}

#[test]
fn a_closed_output_ends_the_run() {
    let bench = Bench::new();
    let mut command = bench.producer(&["--rate", "100/s"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = command.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() && started.elapsed() < DEADLINE {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!bench.records().is_empty());
}

#[test]
fn an_unreachable_broker_is_named_within_the_time_given() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let broker = format!("127.0.0.1:{port}");
    let state = tempfile::tempdir().unwrap();
    let mut command = command(&broker, &["--give-up", "2"]);
    command.env("XDG_STATE_HOME", state.path());
    let started = Instant::now();
    let ended = run(command);
    assert_eq!(ended.code, Some(1));
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert!(ended.err.contains(&format!("error: no broker answered at {broker} within 2 s (")), "{}", ended.err);
    assert!(ended.err.contains("Connection refused"), "{}", ended.err);
}

#[test]
fn an_unknown_topic_is_one_clear_sentence() {
    let bench = Bench::new();
    bench.cluster.topic_error("nowhere", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let ended = run(bench.producer(&["--topic", "nowhere"]));
    assert_eq!((ended.code, ended.out.len()), (Some(1), 0));
    let broker = bench.cluster.bootstrap_servers();
    let sentence = format!("error: topic nowhere does not exist at {broker}: add --create-topic 3 to make it");
    assert!(ended.err.starts_with(&sentence) && ended.err.lines().count() == 1, "{}", ended.err);
}

#[test]
fn wrong_flags_are_told_all_at_once() {
    let mut wrong = command("nowhere", &["--rate", "fast", "--topic", "a b", "--users", "many"]);
    wrong.env("DELTAWAVE_EVENTS", "all").env("DELTAWAVE_STORE_ULR", "postgresql://root@localhost");
    let ended = run(wrong);
    assert_eq!(ended.code, Some(2));
    for fault in [
        "error: --broker: ",
        "error: --rate: ",
        "error: --topic: ",
        "error: --users: `many`: ",
        "error: --events: `all`: ",
        "DELTAWAVE_STORE_ULR is no setting and was not read; did you mean DELTAWAVE_STORE_URL?",
    ] {
        assert!(ended.err.contains(fault), "{fault}: {}", ended.err);
    }
}

#[test]
fn a_corrupt_order_file_is_named() {
    let bench = Bench::new();
    let path = bench.state.path().join("mine");
    std::fs::write(&path, "hello\n").unwrap();
    let ended = run(bench.producer(&["--order-file", path.to_str().unwrap()]));
    assert_eq!(ended.code, Some(1));
    let fault = format!("order file {} holds `hello` and not a number", path.display());
    assert!(ended.err.contains(&fault), "{}", ended.err);
}

#[test]
fn a_file_is_sent_line_by_line_up_to_the_bad_one() {
    let bench = Bench::new();
    let path = bench.state.path().join("events.jsonl");
    std::fs::write(&path, "{\"id\": 1, \"op\":\"insert\"}\n\n{\"id\":\"x\"}\nnot json\n{\"id\":3}\n").unwrap();
    let ended = run(bench.producer(&["--input", path.to_str().unwrap()]));
    assert_eq!(ended.code, Some(1));
    let fault = format!("error: {}:4: not a JSON object", path.display());
    assert!(ended.err.contains(&fault), "{}", ended.err);
    assert!(ended.summary().starts_with("2 events sent, 2 acknowledged, 0 failed"), "{}", ended.summary());
    let mut arrived: Vec<_> = bench.records().into_iter().map(|record| (record.key, record.payload)).collect();
    arrived.sort();
    let expected = [("1", "{\"id\": 1, \"op\":\"insert\"}"), ("x", "{\"id\":\"x\"}")];
    assert_eq!(arrived, expected.map(|(key, payload)| (key.to_owned(), payload.to_owned())));
}

#[test]
fn standard_input_is_sent_with_a_key_of_ones_own() {
    let bench = Bench::new();
    let mut command = bench.producer(&["--input", "-", "--key", "city", "--quiet"]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut input = running.child.stdin.take().unwrap();
    input.write_all(b"{\"city\":\"Ulm\"}\n{\"city\":\"Bonn\"}").unwrap();
    drop(input);
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let keys: HashSet<_> = bench.records().into_iter().map(|record| record.key).collect();
    assert_eq!(keys, HashSet::from(["Ulm".to_owned(), "Bonn".to_owned()]));
}

#[test]
fn an_interrupt_ends_the_wait_for_silent_standard_input() {
    let bench = Bench::new();
    let mut command = bench.producer(&["--input", "-"]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut input = running.child.stdin.take().unwrap();
    input.write_all(b"{\"id\":1}\n").unwrap();
    assert!(running.line().starts_with("{\"id\":1}  → "));
    running.interrupt();
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.summary().starts_with("1 event sent, 1 acknowledged, 0 failed"), "{}", ended.summary());
    drop(input);
}

#[test]
fn refused_events_are_counted_and_the_first_reason_is_told() {
    let bench = Bench::new();
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    bench.cluster.request_errors(RDKafkaApiKey::Produce, &[refusal; 20]);
    let ended = run(bench.producer(&["--rate", "max", "--events", "10", "--users", "1"]));
    assert_eq!(ended.code, Some(1));
    assert!(ended.summary().contains(" 0 acknowledged, "), "{}", ended.summary());
    for part in [" events were not acknowledged by ", "; the first, in partition ", "Topic authorization failed"] {
        assert!(ended.err.contains(part), "{}", ended.err);
    }
    assert!(bench.records().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_process_a_held_producer_sends_nothing_and_the_observer_hears_of_each_event() {
    let bench = Bench::new();
    let settings = ProducerSettings {
        identity: IdentitySettings::default(),
        transport: Transport::Kafka(KafkaSettings {
            broker: bench.cluster.bootstrap_servers().parse().unwrap(),
            security: Security::Plaintext,
        }),
        topic: TOPIC.to_owned(),
        create_topic: None,
        source: EventSource::Generated {
            users: NonZero::new(3).unwrap(),
            seed: Some(1),
            order: OrderSource::CountFrom(1),
            format: EventFormat::Json,
        },
        rate: Rate::Max,
        events: Some(500),
        give_up: DEADLINE,
        quiet: true,
        http: None,
    };
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let observer = Arc::new(move |event: &Acknowledged<'_>| {
        let order = serde_json::from_slice::<Event<'_>>(event.payload).unwrap().event_order;
        ears.lock().unwrap().push((event.partition, event.offset, order));
    });
    let (holder, hold) = watch::channel(true);
    let mut run = tokio::spawn(producer::run(settings, CancellationToken::new(), hold, observer));
    let early = tokio::time::timeout(Duration::from_secs(1), &mut run).await;
    assert!(early.is_err() && heard.lock().unwrap().is_empty(), "a held producer sent something");
    holder.send(false).unwrap();
    let summary = tokio::time::timeout(DEADLINE, run).await.unwrap().unwrap().unwrap();
    assert_eq!((summary.sent, summary.acknowledged), (500, 500));
    let heard = heard.lock().unwrap();
    for partition in 0..PARTITIONS {
        let of_partition: Vec<_> = heard.iter().filter(|event| event.0 == Some(partition)).collect();
        assert!(of_partition.iter().enumerate().all(|(i, event)| event.1 == Some(i as i64)));
        assert!(of_partition.is_sorted_by_key(|event| event.2));
    }
    assert_eq!(heard.len(), bench.records().len());
}

#[test]
fn a_broker_that_goes_away_costs_no_acknowledged_event() {
    let bench = Bench::new();
    let mut running = Running::start(bench.producer(&["--rate", "100/s", "--give-up", "3"]));
    for _ in 0..10 {
        running.line();
    }
    bench.cluster.broker_down(-1).unwrap();
    let ended = running.end();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("no broker answers, records wait"), "{}", ended.err);
    assert!(ended.err.contains(" events were not acknowledged by "), "{}", ended.err);
    let acknowledged = 10 + ended.out.len() - 1;
    assert!(ended.summary().contains(&format!(" sent, {acknowledged} acknowledged, ")), "{}", ended.summary());
    bench.cluster.broker_up(-1).unwrap();
    assert!(bench.records().len() >= acknowledged);
}

#[test]
fn a_broker_that_comes_back_in_time_gets_everything_once() {
    let bench = Bench::new();
    let mut running = Running::start(bench.producer(&["--rate", "100/s", "--events", "300"]));
    for _ in 0..10 {
        running.line();
    }
    bench.cluster.broker_down(-1).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    bench.cluster.broker_up(-1).unwrap();
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let records = bench.records();
    assert_eq!(records.len(), 300);
    assert_ordered(&records);
}
