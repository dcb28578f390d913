//! Counting what was sent and what came of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::event::Op;
use super::observer::{Acknowledged, Observer};
use super::summary::Summary;
use crate::base::{Delivered, DeliveryWatch, Undelivered};

/// The tag of a record whose operation is none of [`Op::ALL`].
const OTHER: usize = Op::ALL.len();

/// The tag under which a record of this operation is counted.
pub(super) fn tag(op: Option<&str>) -> usize {
    Op::ALL.iter().position(|known| op == Some(known.as_str())).unwrap_or(OTHER)
}

/// Delivery reports, counted and passed on to the observer.
#[derive(Clone)]
pub(super) struct Tally(Arc<Counts>);

struct Counts {
    acknowledged: [AtomicU64; OTHER + 1],
    first_failure: OnceLock<Undelivered>,
    observer: Arc<dyn Observer>,
}

impl Tally {
    pub(super) fn new(observer: Arc<dyn Observer>) -> Tally {
        Tally(Arc::new(Counts { acknowledged: Default::default(), first_failure: OnceLock::new(), observer }))
    }

    /// The first record that was given up, if any was.
    pub(super) fn first_failure(&self) -> Option<&Undelivered> {
        self.0.first_failure.get()
    }

    /// What was reported until now.
    pub(super) fn summary(&self, sent: u64, elapsed: Duration) -> Summary {
        let [inserts, updates, deletes, others] =
            std::array::from_fn(|tag| self.0.acknowledged[tag].load(Ordering::Acquire));
        Summary { sent, acknowledged: inserts + updates + deletes + others, inserts, updates, deletes, others, elapsed }
    }
}

impl DeliveryWatch for Tally {
    fn delivered(&self, record: &Delivered<'_>) {
        let Delivered { key, payload, partition, offset, tag } = *record;
        self.0.observer.acknowledged(&Acknowledged { key, payload, partition, offset });
        self.0.acknowledged[tag.min(OTHER)].fetch_add(1, Ordering::Release);
    }

    fn undelivered(&self, record: Undelivered) {
        self.0.observer.given_up(&record);
        // Only the first one matters: the others are the difference of sent and acknowledged.
        let _ = self.0.first_failure.set(record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_reads_as_one_line() {
        let tally = Tally::new(Arc::new(|_: &Acknowledged<'_>| {}));
        for op in [Some("insert"), Some("delete"), Some("delete"), Some("merge"), None] {
            tally.delivered(&Delivered {
                key: b"1",
                payload: b"{}",
                partition: Some(0),
                offset: Some(0),
                tag: tag(op),
            });
        }
        let summary = tally.summary(6, Duration::from_secs(2));
        assert_eq!(summary.failed(), 1);
        assert_eq!(
            summary.to_string(),
            "6 events sent, 5 acknowledged, 1 failed in 2.0 s (2.5/s): 1 insert, 0 update, 2 delete, 2 other"
        );
    }
}
