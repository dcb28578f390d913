//! Files that messages told of, on their way to being loaded and their messages to being deleted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use metrics::counter;

use crate::azure::blob::{BlobEntry, Container};
use crate::azure::queue::{Message, Queue, QueueError};
use crate::base::killpoint::{Side, Step, pass};
use crate::capture::{FileName, ListingOrder};
use crate::ledger::FileVersion;
use crate::loader::error::LoadError;
use crate::loader::group::Receipt;
use crate::loader::patience::Patience;
use crate::loader::pool::Store;

/// Look-ups and deletions that are under way at once.
const AT_ONCE: usize = 8;

/// Where files that were told of are looked up.
pub(in crate::loader) struct Places<'l> {
    pub(in crate::loader) container: &'l Container,
    /// The table, as the ledger names it.
    pub(in crate::loader) target: &'l str,
    pub(in crate::loader) store: &'l Store,
    pub(in crate::loader) patience: &'l Patience,
}

/// What messages said of one route's files. Nothing of it is certain yet.
pub(in crate::loader) struct Told {
    /// The route's number in the settings.
    pub(in crate::loader) route: usize,
    queue: Queue,
    order: ListingOrder,
    /// By blob, so that messages of one file stay together.
    files: BTreeMap<String, Notice>,
}

struct Notice {
    name: FileName,
    /// Of all versions told of: several if the blob was replaced meanwhile, none if only Event Hubs told of it.
    etags: BTreeSet<String>,
    messages: Vec<Message>,
}

/// What the ledger and the container say of it.
pub(in crate::loader) struct Sifted {
    queue: Queue,
    /// Messages whose files are done already or gone.
    settled: Vec<Message>,
    /// Files to load.
    fresh: Vec<(FileVersion, Vec<Message>)>,
}

/// Messages of files that are on their way, until those are noted.
#[derive(Default)]
pub(in crate::loader) struct Letters {
    queue: Option<Queue>,
    messages: HashMap<String, Vec<Message>>,
}

