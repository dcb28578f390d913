//! How many groups are in memory at once, and how large they are.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// A group up to this size is small, in bytes.
const SMALL: u64 = 8 << 20;

/// Groups at once where there are several streams, beside the small one.
const GROUPS: usize = 2;

/// Places for groups in memory. Where there are several streams, one place is kept for small groups, so that a file that
/// arrives now never waits for somebody's backlog.
pub(super) struct Slots {
    any: Semaphore,
    small: Semaphore,
}

impl Slots {
    /// For so many streams.
    pub(super) fn new(streams: usize) -> Self {
        let (any, small) = if streams == 1 { (1, 0) } else { (streams.min(GROUPS), 1) };
        Slots { any: Semaphore::new(any), small: Semaphore::new(small) }
    }

    /// How many groups there may be at once, for so many streams.
    pub(super) fn at_once(streams: usize) -> usize {
        if streams == 1 { 1 } else { streams.min(GROUPS) + 1 }
    }

    /// Waits for a place for a group of that size; given back when it is dropped.
    pub(super) async fn take(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        if bytes > SMALL {
            return self.any.acquire().await.ok();
        }
        tokio::select! {
            biased;
            permit = self.any.acquire() => permit.ok(),
            permit = self.small.acquire() => permit.ok(),
        }
    }
}

/// How much of a backlog is loaded at a time: what takes about a second and a half, so that news need not wait longer.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Bytes a second of late.
    rate: Option<f64>,
}

const LEAST: f64 = (2 << 20) as f64;
const MOST: f64 = (256 << 20) as f64;
const FIRST: u64 = 16 << 20;
const GROUP_SECONDS: f64 = 1.5;

impl Pace {
    /// A group of so many bytes took so long.
    pub(super) fn loaded(&mut self, bytes: u64, took: Duration) {
        let rate = bytes as f64 / took.as_secs_f64().max(1e-3);
        self.rate = Some(self.rate.map_or(rate, |before| 0.7 * before + 0.3 * rate));
    }

    /// Bytes to load at a time.
    pub(super) fn group(&self) -> u64 {
        self.rate.map_or(FIRST, |rate| (rate * GROUP_SECONDS).clamp(LEAST, MOST) as u64)
    }

    /// How long so many bytes take, in seconds, if that is known.
    pub(super) fn left(&self, bytes: u64) -> Option<f64> {
        self.rate.map(|rate| bytes as f64 / rate.max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_takes_about_as_long_whatever_the_rate() {
        let mut pace = Pace::default();
        assert_eq!((pace.group(), pace.left(1)), (FIRST, None));
        for _ in 0..40 {
            pace.loaded(10 << 20, Duration::from_secs(1));
        }
        assert_eq!(pace.group() >> 20, 15);
        assert_eq!(pace.left(100 << 20), Some(10.0));
        pace.loaded(1, Duration::from_secs(1000));
        (0..40).for_each(|_| pace.loaded(1, Duration::from_secs(1000)));
        assert_eq!(pace.group(), LEAST as u64);
    }

    #[tokio::test]
    async fn a_small_group_has_a_place_when_large_ones_have_theirs() {
        let slots = Slots::new(3);
        let large: Vec<_> = futures::future::join_all((0..GROUPS).map(|_| slots.take(SMALL + 1))).await;
        let small = slots.take(1).await;
        assert!(small.is_some() && large.iter().all(Option::is_some));
        let wait = tokio::time::timeout(Duration::from_millis(20), slots.take(1)).await;
        assert!(wait.is_err(), "all places are taken");
    }
}
