//! Publishes change events through Kafka, AMQP or HTTPS: generated ones, or the user's own JSON lines.
//!
//! ```text
//! Generator + OrderClock ─┐
//!                         ├─▶ Record ──Pacer──▶ Publisher ──▶ broker
//! Lines (file, stdin) ────┘                        │ delivery reports
//!                                                  ▼
//!                                         Tally ──▶ Observer
//! ```
//!
//! Generated events may be wrapped as other systems do it; in Avro by a schema that a registry is given first.
//!
//! Guarantees: an event is counted as acknowledged only when the broker has it safely; a full queue makes the
//! sender wait and drops nothing; one key's events stay in one partition, in the order they were sent; after the first
//! event that is given up nothing more is sent. A shutdown stops the stream, then waits for what is under way.

mod envelope;
mod error;
mod event;
mod health;
mod input;
mod observer;
mod order;
mod pace;
mod print;
mod registration;
mod source;
mod summary;
mod tally;
mod transport;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::base::Queued;
use crate::settings::{ProducerSettings, Rate};
pub use envelope::unwrapped;
pub use error::ProducerError;
pub use event::{Event, Op};
pub use health::Health;
pub use input::{InputError, LineFault};
pub use observer::{Acknowledged, Observer};
pub use order::OrderError;
use pace::Pacer;
pub use print::Printer;
use source::{Next, Record, Source};
pub use summary::Summary;
use tally::Tally;
use transport::Publisher;

/// Longest sleep before the sender looks whether an event was given up.
const LOOK_UP: Duration = Duration::from_millis(200);
/// Between two tries at a full queue.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// What the library may need beyond `give_up` to report an event as given up.
const REPORT_MARGIN: Duration = Duration::from_secs(5);

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
    let envelope = tokio::select! {
        envelope = registration::envelope(&settings) => envelope?,
        () = shutdown.cancelled() => return Ok(Summary::default()),
    };
    let source = Source::open(&settings.source, envelope)?;
    let tally = Tally::new(Arc::clone(&observer));
    let publisher = tokio::select! {
        publisher = Publisher::open(&settings, tally.clone()) => publisher?,
        () = shutdown.cancelled() => return Ok(Summary::default()),
    };
    observer.opened();
    let transport = publisher.name();
    tracing::info!(broker = %settings.transport, transport, topic = settings.topic, rate = %settings.rate, "sending events");
    let sender = Sender {
        pacer: Pacer::new(settings.rate),
        paced: settings.rate != Rate::Max,
        events: settings.events.unwrap_or(u64::MAX),
        source,
        publisher,
        tally: tally.clone(),
        observer: Arc::clone(&observer),
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
            address: settings.transport.to_string(),
            first: tally.first_failure().cloned(),
        });
    }
    fault.map_or(Ok(summary), Err)
}

/// The loop from source to broker. It blocks: on the order file's lock, and on a full queue.
struct Sender {
    source: Source,
    pacer: Pacer,
    paced: bool,
    events: u64,
    publisher: Publisher,
    tally: Tally,
    observer: Arc<dyn Observer>,
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
            // Before its end can be reported.
            self.observer.sent();
            let mut full = false;
            while self.publisher.send(&record.key, &record.payload, record.tag)? == Queued::Full {
                if self.stopping() {
                    return Ok(());
                }
                if !std::mem::replace(&mut full, true) {
                    self.observer.waits();
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
