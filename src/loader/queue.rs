//! A stream's files on their way from being found to being noted: what arrives now before backlog, newer before older.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::sync::watch;

use crate::azure::blob::BlobError;
use crate::capture::{EnqueuedTime, PartitionId};
use crate::ledger::{Entry, FileVersion};

/// Whether a file is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Age {
    /// It arrives now: it is among the newest, late, or told of.
    Fresh,
    /// It was there before.
    Backlog,
}

/// The next to be loaded comes first.
type Place = (Age, Reverse<OffsetDateTime>, String);

/// How long a ledger row may take to be seen by a query; until then files that were noted are remembered here.
const LEDGER_LAG: Duration = Duration::from_secs(60);

/// Found and not yet noted.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something was put in, or done, or listed.
    changed: watch::Sender<()>,
    /// So many wait at most: of more, the oldest are let go, and found again by another listing.
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<Place, FileVersion>,
    /// Where each file is: waiting there, or in hand (`None`).
    names: HashMap<String, Option<Place>>,
    /// Whose each file in hand is.
    in_hand: HashMap<String, PartitionId>,
    /// Bytes of those that wait.
    bytes: u64,
    noted: HashMap<String, (String, Instant)>,
    /// Files that cannot be read, each alone.
    aside: HashMap<String, Aside>,
    /// Those of them that are to be noted as such.
    unnoted: Vec<(FileVersion, String)>,
    /// Whether some were let go since the last listing of everything began.
    let_go: bool,
    /// A file that was gone or replaced since it was listed.
    gone: Option<BlobError>,
    listed: bool,
}

/// A file that waits until it can be read.
#[derive(Debug)]
struct Aside {
    file: FileVersion,
    archived: bool,
    since: OffsetDateTime,
    tries: u32,
    /// `None` for one that only a listing can show to be readable.
    next: Option<Instant>,
}

/// The first pause before a file that cannot be read is tried again, and the longest.
const FIRST_TRY: Duration = Duration::from_secs(15);
const LAST_TRY: Duration = Duration::from_secs(3600);

