//! Events that were taken from the caller and whose ends are still to be told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as blocking;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::{Delivered, DeliveryWatch, Undelivered};

/// Memory for events that wait for their acknowledgement, in bytes.
const QUEUE: usize = 16 << 20;
/// What an event takes beside its key and body.
const OVERHEAD: usize = 256;
/// The largest event, as over Kafka: Event Hubs takes 1 MB with all that belongs to it.
pub(super) const LARGEST: usize = 1_000_000;
/// Between two tries, growing.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How long a batch may be without an outcome before it is sent again, longer with each try.
pub(super) const OUTCOME: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(40));
/// The least of that, when there is hardly any time left.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);

/// Bounds the memory of all events on their way, and tells the watch of their ends from one thread.
pub(super) struct Outbox {
    room: Arc<Semaphore>,
    under_way: Arc<AtomicUsize>,
    ends: blocking::Sender<End>,
}

impl Outbox {
    pub(super) fn new(watch: impl DeliveryWatch) -> Self {
        let (ends, told) = blocking::channel();
        thread::spawn(move || tell(&told, &watch));
        Outbox { room: Arc::new(Semaphore::new(QUEUE)), under_way: Arc::default(), ends }
    }

    /// Copies an event, if there is room for it.
    pub(super) fn take(&self, key: &[u8], payload: &[u8], tag: usize) -> Option<Message> {
        let needed = u32::try_from(key.len() + payload.len() + OVERHEAD).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(needed).ok()?;
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let place = Place { under_way: Arc::clone(&self.under_way), _room: room };
        Some(Message { key: key.to_vec(), payload: payload.to_vec(), tag, queued: Instant::now(), _place: place })
    }

    /// Where the ends of events are told, of one partition if the sender knows it.
    pub(super) fn ends(&self, partition: Option<i32>) -> Ends {
        Ends { partition, ends: self.ends.clone() }
    }

    /// Waits until every event's end was told, at most `patience`. Blocks the thread.
    pub(super) fn drain(&self, patience: Duration) {
        let started = Instant::now();
        while self.under_way.load(Ordering::Acquire) > 0 && started.elapsed() < patience {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// An event that waits for its acknowledgement.
pub(super) struct Message {
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
    pub queued: Instant,
    tag: usize,
    _place: Place,
}

/// What an event takes of the outbox until it is dropped.
struct Place {
    under_way: Arc<AtomicUsize>,
    _room: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What became of some events, in their order.
struct End {
    partition: Option<i32>,
    messages: Vec<Message>,
    /// Why there is no acknowledgement, if there is none.
    failure: Option<String>,
}

/// One sender's way to tell of ends.
pub(super) struct Ends {
    partition: Option<i32>,
    ends: blocking::Sender<End>,
}

impl Ends {
    pub(super) fn acknowledged(&self, messages: Vec<Message>) {
        self.tell(messages, None);
    }

    pub(super) fn given_up(&self, messages: Vec<Message>, reason: String) {
        self.tell(messages, Some(reason));
    }

    fn tell(&self, messages: Vec<Message>, failure: Option<String>) {
        // The other side ends only after all of these.
        let _ = self.ends.send(End { partition: self.partition, messages, failure });
    }
}

fn tell(ends: &blocking::Receiver<End>, watch: &impl DeliveryWatch) {
    for End { partition, messages, failure } in ends {
        for message in messages {
            match &failure {
                None => watch.delivered(&Delivered {
                    key: &message.key,
                    payload: &message.payload,
                    partition,
                    offset: None,
                    tag: message.tag,
                }),
                Some(reason) => watch.undelivered(Undelivered { partition, reason: reason.clone() }),
            }
        }
    }
}
