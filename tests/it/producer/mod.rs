//! The `producer` binary against a mock cluster: what arrives is read back by a consumer of our own.

mod library;
mod lines;
mod outages;
mod refusals;
mod sending;

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