/// What waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Backlog {
    pub(super) files: usize,
    pub(super) bytes: u64,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Queue { state: Mutex::default(), changed: watch::Sender::new(()), most }
    }

    /// Whether a file waits or is in hand, or this version of it was noted a moment ago or cannot be read.
    pub(super) fn knows(&self, blob: &str, etag: &str, archived: bool) -> bool {
        let state = self.lock();
        let aside = state.aside.get(blob);
        state.names.contains_key(blob)
            || state.noted.get(blob).is_some_and(|(known, _)| known == etag)
            || aside.is_some_and(|aside| aside.file.etag == etag && aside.archived == archived)
    }

    /// Sets aside a file that cannot be read, for as long as it is the same and as archived as now; what is not archived
    /// is tried again, less and less often. Says when.
    pub(super) fn set_aside(&self, file: FileVersion, archived: bool, reason: &str) {
        let mut state = self.lock();
        let now = OffsetDateTime::now_utc();
        let (since, tries) = match state.aside.get(&file.blob) {
            Some(known) if known.file.etag == file.etag => (known.since, known.tries + 1),
            _ => (now, 0),
        };
        let pause = FIRST_TRY.saturating_mul(1 << tries.min(12)).min(LAST_TRY);
        let next = (!archived).then(|| Instant::now() + pause);
        let when = if archived {
            "looked at with every full listing".to_owned()
        } else {
            format!("next try in {} s", pause.as_secs())
        };
        let reason = format!("{reason}; waits since {}, {when}", EnqueuedTime::from_utc(since).sql());
        state.names.remove(&file.blob);
        state.in_hand.remove(&file.blob);
        state.unnoted.push((file.clone(), reason));
        state.aside.insert(file.blob.clone(), Aside { file, archived, since, tries, next });
        drop(state);
        self.changed.send_replace(());
    }

    /// Files set aside since the last call, each with the reason.
    pub(super) fn take_unnoted(&self) -> Vec<(FileVersion, String)> {
        std::mem::take(&mut self.lock().unnoted)
    }

    /// Lets files that were set aside be tried again when it is time, and says how long the next has to wait.
    pub(super) fn wake(&self) -> Option<Duration> {
        let mut state = self.lock();
        let now = Instant::now();
        let due: Vec<_> = state
            .aside
            .values()
            .filter(|aside| aside.next.is_some_and(|next| next <= now))
            .map(|aside| aside.file.clone())
            .collect();
        for file in due {
            if let Some(aside) = state.aside.get_mut(&file.blob) {
                aside.next = None;
            }
            if !state.names.contains_key(&file.blob) {
                state.put((Age::Backlog, Reverse(file.name.window_start), file.blob.clone()), file);
            }
        }
        let next = state.aside.values().filter_map(|aside| aside.next).min();
        next.map(|next| next.saturating_duration_since(now))
    }

    /// How many files cannot be read, and one of them.
    pub(super) fn aside(&self) -> (usize, Option<String>) {
        let state = self.lock();
        (state.aside.len(), state.aside.keys().next().cloned())
    }

    /// Whether this version of a file was noted a moment ago, so that the ledger may not show it yet.
    pub(super) fn noted(&self, blob: &str, etag: &str) -> bool {
        self.lock().noted.get(blob).is_some_and(|(known, _)| known == etag)
    }

    /// Puts in a file that the ledger does not know. One that waits already moves forward if it turns out to be news.
    pub(super) fn offer(&self, file: FileVersion, age: Age) {
        let mut state = self.lock();
        let place = (age, Reverse(file.name.window_start), file.blob.clone());
        match state.names.get(&file.blob) {
            Some(None) => return,
            Some(Some(known)) if *known <= place => return,
            Some(Some(known)) => {
                let known = known.clone();
                state.remove(&known);
            }
            None => {}
        }
        state.put(place, file);
        if state.waiting.len() > self.most {
            state.let_go = true;
            if let Some(last) = state.waiting.last_key_value().map(|(place, _)| place.clone()) {
                state.remove(&last);
            }
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Takes what is to be loaded next: news alone if there is any, else backlog, until there are so many files or so
    /// many bytes. Backlog is taken only when all of it was listed or `impatient`, so that the newest goes first.
    pub(super) fn take(&self, files: usize, bytes: u64, impatient: bool) -> Vec<FileVersion> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        let mut size = 0;
        let age = state.waiting.first_key_value().map(|((age, ..), _)| *age);
        if age == Some(Age::Backlog) && !state.listed && !impatient {
            return taken;
        }
        while taken.len() < files
            && size < bytes
            && let Some(entry) = state.waiting.first_entry()
            && Some(entry.key().0) == age
        {
            let file = entry.remove();
            size += file.size;
            state.names.insert(file.blob.clone(), None);
            state.in_hand.insert(file.blob.clone(), file.name.partition);
            taken.push(file);
        }
        state.bytes -= size;
        drop(state);
        // Neighbours in the primary key go in one after the other, which an index takes faster.
        taken.sort_by(|one, other| one.blob.cmp(&other.blob));
        taken
    }

    /// Ends with what was taken: it is noted, or, if one was `gone`, to be looked for again.
    pub(super) fn done(&self, taken: &[FileVersion], noted: &[Entry], gone: Option<BlobError>) {
        let mut state = self.lock();
        state.gone = gone.or(state.gone.take());
        let now = Instant::now();
        state.noted.retain(|_, (_, at)| now.duration_since(*at) < LEDGER_LAG);
        state.noted.extend(noted.iter().map(|Entry { file, .. }| (file.blob.clone(), (file.etag.clone(), now))));
        for Entry { file, .. } in noted {
            state.aside.remove(&file.blob);
        }
        for file in taken {
            state.names.remove(&file.blob);
            state.in_hand.remove(&file.blob);
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Puts back what was taken and could not be loaded.
    pub(super) fn put_back(&self, taken: Vec<FileVersion>) {
        let mut state = self.lock();
        for file in taken {
            state.in_hand.remove(&file.blob);
            state.put((Age::Fresh, Reverse(file.name.window_start), file.blob.clone()), file);
        }
    }

    /// In which partitions files wait, are in hand or cannot be read. `None` while not everything was listed.
    pub(super) fn partitions_waiting(&self) -> Option<BTreeSet<PartitionId>> {
        let state = self.lock();
        let waiting = state.waiting.values().chain(state.aside.values().map(|aside| &aside.file));
        let all = waiting.map(|file| file.name.partition).chain(state.in_hand.values().copied());
        (state.listed && !state.let_go && state.gone.is_none()).then(|| all.collect())
    }

    /// A listing of everything begins.
    pub(super) fn listing(&self) {
        self.lock().let_go = false;
    }

    /// A listing of everything has ended.
    pub(super) fn listed(&self) {
        self.lock().listed = true;
        self.changed.send_replace(());
    }

    /// Whether everything was listed once, and is done.
    pub(super) fn is_done(&self) -> bool {
        let state = self.lock();
        state.listed && state.names.is_empty() && !state.let_go && state.gone.is_none()
    }

    /// Whether everything has to be listed again once nothing waits or is in hand: files were let go.
    pub(super) fn wants_listing(&self) -> bool {
        let state = self.lock();
        state.let_go && state.names.is_empty()
    }

    /// A file that was gone or replaced since it was listed: list everything again.
    pub(super) fn take_gone(&self) -> Option<BlobError> {
        self.lock().gone.take()
    }

    /// Whether nothing waits and nothing is in hand.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().names.is_empty()
    }

    /// What waits.
    pub(super) fn backlog(&self) -> Backlog {
        let state = self.lock();
        Backlog { files: state.waiting.len(), bytes: state.bytes }
    }

    /// Tells whenever something has changed.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, place: Place, file: FileVersion) {
        self.bytes += file.size;
        self.names.insert(file.blob.clone(), Some(place.clone()));
        self.waiting.insert(place, file);
    }

    fn remove(&mut self, place: &Place) {
        if let Some(file) = self.waiting.remove(place) {
            self.bytes -= file.size;
            self.names.remove(&file.blob);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{FileName, Hub};

    const START: OffsetDateTime = time::macros::datetime!(2026-01-02 04:00 UTC);

    fn file(partition: i32, minute: i64) -> FileVersion {
        let name = FileName {
            hub: Hub::new("ns", "hub").unwrap(),
            partition: PartitionId(partition),
            window_start: START + time::Duration::minutes(minute),
        };
        FileVersion { blob: format!("{partition}/{minute}"), etag: "e".to_owned(), size: 10, committed_at: None, name }
    }

    fn taken(queue: &Queue, files: usize) -> Vec<String> {
        queue.take(files, 1000, false).into_iter().map(|file| file.blob).collect()
    }

    #[test]
    fn news_goes_before_backlog_and_newer_before_older() {
        let queue = Queue::new(100);
        for (partition, minute) in [(0, 1), (0, 2), (1, 1), (1, 3)] {
            queue.offer(file(partition, minute), Age::Backlog);
        }
        queue.offer(file(2, 0), Age::Fresh);
        assert_eq!(taken(&queue, 10), ["2/0"], "alone");
        assert!(taken(&queue, 10).is_empty(), "not before all is listed");
        queue.listed();
        assert_eq!(taken(&queue, 2), ["0/2", "1/3"], "in the order of the key");
        assert_eq!(queue.backlog(), Backlog { files: 2, bytes: 20 });
        // Told of, it is news.
        queue.offer(file(1, 1), Age::Fresh);
        assert_eq!(taken(&queue, 2), ["1/1"]);
        assert_eq!(taken(&queue, 2), ["0/1"]);
    }

    #[test]
    fn a_file_is_in_one_place_until_it_is_done_and_then_remembered() {
        let queue = Queue::new(100);
        queue.offer(file(0, 1), Age::Fresh);
        queue.offer(file(0, 1), Age::Fresh);
        assert_eq!(queue.partitions_waiting(), None, "not all was listed");
        queue.listed();
        let waits = BTreeSet::from([PartitionId(0)]);
        assert_eq!(queue.partitions_waiting(), Some(waits.clone()));
        assert_eq!(taken(&queue, 5), ["0/1"]);
        assert_eq!(queue.partitions_waiting(), Some(waits), "in hand");
        queue.offer(file(0, 1), Age::Fresh);
        assert!(taken(&queue, 5).is_empty(), "it is in hand");
        assert!(!queue.is_empty() && queue.knows("0/1", "e", false));
        queue.put_back(vec![file(0, 1)]);
        assert_eq!(taken(&queue, 5), ["0/1"]);
        queue.done(&[file(0, 1)], &[], None);
        assert!(queue.is_empty() && !queue.knows("0/1", "e", false));
        assert_eq!(queue.partitions_waiting(), Some(BTreeSet::new()));
    }

    #[test]
    fn of_too_many_the_oldest_are_let_go_and_listed_again() {
        let queue = Queue::new(3);
        (0..5).for_each(|minute| queue.offer(file(0, minute), Age::Backlog));
        queue.listed();
        assert_eq!(taken(&queue, 5), ["0/2", "0/3", "0/4"]);
        assert!(!queue.wants_listing(), "not while some are in hand");
        queue.done(&[file(0, 4), file(0, 3), file(0, 2)], &[], None);
        assert!(queue.wants_listing() && !queue.is_done());
        queue.listing();
        queue.listed();
        assert!(queue.is_done());
    }
}
