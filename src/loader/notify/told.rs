//! Files that messages told of, on their way to being loaded and their messages to being deleted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use metrics::counter;

use crate::azure::blob::BlobEntry;
use crate::azure::queue::{Message, Queue, QueueError};
use crate::base::killpoint::{Side, Step, pass};
use crate::capture::{FileName, ListingOrder};
use crate::ledger::{Entry, FileVersion};
use crate::loader::error::LoadError;
use crate::loader::group::{Means, Receipt};
use crate::loader::lane::Lane;
use crate::rows::Table;

/// Look-ups and deletions that are under way at once.
const AT_ONCE: usize = 8;

/// A group is loaded when it holds so many bytes.
const GROUP_BYTES: u64 = 256 << 20;

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

/// Files to load now, and the messages that told of them.
pub(in crate::loader) struct NotifiedGroup {
    queue: Queue,
    files: Vec<FileVersion>,
    messages: HashMap<String, Vec<Message>>,
}

/// Files that are noted as done, and whose messages are deleted as far as the queue allowed. Made only of a
/// [`Receipt`].
pub(in crate::loader) struct Acknowledged {
    pub(in crate::loader) entries: Vec<Entry>,
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

    /// Asks the ledger which files are done, beside those that were done so `recent`ly that it may not show them yet,
    /// and the container what the others are now.
    ///
    /// # Errors
    /// When patience ends; the messages then come again.
    pub(in crate::loader) async fn sift(
        self,
        means: &Means<'_>,
        table: &Table,
        lane: &mut Lane,
        recent: &HashMap<String, (String, Instant)>,
    ) -> Result<Sifted, LoadError> {
        let mut done = HashMap::new();
        let (container, target) = (means.container.name(), table.name());
        for (first, last) in self.ranges() {
            done.extend(lane.persist(async |session| session.files_done(container, target, first, last).await).await?);
        }
        let is_done = |blob: &String, etag: &String| {
            recent.get(blob).is_some_and(|(known, _)| known == etag) || done.get(blob) == Some(etag)
        };
        let is_known = |(blob, notice): &(String, Notice)| {
            !notice.etags.is_empty() && notice.etags.iter().all(|etag| is_done(blob, etag))
        };
        let (known, unknown): (Vec<_>, Vec<_>) = self.files.into_iter().partition(is_known);
        let mut settled: Vec<_> = known.into_iter().flat_map(|(_, notice)| notice.messages).collect();
        count("known", settled.len());
        let found: Vec<_> = stream::iter(unknown)
            .map(|(blob, notice)| async move { Ok::<_, LoadError>((look_up(means, &blob).await?, blob, notice)) })
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
                Some(BlobEntry { etag, size, .. }) => fresh.push((FileVersion { blob, etag, size, name }, messages)),
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

async fn look_up(means: &Means<'_>, blob: &str) -> Result<Option<BlobEntry>, LoadError> {
    let mut trouble = means.patience.trouble();
    loop {
        match means.container.properties(blob).await {
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

    /// The next files to load, until there are none.
    pub(in crate::loader) fn next_group(&mut self) -> Option<NotifiedGroup> {
        let mut group = NotifiedGroup { queue: self.queue.clone(), files: Vec::new(), messages: HashMap::new() };
        let mut bytes = 0;
        while bytes < GROUP_BYTES
            && let Some((file, messages)) = self.fresh.pop()
        {
            bytes += file.size;
            group.messages.insert(file.blob.clone(), messages);
            group.files.push(file);
        }
        (!group.files.is_empty()).then_some(group)
    }
}

impl NotifiedGroup {
    pub(in crate::loader) fn files(&self) -> Vec<FileVersion> {
        self.files.clone()
    }

    /// Deletes the messages of the files that are noted as done. Those of a file that went meanwhile stay, and come
    /// again.
    pub(in crate::loader) async fn acknowledge(mut self, receipt: Receipt) -> Acknowledged {
        let entries = receipt.entries;
        let done: Vec<_> = entries.iter().filter_map(|entry| self.messages.remove(&entry.file.blob)).collect();
        count("loaded", done.len());
        count("known", done.iter().map(|messages| messages.len() - 1).sum());
        pass(Side::Before, Step::Acknowledged);
        delete(&self.queue, &done.concat()).await;
        pass(Side::After, Step::Acknowledged);
        Acknowledged { entries }
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
