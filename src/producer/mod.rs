//! Publishes change events through Kafka: generated ones, or the user's own JSON lines.
//!
//! ```text
//! Generator + OrderClock ─┐
//!                         ├─▶ Record ──Pacer──▶ Publisher ──▶ broker
//! Lines (file, stdin) ────┘                        │ delivery reports
//!                                                  ▼
//!                                         Tally ──▶ Observer
//! ```
//!
//! Guarantees: an event is counted as acknowledged only when all in-sync replicas have it; a full queue makes the
//! sender wait and drops nothing; one key's events stay in one partition, in the order they were sent; after the first
//! event that is given up nothing more is sent. A shutdown stops the stream, then waits for what is under way.

mod error;
mod event;
mod input;
mod order;
mod pace;
mod print;
mod source;
mod tally;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::azure::identity::Identity;
use crate::kafka::{Cluster, Endpoint, KafkaError, MissingTopic, Publisher, Queued};
use crate::settings::{ProducerSettings, Rate};
pub use error::ProducerError;
pub use event::{Event, Op};
pub use input::{InputError, LineFault};
pub use order::OrderError;
use pace::Pacer;
pub use print::Printer;
use source::{Next, Record, Source};
pub use tally::Summary;
use tally::Tally;

/// How long a topic may stay unknown before it counts as missing. A broker that creates topics needs a moment.
const TOPIC_PATIENCE: Duration = Duration::from_secs(3);
/// The same, when its creation was just confirmed.
const CREATED_PATIENCE: Duration = Duration::from_secs(15);
/// Longest sleep before the sender looks whether an event was given up.
const LOOK_UP: Duration = Duration::from_millis(200);
/// Between two tries at a full queue.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// What the library may need beyond `give_up` to report an event as given up.
const REPORT_MARGIN: Duration = Duration::from_secs(5);

/// An event the broker has acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledged<'a> {
    /// The record key: the row's id as text.
    pub key: &'a [u8],
    /// The event's JSON.
    pub payload: &'a [u8],
    /// Where it was written.
    pub partition: i32,
    /// At which offset.
    pub offset: i64,
}

/// Hears of a run's events. Called from one thread, for each partition in the order of its offsets; a slow observer
/// slows the producer down, which is also a way to hold it back.
pub trait Observer: Send + Sync + 'static {
    /// One event is in.
    fn acknowledged(&self, event: &Acknowledged<'_>);

    /// The run is over, well or not; nothing follows. Not called when the run failed before its first event.
    fn finished(&self, _summary: &Summary) {}
}

