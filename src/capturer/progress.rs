use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ills::Ills;
use crate::capture::{Hub, PartitionId};

/// Live counters of one run, for whoever shows them. Reading them costs nothing worth mentioning.
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicU64,
    captured: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
    started: AtomicBool,
    /// What it depends on and what is away.
    pub(super) ills: Ills,
    partitions: Mutex<BTreeMap<(Hub, PartitionId), Arc<Offsets>>>,
}

/// The live form of [`PartitionProgress`].
#[derive(Debug, Default)]
pub(super) struct Offsets {
    pub captured_to: AtomicI64,
    pub read_to: AtomicI64,
    pub end: AtomicI64,
}

/// Where one partition stands. All are offsets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartitionProgress {
    /// The first that is not in a finished file.
    pub captured_to: i64,
    /// The first that was not read.
    pub read_to: i64,
    /// The one the next record will get, as the broker said a few seconds ago.
    pub end: i64,
}

impl PartitionProgress {
    /// Records in the topic that are in no finished file.
    pub fn lag(&self) -> u64 {
        u64::try_from(self.end.saturating_sub(self.captured_to)).unwrap_or(0)
    }
}

impl Progress {
    /// Counters at zero, to be handed to [`run`](super::run) and looked at meanwhile.
    pub fn shared() -> Arc<Progress> {
        Arc::default()
    }

    /// Records read from the broker.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Records in finished files.
    pub fn captured(&self) -> u64 {
        self.captured.load(Ordering::Relaxed)
    }

    /// Finished files, empty ones included.
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Bytes of finished files.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Where each partition stands.
    pub fn partitions(&self) -> BTreeMap<(Hub, PartitionId), PartitionProgress> {
        let snapshot = |offsets: &Offsets| PartitionProgress {
            captured_to: offsets.captured_to.load(Ordering::Relaxed),
            read_to: offsets.read_to.load(Ordering::Relaxed),
            end: offsets.end.load(Ordering::Relaxed),
        };
        self.lock().iter().map(|(partition, offsets)| (partition.clone(), snapshot(offsets))).collect()
    }

    /// Broker and container answer.
    pub(super) fn started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    pub(super) fn read_one(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn wrote_file(&self, records: u64, bytes: u64) {
        self.captured.fetch_add(records, Ordering::Relaxed);
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The offsets of one partition, at zero when it is new.
    pub(super) fn offsets(&self, hub: &Hub, partition: PartitionId) -> Arc<Offsets> {
        Arc::clone(self.lock().entry((hub.clone(), partition)).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Hub, PartitionId), Arc<Offsets>>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_counts_what_is_in_no_file_and_is_never_negative() {
        let at = |captured_to, end| PartitionProgress { captured_to, read_to: captured_to, end };
        assert_eq!(at(3, 10).lag(), 7);
        assert_eq!(at(10, 3).lag(), 0);
    }
}