impl Told {
    pub(super) fn new(route: usize, queue: &Queue, order: ListingOrder) -> Self {
        Told { route, queue: queue.clone(), order, files: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn push(&mut self, blob: String, name: FileName, etag: Option<String>, message: Message) {
        let notice =
            self.files.entry(blob).or_insert_with(|| Notice { name, etags: BTreeSet::new(), messages: vec![] });
        notice.etags.extend(etag);
        notice.messages.push(message);
    }

    /// Asks the ledger which files are done, beside those that were `noted` so recently that it may not show them yet,
    /// and the container what the others are now.
    ///
    /// # Errors
    /// When patience ends; the messages then come again.
    pub(in crate::loader) async fn sift(
        self,
        places: &Places<'_>,
        noted: impl Fn(&str, &str) -> bool,
    ) -> Result<Sifted, LoadError> {
        let mut done = HashMap::new();
        let Places { container, target, store, .. } = *places;
        let container = container.name();
        for (first, last) in self.ranges() {
            done.extend(store.persist(async |session| session.files_done(container, target, first, last).await).await?);
        }
        let is_done = |blob: &String, etag: &String| noted(blob, etag) || done.get(blob) == Some(etag);
        let is_known = |(blob, notice): &(String, Notice)| {
            !notice.etags.is_empty() && notice.etags.iter().all(|etag| is_done(blob, etag))
        };
        let (known, unknown): (Vec<_>, Vec<_>) = self.files.into_iter().partition(is_known);
        let mut settled: Vec<_> = known.into_iter().flat_map(|(_, notice)| notice.messages).collect();
        count("known", settled.len());
        let found: Vec<_> = stream::iter(unknown)
            .map(|(blob, notice)| async move { Ok::<_, LoadError>((look_up(places, &blob).await?, blob, notice)) })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut fresh = Vec::new();
        for (entry, blob, Notice { name, messages, .. }) in found {
            match entry {
                None => {
                    tracing::debug!(blob, "a notification of a file that is not there: deleted");
                    count("gone", messages.len());
                    settled.extend(messages);
                }
                Some(entry) if is_done(&blob, &entry.etag) => {
                    count("known", messages.len());
                    settled.extend(messages);
                }
                // Created and not yet filled, whatever was told: listings look at it again.
                Some(BlobEntry { size: 0, .. }) => {
                    count("empty", messages.len());
                    settled.extend(messages);
                }
                Some(BlobEntry { etag, size, last_modified, .. }) => {
                    let committed_at = Some(last_modified);
                    fresh.push((FileVersion { blob, etag, size, committed_at, name }, messages));
                }
            }
        }
        Ok(Sifted { queue: self.queue, settled, fresh })
    }

    /// Ranges of names that hold all the files and, if the format allows it, few others: those of one partition's hour.
    fn ranges(&self) -> Vec<(&str, &str)> {
        let mut ranges = BTreeMap::new();
        for (blob, Notice { name, .. }) in &self.files {
            let hour = name.window_start.unix_timestamp() / 3600;
            let apart = (self.order == ListingOrder::Unsorted).then_some(blob);
            // Names come in order.
            ranges.entry((name.partition, hour, apart)).or_insert((blob.as_str(), "")).1 = blob;
        }
        ranges.into_values().collect()
    }
}

async fn look_up(places: &Places<'_>, blob: &str) -> Result<Option<BlobEntry>, LoadError> {
    let mut trouble = places.patience.trouble();
    loop {
        match places.container.properties(blob).await {
            Ok(entry) => {
                trouble.healed();
                return Ok(entry);
            }
            Err(error) => trouble.pause(error).await?,
        }
    }
}

impl Sifted {
    /// Deletes the messages of files that need no loading.
    pub(in crate::loader) async fn acknowledge_settled(&mut self) {
        delete(&self.queue, &std::mem::take(&mut self.settled)).await;
    }

    /// The files to load, whose messages are kept meanwhile.
    pub(in crate::loader) fn keep(self, letters: &mut Letters) -> Vec<FileVersion> {
        letters.queue = Some(self.queue);
        let keep = |(file, messages): (FileVersion, Vec<Message>)| {
            letters.messages.entry(file.blob.clone()).or_default().extend(messages);
            file
        };
        self.fresh.into_iter().map(keep).collect()
    }
}

impl Letters {
    /// Takes out the messages of the files that are noted as done, to be deleted. Those of a file that went meanwhile
    /// come again when their lease ends.
    pub(in crate::loader) fn of(&mut self, receipt: &Receipt, taken: &[FileVersion]) -> Settled {
        let done: Vec<_> = receipt.entries.iter().filter_map(|entry| self.messages.remove(&entry.file.blob)).collect();
        count("loaded", done.len());
        count("known", done.iter().map(|messages| messages.len() - 1).sum());
        taken.iter().for_each(|file| drop(self.messages.remove(&file.blob)));
        Settled { queue: self.queue.clone(), messages: done.concat() }
    }
}

/// Messages of files that are noted as done. Made only with a [`Receipt`].
pub(in crate::loader) struct Settled {
    queue: Option<Queue>,
    messages: Vec<Message>,
}

impl Settled {
    /// Deletes them, as far as the queue allows.
    pub(in crate::loader) async fn acknowledge(self) {
        let Some(queue) = self.queue.filter(|_| !self.messages.is_empty()) else { return };
        pass(Side::Before, Step::Acknowledged);
        delete(&queue, &self.messages).await;
        pass(Side::After, Step::Acknowledged);
    }
}

/// Deletes messages. One that cannot be deleted comes again, and is then known: that is no reason to wait, so the
/// first failure ends it.
pub(super) async fn delete(queue: &Queue, messages: &[Message]) {
    // Gathered first: the compiler cannot tell that a stream that makes them from references may be sent.
    let deletions: Vec<_> = messages.iter().map(|message| delete_one(queue, message)).collect();
    let deleted = stream::iter(deletions).buffer_unordered(AT_ONCE).try_collect::<()>().await;
    if let Err(error) = deleted {
        tracing::warn!("{error}; the notifications come again, and are then known");
    }
}

/// Deletes a message, or leaves it to whoever has it now.
pub(super) async fn delete_one(queue: &Queue, message: &Message) -> Result<(), QueueError> {
    match queue.delete(message).await {
        Err(QueueError::Lost { .. }) => Ok(()),
        deleted => deleted,
    }
}

fn count(outcome: &'static str, messages: usize) {
    counter!("deltawave_loader_notifications_total", "outcome" => outcome).increment(messages as u64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Hub, NameFormat};

    fn ranges(format: &str, blobs: &[&str]) -> Vec<(String, String)> {
        let (hub, format) = (Hub::new("ns", "hub").unwrap(), format.parse::<NameFormat>().unwrap());
        let address = "http://127.0.0.1:1/devstoreaccount1/events".parse().unwrap();
        let mut told = Told::new(0, &Queue::open(&address, None).unwrap(), format.listing_order());
        for blob in blobs {
            let name = format.parse(&hub, blob).unwrap();
            let file = Notice { name, etags: BTreeSet::new(), messages: Vec::new() };
            told.files.insert((*blob).to_owned(), file);
        }
        told.ranges().into_iter().map(|(first, last)| (first.to_owned(), last.to_owned())).collect()
    }

    #[test]
    fn the_ledger_is_asked_for_few_ranges_that_hold_few_others() {
        let pair = |first: &str, last: &str| (first.to_owned(), last.to_owned());
        let [a, b, c, d] =
            ["0/2026/01/02/03/04/05", "0/2026/01/02/03/59/00", "0/2026/01/02/04/00/00", "1/2026/01/02/03/04/05"]
                .map(|name| format!("ns/hub/{name}.avro"));
        assert_eq!(
            ranges(&NameFormat::default().to_string(), &[&a, &b, &c, &d]),
            [pair(&a, &b), pair(&c, &c), pair(&d, &d)]
        );
        let [a, b] = ["05/04/03/02/01/2026/0", "06/04/03/02/01/2026/0"].map(|name| format!("ns/hub/{name}.avro"));
        let unsorted = "{Namespace}/{EventHub}/{Second}/{Minute}/{Hour}/{Day}/{Month}/{Year}/{PartitionId}";
        assert_eq!(ranges(unsorted, &[&a, &b]), [pair(&a, &a), pair(&b, &b)]);
    }
}
