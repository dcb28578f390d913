//! A broker, a container and a capture under way, and what is in the files.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use apache_avro::types::Value;
use deltawave::azure::blob::{BlobAddress, Container};
use deltawave::capture::{Hub, NameFormat, ReadLimits, read_events};
use futures::TryStreamExt as _;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};

use crate::support::{self, unique};

/// How long anything may take before the test fails.
pub const DEADLINE: Duration = Duration::from_secs(60);
pub const TOPIC: &str = "user-events";
pub const FAST: [&str; 4] = ["--window", "1", "--skip-empty", "--until-end"];

/// What is written to the broker, and what is to come out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sent {
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(&'static str, Option<Vec<u8>>)>,
}

pub fn text(payload: impl ToString) -> Sent {
    Sent { payload: Some(payload.to_string().into_bytes()), ..Sent::default() }
}

pub fn broker(partitions: i32) -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, partitions, 1).unwrap();
    cluster
}

pub fn producer(bootstrap: &str) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("message.max.bytes", "2000000").set("linger.ms", "5");
    config.create().unwrap()
}

pub fn send(producer: &BaseProducer, topic: &str, partition: i32, sent: &Sent) {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &sent.headers {
        headers = headers.insert(Header { key, value: value.as_ref() });
    }
    let mut record = BaseRecord::<Vec<u8>, Vec<u8>>::to(topic).partition(partition).headers(headers);
    record.key = sent.key.as_ref();
    record.payload = sent.payload.as_ref();
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// Sends and waits for all acknowledgements.
pub fn produce(bootstrap: &str, topic: &str, partition: i32, records: &[Sent]) {
    let producer = producer(bootstrap);
    for record in records {
        send(&producer, topic, partition, record);
        producer.poll(Duration::ZERO);
    }
    producer.flush(DEADLINE).unwrap();
}

/// A container of the test's own in the shared Azurite.
pub async fn container() -> Container {
    open(&format!("{}/{}", support::azurite().await.blob_endpoint(), unique("capture")))
}

pub fn open(address: &str) -> Container {
    Container::open(&address.parse::<BlobAddress>().unwrap(), None).unwrap()
}

pub fn capture(bootstrap: &str, container: &Container, flags: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_capture"));
    command.args(["--broker", bootstrap, "--blob", &container.address().to_string()]).args(flags);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let log = Arc::new(Mutex::new(String::new()));
    let (stderr, written) = (child.stderr.take().unwrap(), Arc::clone(&log));
    let reader = thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut log = written.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
    Running { child, log, reader: Some(reader) }
}

/// A capture under way. Every wait for it has a deadline, and it does not outlive its test.
pub struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Running {
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn signal(&self, signal: i32) {
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for a text in the log.
    pub async fn says(&self, text: &str) {
        self.says_times(text, 1).await;
    }

    pub async fn says_times(&self, text: &str, times: usize) {
        let started = Instant::now();
        while self.log().matches(text).count() < times {
            assert!(started.elapsed() < DEADLINE, "{text:?} was not said {times} times:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for its end: exit code and log.
    pub async fn end(mut self) -> (Option<i32>, String) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.reader.take().unwrap().join().unwrap();
                return (status.code(), self.log());
            }
            assert!(started.elapsed() < DEADLINE, "it does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for its end and wants it to be a good one.
    pub async fn done(self) -> String {
        let (code, log) = self.end().await;
        assert_eq!(code, Some(0), "{log}");
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One Capture file.
pub struct File {
    pub name: String,
    pub content: Vec<u8>,
    /// Offset and body.
    pub events: Vec<(i64, Option<Vec<u8>>)>,
}

impl File {
    /// Every record as an independent Avro reader sees it: all fields by their names.
    pub fn values(&self) -> Vec<BTreeMap<String, Value>> {
        let reader = apache_avro::Reader::new(&self.content[..]).unwrap();
        let fields = |value| match value {
            Value::Record(fields) => fields.into_iter().collect(),
            other => panic!("{other:?}"),
        };
        reader.map(|value| fields(value.unwrap())).collect()
    }
}

/// The files of each partition in the order of their windows.
pub async fn files(container: &Container, topic: &str, format: &NameFormat) -> BTreeMap<i32, Vec<File>> {
    let hub = Hub::new("local", topic).unwrap();
    let mut entries = Vec::new();
    for entry in container.list("", None).try_concat().await.unwrap() {
        let name = format.parse(&hub, &entry.name).unwrap_or_else(|| panic!("{} is not in the format", entry.name));
        entries.push((name.partition.0, name.window_start, entry.name));
    }
    entries.sort();
    let mut files: BTreeMap<i32, Vec<File>> = BTreeMap::new();
    for (partition, _, name) in entries {
        let content = container.get(&name, 1 << 30).await.unwrap().to_vec();
        let mut events = Vec::new();
        read_events(&content[..], ReadLimits::default(), |event| {
            events.push((event.sequence_number, event.body.map(<[u8]>::to_vec)));
            ControlFlow::Continue(())
        })
        .unwrap();
        files.entry(partition).or_default().push(File { name, content, events });
    }
    files
}

/// All offsets in one partition's files, in the order of the files.
pub fn offsets(files: &BTreeMap<i32, Vec<File>>, partition: i32) -> Vec<i64> {
    let files = files.get(&partition).into_iter().flatten();
    files.flat_map(|file| file.events.iter().map(|(offset, _)| *offset)).collect()
}

/// A number that follows a word in a log.
pub fn number(log: &str, word: &str) -> i64 {
    let (_, rest) = log.split_once(word).unwrap_or_else(|| panic!("no {word} in:\n{log}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
