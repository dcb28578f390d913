//! How long after the broker took a record its row is visible by the live lane, what that costs, and what it leaves of the
//! files' rate.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deltawave::offline::EmbeddedBroker;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message as _};
use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Outcome;
use super::data::{self, HUB, Shape};
use super::place::{Place, Store, container};
use super::program::{children_cpu, observed, program};
use super::report::{Report, percentile, ratio, seconds};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Events a second, over 4 partitions
    #[arg(long, default_value_t = 5000)]
    events: u32,
    /// How long they come, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Events in files that are loaded with and without the lane, beside such a stream
    #[arg(long, default_value_t = 800_000)]
    backlog: i64,
    /// A RisingWave or PostgreSQL to load into [default: a PostgreSQL of this run]
    #[arg(long)]
    store_url: Option<String>,
}

const PARTITIONS: i32 = 4;
/// Events in a file of the backlog.
const FILE: i64 = 10_000;
/// One of so many events is looked for.
const SAMPLE: u32 = 100;
/// How long anything may take beyond what it should.
const PATIENCE: Duration = Duration::from_secs(300);

/// By partition and number: events that the broker took and that are not seen yet, and when they were sent.
type Pending = Arc<Mutex<BTreeMap<(i32, i64), Instant>>>;

pub async fn run(args: &Args) -> Outcome<Report> {
    let place = Place::new()?;
    let azurite = place.azurite().await?;
    let store = place.store(args.store_url.as_deref()).await?;
    let engine = store.session().await?.engine();
    let target = if engine.starts_with("RisingWave") { 1.6 } else { 0.5 };
    let mut report = Report::default();
    report.note("store", engine);
    report.note("stream", format!("{} events/s", args.events));

    let blob = |name: &str| format!("{}/{name}", azurite.blob_endpoint());
    let mut took = [0.0, 0.0];
    for (took, (name, live)) in took.iter_mut().zip([("without", false), ("with", true)]) {
        *took = backlog(args, &store, &blob(name), live).await?;
    }
    report.at_least("files' rate with the lane, of that without", took[0] / took[1], 0.9, ratio);

    store.fresh().await?;
    let blob = blob("stream");
    container(&blob).await?;
    let stream = Stream::start(args.events, &blob).await?;
    let (mut loader, metrics) = observed(&stream.loader(&blob, &store, true)).await?;
    stream.until_seen(&store).await?;
    stream.pending.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let before = stream.sent();
    let delays = watch(&store, &stream.pending, Duration::from_secs(args.seconds)).await?;
    let sent = stream.sent() - before;
    let fresh = metrics.observed("deltawave_loader_live_freshness_seconds").await?;
    let cpu = children_cpu()?;
    end(&mut loader).await?;
    let cpu = (children_cpu()? - cpu).as_secs_f64();
    let all = stream.stop().await?;
    report.note("events", format!("{sent}, of which {} were looked for", delays.len()));
    report.at_most("sent to row visible: p50", percentile(&delays, 50), target, seconds);
    report.note("sent to row visible: p99", seconds(percentile(&delays, 99)));
    report.note("the loader's own measure, on average", seconds(fresh.mean()));
    report.note("loader's CPU for an event, live and by its file", format!("{:.0} µs", cpu / all as f64 * 1e6));
    store.drop().await?;
    Ok(report)
}

/// How long a backlog takes to be loaded beside a stream, in seconds.
async fn backlog(args: &Args, store: &Store, blob: &str, live: bool) -> Outcome<f64> {
    store.fresh().await?;
    let files = container(blob).await?;
    let each = args.backlog / (FILE * i64::from(PARTITIONS));
    data::write(&files, Shape { partitions: PARTITIONS, files: each, events: FILE, deflate: false }).await?;
    let stream = Stream::start(args.events, blob).await?;
    let began = Instant::now();
    let (mut loader, _) = observed(&stream.loader(blob, store, live)).await?;
    let of_backlog =
        format!("SELECT count(*) FROM capture_files WHERE window_start < timestamp '{}'", "2026-11-21 00:00:00");
    let session = store.session().await?;
    while session.query_number(&of_backlog).await? < each * i64::from(PARTITIONS) {
        if began.elapsed() > PATIENCE {
            return Err("the backlog takes too long".into());
        }
        sleep(Duration::from_millis(100)).await;
    }
    let took = began.elapsed().as_secs_f64();
    end(&mut loader).await?;
    stream.stop().await?;
    Ok(took)
}

/// A broker that events come to, and a capture that makes files of them.
struct Stream {
    broker: EmbeddedBroker,
    capture: Child,
    producing: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    sent: Arc<std::sync::atomic::AtomicU64>,
    pending: Pending,
}