impl<F: Fn(&Acknowledged<'_>) + Send + Sync + 'static> Observer for F {
    fn acknowledged(&self, event: &Acknowledged<'_>) {
        self(event);
    }
}

/// Sends events until there are no more, the wanted number is reached, or the shutdown comes; then waits for the
/// acknowledgement of everything sent. While `hold` is true nothing is sent; a dropped sender counts as false.
///
/// # Errors
/// [`ProducerError`]. Whatever was sent before the fault has been waited for, and the observer told.
pub async fn run(
    settings: ProducerSettings,
    shutdown: CancellationToken,
    hold: watch::Receiver<bool>,
    observer: Arc<dyn Observer>,
) -> Result<Summary, ProducerError> {
    let source = Source::open(&settings.source)?;
    let endpoint = tokio::select! {
        ready = topic_ready(&settings) => ready?,
        () = shutdown.cancelled() => return Ok(Summary::default()),
    };
    let tally = Tally::new(Arc::clone(&observer));
    let publisher = Publisher::new(&endpoint, &settings.topic, settings.give_up, tally.clone())?;
    tracing::info!(broker = %settings.kafka.broker, topic = settings.topic, rate = %settings.rate, "sending events");
    let sender = Sender {
        pacer: Pacer::new(settings.rate),
        paced: settings.rate != Rate::Max,
        events: settings.events.unwrap_or(u64::MAX),
        source,
        publisher,
        tally: tally.clone(),
        shutdown,
        hold,
        handle: Handle::current(),
        sent: 0,
    };
    let give_up = settings.give_up;
    let (summary, fault) = tokio::task::spawn_blocking(move || sender.run(give_up + REPORT_MARGIN))
        .await
        .map_err(|error| ProducerError::Broken(error.to_string()))?;
    observer.finished(&summary);
    if summary.failed() > 0 {
        if let Some(fault) = fault {
            tracing::error!("{fault}");
        }
        return Err(ProducerError::NotAcknowledged {
            summary: Box::new(summary),
            topic: settings.topic,
            address: settings.kafka.broker,
            first: tally.first_failure().cloned(),
        });
    }
    fault.map_or(Ok(summary), Err)
}

/// Waits for the broker, then for the topic, which is created if that was asked for.
async fn topic_ready(settings: &ProducerSettings) -> Result<Endpoint, ProducerError> {
    let ProducerSettings { kafka, topic, give_up, .. } = settings;
    let missing = if settings.create_topic.is_some() { MissingTopic::Leave } else { MissingTopic::LetBrokerCreate };
    let endpoint = Endpoint::open(kafka, &Identity::new(settings.identity.clone())).await?;
    let cluster = Cluster::connect(&endpoint, missing, *give_up).await?;
    let found = match settings.create_topic {
        None => cluster.wait_for_topic(topic, TOPIC_PATIENCE).await,
        Some(partitions) => match cluster.partitions(topic).await {
            Err(KafkaError::UnknownTopic { .. }) => {
                cluster.create_topic(topic, partitions.get()).await?;
                cluster.wait_for_topic(topic, CREATED_PATIENCE).await
            }
            found => found,
        },
    };
    match found {
        Ok(_) => Ok(endpoint),
        Err(KafkaError::UnknownTopic { topic, address }) => Err(ProducerError::UnknownTopic { topic, address }),
        Err(other) => Err(other.into()),
    }
}

/// The loop from source to broker. It blocks: on the order file's lock, and on a full queue.
struct Sender {
    source: Source,
    pacer: Pacer,
    paced: bool,
    events: u64,
    publisher: Publisher<Tally>,
    tally: Tally,
    shutdown: CancellationToken,
    hold: watch::Receiver<bool>,
    handle: Handle,
    sent: u64,
}

impl Sender {
    /// Sends, then waits for the reports, at most `patience`.
    fn run(mut self, patience: Duration) -> (Summary, Option<ProducerError>) {
        let started = Instant::now();
        let fault = self.send_all(started).err();
        self.publisher.drain(patience);
        (self.tally.summary(self.sent, started.elapsed()), fault)
    }

    fn send_all(&mut self, started: Instant) -> Result<(), ProducerError> {
        let mut record = Record::default();
        while self.sent < self.events && !self.stopping() {
            if self.held() {
                continue;
            }
            let wait = if self.paced { self.pacer.wait(started.elapsed()) } else { Duration::ZERO };
            if !wait.is_zero() {
                self.pause(wait.min(LOOK_UP));
                continue;
            }
            match self.source.next(&mut record, &self.handle, &self.shutdown)? {
                Next::Record => {}
                Next::Later => continue,
                Next::End => break,
            }
            while self.publisher.send(&record.key, &record.payload, record.tag)? == Queued::Full {
                if self.stopping() {
                    return Ok(());
                }
                self.pause(FULL_PAUSE);
            }
            self.sent += 1;
            self.pacer.sent();
        }
        Ok(())
    }

    fn stopping(&self) -> bool {
        self.shutdown.is_cancelled() || self.tally.first_failure().is_some()
    }

    /// Whether the sender is held back; if so, a moment has passed.
    fn held(&mut self) -> bool {
        if !*self.hold.borrow() {
            return false;
        }
        let (hold, shutdown) = (&mut self.hold, &self.shutdown);
        self.handle.block_on(async {
            tokio::select! {
                // An error means that nobody is left to release it, so that nobody holds it.
                released = hold.wait_for(|held| !held) => released.is_ok(),
                () = shutdown.cancelled() => true,
                () = tokio::time::sleep(LOOK_UP) => true,
            }
        })
    }

    fn pause(&self, time: Duration) {
        self.handle.block_on(async {
            tokio::select! { () = tokio::time::sleep(time) => {}, () = self.shutdown.cancelled() => {} }
        });
    }
}
