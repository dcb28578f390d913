//! How a producer is, for probes, metrics and the people they wake.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{counter, describe_counter, describe_gauge, gauge};
use serde_json::{Value, json};

use super::{Acknowledged, Observer, Summary};
use crate::base::Undelivered;
use crate::service::http::Status;

/// How long events may wait for an acknowledgement, none coming, before that is a trouble.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts a run's events and hands them on.
pub struct Health {
    topic: String,
    next: Arc<dyn Observer>,
    is_open: AtomicBool,
    sent: AtomicU64,
    acknowledged: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
    full: AtomicU64,
    /// When an acknowledgement came last, or the first event was sent after everything was acknowledged.
    stirred: Mutex<Option<Instant>>,
    failure: Mutex<Option<String>>,
}

impl Health {
    /// Of a run that sends to that topic and was to be watched by `next`.
    pub fn new(topic: &str, next: Arc<dyn Observer>) -> Arc<Self> {
        Arc::new(Health {
            topic: topic.to_owned(),
            next,
            is_open: AtomicBool::default(),
            sent: AtomicU64::default(),
            acknowledged: AtomicU64::default(),
            bytes: AtomicU64::default(),
            failed: AtomicU64::default(),
            full: AtomicU64::default(),
            stirred: Mutex::default(),
            failure: Mutex::default(),
        })
    }

    /// Events whose end is not known yet.
    fn under_way(&self) -> u64 {
        let ended = self.acknowledged.load(Ordering::Acquire) + self.failed.load(Ordering::Acquire);
        self.sent.load(Ordering::Acquire).saturating_sub(ended)
    }

    /// How long events have been waiting without any acknowledgement.
    fn silence(&self) -> Duration {
        let stirred = *lock(&self.stirred);
        stirred.filter(|_| self.under_way() > 0).map_or(Duration::ZERO, |at| at.elapsed())
    }
}

impl Observer for Health {
    fn acknowledged(&self, event: &Acknowledged<'_>) {
        self.acknowledged.fetch_add(1, Ordering::Release);
        self.bytes.fetch_add(event.payload.len() as u64, Ordering::Relaxed);
        *lock(&self.stirred) = Some(Instant::now());
        self.next.acknowledged(event);
    }

    fn opened(&self) {
        self.is_open.store(true, Ordering::Release);
        self.next.opened();
    }

    fn sent(&self) {
        if self.under_way() == 0 {
            *lock(&self.stirred) = Some(Instant::now());
        }
        self.sent.fetch_add(1, Ordering::Release);
        self.next.sent();
    }

    fn waits(&self) {
        self.full.fetch_add(1, Ordering::Relaxed);
        self.next.waits();
    }

    fn given_up(&self, event: &Undelivered) {
        self.failed.fetch_add(1, Ordering::Release);
        lock(&self.failure).get_or_insert_with(|| event.reason.clone());
        self.next.given_up(event);
    }

    fn finished(&self, summary: &Summary) {
        self.next.finished(summary);
    }
}

impl Status for Health {
    fn readiness(&self) -> (bool, Value) {
        let (under_way, silence) = (self.under_way(), self.silence());
        let failure = lock(&self.failure).clone();
        let reason = if !self.is_open.load(Ordering::Acquire) {
            Some("the broker has not answered yet, or has no such topic".to_owned())
        } else if let Some(failure) = failure {
            Some(format!("an event was given up: {failure}"))
        } else if silence > PATIENCE {
            Some(format!("{under_way} events wait, and none was acknowledged for {} s", silence.as_secs()))
        } else {
            None
        };
        let ready = reason.is_none();
        let answer = json!({
            "ready": ready,
            "reason": reason,
            "topic": self.topic,
            "sent": self.sent.load(Ordering::Relaxed),
            "acknowledged": self.acknowledged.load(Ordering::Relaxed),
            "under_way": under_way,
        });
        (ready, answer)
    }

    fn refresh_metrics(&self) {
        // Here, as only what comes after the recorder is heard.
        describe();
        gauge!("deltawave_producer_ready").set(f64::from(u8::from(self.readiness().0)));
        let of_topic = [("topic", self.topic.clone())];
        let events = |outcome: &str, of: &AtomicU64| {
            let labels = [("topic", self.topic.clone()), ("outcome", outcome.to_owned())];
            counter!("deltawave_producer_events_total", &labels).absolute(of.load(Ordering::Relaxed));
        };
        events("acknowledged", &self.acknowledged);
        events("failed", &self.failed);
        counter!("deltawave_producer_bytes_total", &of_topic).absolute(self.bytes.load(Ordering::Relaxed));
        counter!("deltawave_producer_queue_full_total", &of_topic).absolute(self.full.load(Ordering::Relaxed));
        gauge!("deltawave_producer_under_way_events", &of_topic).set(self.under_way() as f64);
        gauge!("deltawave_producer_silent_seconds", &of_topic).set(self.silence().as_secs_f64());
    }
}

/// Says what each metric means, in `/metrics` itself.
fn describe() {
    describe_gauge!("deltawave_producer_ready", "1 while the producer is ready, as /readyz says it");
    describe_counter!("deltawave_producer_events_total", "Events, by outcome: acknowledged, or failed (given up)");
    describe_counter!("deltawave_producer_bytes_total", "Bytes of the acknowledged events");
    describe_counter!("deltawave_producer_queue_full_total", "How often sending waited for room in the queue");
    describe_gauge!("deltawave_producer_under_way_events", "Events that were sent and whose end is not known yet");
    describe_gauge!(
        "deltawave_producer_silent_seconds",
        "How long events have been waiting without any acknowledgement"
    );
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_open_and_acknowledged_before_long() {
        let health = Health::new("t", Arc::new(|_: &Acknowledged<'_>| {}));
        assert!(!health.readiness().0);
        health.opened();
        assert!(health.readiness().0);
        health.sent();
        assert_eq!((health.readiness().0, health.under_way()), (true, 1));
        *lock(&health.stirred) = Instant::now().checked_sub(PATIENCE * 2);
        let (ready, answer) = health.readiness();
        assert!(!ready && answer["reason"].as_str().unwrap().starts_with("1 events wait"), "{answer}");
        health.acknowledged(&Acknowledged { key: b"1", payload: b"{}", partition: None, offset: None });
        assert_eq!((health.readiness().0, health.silence()), (true, Duration::ZERO));
        health.sent();
        health.given_up(&Undelivered { partition: None, reason: "too large".to_owned() });
        assert_eq!(health.readiness().1["reason"], "an event was given up: too large");
    }
}