impl Stream {
    async fn start(rate: u32, blob: &str) -> Outcome<Stream> {
        let broker = EmbeddedBroker::start(&[HUB], u16::try_from(PARTITIONS)?)?;
        let bootstrap = broker.bootstrap();
        let always = ["--broker", &bootstrap, "--topic", HUB, "--blob", blob, "--window", "5", "--log-level", "warn"];
        let capture = program(env!("CARGO_BIN_EXE_capture"), &always).spawn()?;
        let (stop, sent, pending) = (Arc::default(), Arc::default(), Pending::default());
        let producing = tokio::task::spawn_blocking({
            let (stop, sent, pending) = (Arc::clone(&stop), Arc::clone(&sent), Arc::clone(&pending));
            move || produce(&bootstrap, rate, &stop, &sent, pending)
        });
        Ok(Stream { broker, capture, producing, stop, sent, pending })
    }

    fn loader(&self, blob: &str, store: &Store, live: bool) -> Vec<&'static str> {
        let texts = [self.broker.bootstrap(), blob.to_owned(), store.url.clone()];
        // As long as the benchmark: a handful of texts.
        let [broker, blob, store] = texts.map(|text| &*Box::leak(text.into_boxed_str()));
        let mut flags = vec!["--log-level", "warn", "--blob", blob, "--store-url", store, "--poll", "1"];
        if live {
            flags.extend(["--live", "--broker", broker]);
        }
        flags
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until the lane is at work.
    async fn until_seen(&self, store: &Store) -> Outcome<()> {
        watch(store, &self.pending, Duration::from_secs(15)).await.map(drop)
    }

    /// Gives how many events there were.
    async fn stop(mut self) -> Outcome<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.producing.await?;
        end(&mut self.capture).await?;
        Ok(self.sent.load(Ordering::Relaxed))
    }
}

/// Asks a program to end, and waits for it.
async fn end(child: &mut Child) -> Outcome<()> {
    let id = child.id().ok_or("a program has ended already")?;
    std::process::Command::new("kill").arg(id.to_string()).status()?;
    child.wait().await?;
    Ok(())
}

/// Notes what the broker took, of those that are looked for.
struct Noted {
    began: Instant,
    pending: Pending,
}

impl ClientContext for Noted {}

impl ProducerContext for Noted {
    /// When it was sent, in microseconds since the start; 0 for one that is not looked for.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: usize) {
        if let (Ok(taken), 1..) = (result, sent) {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.insert((taken.partition(), taken.offset()), self.began + Duration::from_micros(sent as u64));
        }
    }
}

fn produce(bootstrap: &str, rate: u32, stop: &AtomicBool, sent: &std::sync::atomic::AtomicU64, pending: Pending) {
    let began = Instant::now();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("linger.ms", "5");
    let Ok(producer) = config.create_with_context::<_, BaseProducer<Noted>>(Noted { began, pending }) else { return };
    let mut number = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as u32;
        while number < due {
            let Some(body) = data::event(i64::from(number)).ok().and_then(|event| event.body) else { return };
            let looked_for = number.is_multiple_of(SAMPLE);
            let at = if looked_for { usize::try_from(began.elapsed().as_micros()).unwrap_or(0).max(1) } else { 0 };
            let partition = i32::try_from(number).unwrap_or(0) % PARTITIONS;
            let record = BaseRecord::<(), Vec<u8>, usize>::with_opaque_to(HUB, at).partition(partition).payload(&body);
            if producer.send(record).is_err() {
                break;
            }
            number += 1;
            sent.store(u64::from(number), Ordering::Relaxed);
        }
        producer.poll(Duration::from_millis(2));
    }
    let _ = producer.flush(Duration::from_secs(10));
}

/// Asks for what is pending, for so long, and gives how old each was when it was seen. The answer of a question that was
/// asked before a row was visible does not count, so the delays err on the long side, by a question's pause.
async fn watch(store: &Store, pending: &Pending, length: Duration) -> Outcome<Vec<f64>> {
    const PAUSE: Duration = Duration::from_millis(20);
    let session = store.session().await?;
    let (began, mut delays) = (Instant::now(), Vec::new());
    while began.elapsed() < length {
        let mut wanted: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for (partition, number) in pending.lock().unwrap_or_else(PoisonError::into_inner).keys() {
            wanted.entry(*partition).or_default().push(number.to_string());
        }
        let of_partition = |(partition, numbers): (&i32, &Vec<String>)| {
            format!(
                "SELECT partition_id, sequence_number FROM user_event_log WHERE event_hub = '{HUB}' \
                 AND partition_id = {partition} AND sequence_number IN ({})",
                numbers.join(", ")
            )
        };
        let sql = wanted.iter().map(of_partition).collect::<Vec<_>>().join(" UNION ALL ");
        if !sql.is_empty() {
            let (_, rows) = session.query_text(&sql).await?;
            let seen = Instant::now();
            let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
            for row in rows {
                let cell = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
                let sent = pending.remove(&(cell(0).parse()?, cell(1).parse()?));
                delays.extend(sent.map(|sent| (seen - sent).as_secs_f64()));
            }
        }
        sleep(PAUSE).await;
    }
    Ok(delays)
}
