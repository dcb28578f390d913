use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::course::Captured;
use super::print::{Print, is_milestone};
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use crate::formats::Decoding;
use crate::ledger::{Entry, Runs, Span};

/// What a route's files and its live lane know of each other.
#[derive(Debug, Default)]
pub(in crate::loader) struct Common {
    /// What the newest file of each partition ends with.
    captured: watch::Sender<BTreeMap<PartitionId, Captured>>,
    /// Of files that are decoded and not noted.
    decoded: Mutex<HashMap<String, Prints>>,
    /// What bodies are, and the schemas that are known of them.
    decoding: watch::Sender<Option<Decoding>>,
    /// From which number to which the lane has written rows.
    written: Mutex<BTreeMap<PartitionId, Span>>,
}

/// Files whose prints are kept at most; of more, the next ones prove the lane.
const FILES: usize = 10_000;

/// Prints of a file's records.
#[derive(Debug, Clone, Default)]
pub(in crate::loader) struct Prints {
    milestone: Option<Print>,
    last: Option<Print>,
}

impl Prints {
    pub(in crate::loader) fn add(&mut self, number: SequenceNumber, at: EnqueuedTime, body: Option<&[u8]>) {
        let print = Print::new(number, at, body);
        if is_milestone(number) {
            self.milestone = Some(print);
        }
        self.last = Some(print);
    }
}

impl Common {
    /// Files are decoded so: schemas that they named are known to both.
    pub(in crate::loader) fn decodes(&self, decoding: &Decoding) {
        self.decoding.send_replace(Some(decoding.clone()));
    }

    /// How files are decoded, once that is known.
    pub(super) async fn decoding(&self) -> Decoding {
        let mut known = self.decoding.subscribe();
        match known.wait_for(Option::is_some).await.map(|decoding| decoding.clone()) {
            Ok(Some(decoding)) => decoding,
            _ => std::future::pending().await,
        }
    }

    /// A file was decoded.
    pub(in crate::loader) fn decoded(&self, blob: &str, prints: Prints) {
        let mut decoded = lock(&self.decoded);
        if decoded.len() < FILES {
            decoded.insert(blob.to_owned(), prints);
        }
    }

    /// Files were noted as done.
    pub(in crate::loader) fn noted(&self, entries: &[Entry]) {
        for Entry { file, contents, .. } in entries {
            let prints = lock(&self.decoded).remove(&file.blob).unwrap_or_default();
            let (Some(span), Some(last)) = (contents.span, prints.last) else { continue };
            let prints = prints.milestone.filter(|print| *print != last).into_iter().chain([last]).collect();
            self.found(file.name.partition, Captured { window: file.name.window_start, end: span.last, prints });
        }
    }

    /// A partition has files that end so.
    pub(in crate::loader) fn found(&self, partition: PartitionId, found: Captured) {
        self.captured.send_if_modified(|captured| match captured.get(&partition) {
            Some(known) if known.window > found.window => false,
            _ => {
                captured.insert(partition, found);
                true
            }
        });
    }

    /// What the newest files end with, as it changes.
    pub(super) fn captured(&self) -> watch::Receiver<BTreeMap<PartitionId, Captured>> {
        self.captured.subscribe()
    }

    /// The lane wrote rows of these numbers, perhaps not of all of them.
    pub(super) fn wrote(&self, partition: PartitionId, span: Span) {
        let mut written = lock(&self.written);
        let known = written.entry(partition).or_insert(span);
        // Unless numbers began again.
        *known = if span.first > known.last { Span { first: known.first, ..span } } else { span };
    }

    /// Whether these records may all be there already.
    pub(in crate::loader) fn may_have(&self, partition: PartitionId, runs: &Runs) -> bool {
        let hull = runs.hull().map(|run| run.span);
        let written = lock(&self.written).get(&partition).copied();
        hull.zip(written).is_some_and(|(hull, written)| written.first <= hull.first && hull.last <= written.last)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
