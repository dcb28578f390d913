//! Records of the newest and oldest files of every partition, as documents.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::error::TableError;
use crate::azure::blob::{BlobEntry, Container};
use crate::azure::identity::Identity;
use crate::capture::{Event, ReadLimits, Stop, read_events};
use crate::formats::{Decoding, Reader, Undecodable, Wanted};
use crate::operator::progress::Ongoing;
use crate::registry::{Registry, RegistryError};
use crate::settings::TableSettings;

/// Bytes of documents that are kept.
const MOST_BYTES: usize = 256 << 20;

/// Reasons that are told.
const REASONS: usize = 5;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// JSON objects, each a row.
    pub(super) documents: Vec<String>,
    pub(super) records: u64,
    /// The most rows that one record has.
    pub(super) most_rows: usize,
    files: usize,
    partitions: usize,
    skipped: u64,
    unread: u64,
    /// Why records could not be read, the first of them.
    reasons: Vec<String>,
    bytes: usize,
    decoding: Decoding,
    registry: Option<Arc<Registry>>,
}

impl Sample {
    /// Reads one.
    ///
    /// # Errors
    /// When files cannot be listed or read, or there is no record.
    pub(super) async fn read(settings: &TableSettings) -> Result<Sample, TableError> {
        let identity = Identity::new(settings.identity.clone());
        let key = identity.key(settings.blob.needs_credential(), settings.blob_sas.as_ref())?;
        let container = Container::open(&settings.blob, key)?;
        let ongoing = Ongoing::new();
        ongoing.say(|| format!("listing the files of {}", settings.hub));
        let mut partitions = files(&container, settings).await?;
        let registry = match &settings.registry {
            Some(registry) => Some(Arc::new(Registry::open(registry, &identity).await?)),
            None => None,
        };
        let naming = settings.registry.as_ref().map(|registry| registry.address.naming());
        let decoding = Decoding { naming, ..Decoding::of(settings.format) };
        let mut sample = Sample { partitions: partitions.len(), decoding, registry, ..Sample::default() };
        // A file's share, so that every partition's newest and oldest are heard.
        let share = (settings.sample / (2 * partitions.len().max(1))).max(1);
        while sample.has_room(settings) && partitions.values().any(|files| !files.is_empty()) {
            for files in partitions.values_mut() {
                for blob in [files.pop_back(), files.pop_front()].into_iter().flatten() {
                    if sample.has_room(settings) {
                        let most = share.min(settings.sample - usize::try_from(sample.records).unwrap_or(usize::MAX));
                        ongoing.say(|| format!("{} records of {} files read, {blob}", sample.records, sample.files));
                        sample.add(&container, &blob, most).await?;
                    }
                }
            }
        }
        drop(ongoing);
        if sample.documents.is_empty() {
            let why = match sample.reasons.first() {
                Some(reason) => format!(" could be read with format={}: {reason}", settings.format),
                None if sample.files == 0 => {
                    ": check --blob, --event-hub (or --namespace and --hub) and --name-format".into()
                }
                None => format!(": its {} files are empty", sample.files),
            };
            let (hub, blob) = (settings.hub.to_string(), settings.blob.to_string());
            return Err(TableError::Nothing { hub, blob, why });
        }
        Ok(sample)
    }

    fn has_room(&self, settings: &TableSettings) -> bool {
        usize::try_from(self.records).is_ok_and(|records| records < settings.sample) && self.bytes < MOST_BYTES
    }

    async fn add(&mut self, container: &Container, blob: &str, most: usize) -> Result<(), TableError> {
        let (sender, chunks) = mpsc::channel(2);
        let mut stream = container.read(blob, None, 0);
        let (decoding, registry) = (self.decoding.clone(), self.registry.clone());
        let read = tokio::task::spawn_blocking(move || {
            part(Chunks { chunks, current: Bytes::new() }, &decoding, registry.as_deref(), most)
        });
        let mut failure = None;
        while let Some(chunk) = stream.next().await {
            let (chunk, last) = match chunk {
                Ok(chunk) => (Ok(chunk), false),
                Err(error) => {
                    let told = io::Error::other(error.to_string());
                    failure = Some(error);
                    (Err(told), true)
                }
            };
            // Nobody takes it once there is enough.
            if sender.send(chunk).await.is_err() || last {
                break;
            }
        }
        drop((stream, sender));
        let part = read.await.map_err(|_| TableError::Broken)??;
        if let Some(error) = failure {
            if !error.may_be_its_own() {
                return Err(error.into());
            }
            tracing::warn!("{error}; it is left out");
        }
        self.files += 1;
        self.records += part.records;
        self.skipped += part.skipped;
        self.unread += part.unread;
        self.bytes += part.bytes;
        self.most_rows = self.most_rows.max(part.most_rows);
        self.documents.extend(part.documents);
        let room = REASONS.saturating_sub(self.reasons.len());
        self.reasons.extend(part.reasons.into_iter().take(room));
        Ok(())
    }

    /// Notes a document that makes no row.
    pub(super) fn reject(&mut self, reason: String) {
        self.unread += 1;
        if self.reasons.len() < REASONS {
            self.reasons.push(reason);
        }
    }

    /// What it is, as comments.
    pub(super) fn told(&self) -> String {
        let Sample { documents, records, files, partitions, skipped, unread, reasons, .. } = self;
        let mut text = format!(
            "-- Told from {records} records ({} rows) of {files} files of {partitions} partitions.",
            documents.len()
        );
        if *skipped > 0 {
            text.push_str(&format!("\n-- {skipped} records make no rows: tombstones, or batches of none."));
        }
        if *unread > 0 {
            text.push_str(&format!("\n-- {unread} records or rows cannot be loaded, whatever the table:"));
            reasons.iter().for_each(|reason| text.push_str(&format!("\n--   {}", reason.replace('\n', " "))));
        }
        text
    }
}

/// The names of the files of each partition that have bytes, oldest first.
async fn files(container: &Container, settings: &TableSettings) -> Result<BTreeMap<i32, VecDeque<String>>, TableError> {
    let mut partitions: BTreeMap<i32, Vec<(time::OffsetDateTime, String)>> = BTreeMap::new();
    let mut pages = container.list(&settings.name_format.prefix(&settings.hub, None, None), None);
    while let Some(page) = pages.next().await {
        for BlobEntry { name: blob, size, archived, .. } in page? {
            let Some(name) = settings.name_format.parse(&settings.hub, &blob) else { continue };
            if size > 0 && !archived {
                partitions.entry(name.partition.0).or_default().push((name.window_start, blob));
            }
        }
    }
    let sorted = |mut files: Vec<(time::OffsetDateTime, String)>| {
        files.sort();
        files.into_iter().map(|(_, blob)| blob).collect()
    };
    Ok(partitions.into_iter().map(|(partition, files)| (partition, sorted(files))).collect())
}

/// Reads so many records of a file. What is damaged behind them is no matter here.
fn part(
    chunks: Chunks,
    decoding: &Decoding,
    registry: Option<&Registry>,
    most: usize,
) -> Result<Sample, RegistryError> {
    let mut part = Sample::default();
    let mut reader = Reader::new(decoding, Wanted::all());
    let mut failure = None;
    let read = read_events(chunks, ReadLimits::default(), |event| {
        part.records += 1;
        if let Some(Err(error)) = registry.map(|registry| known(registry, decoding, &mut reader, &event)) {
            failure = Some(error);
            return ControlFlow::Break(Stop::Enough);
        }
        match reader.read(event.body, &event.attributes) {
            Ok(documents) => {
                part.most_rows = part.most_rows.max(documents.len());
                for document in documents {
                    part.bytes += document.len();
                    part.documents.push(document.to_owned());
                }
            }
            Err(Undecodable::Nothing) => part.skipped += 1,
            Err(Undecodable::Schema(id)) => {
                part.unread += 1;
                part.reasons.push(format!("sequence number {}: schema {id} is not known", event.sequence_number));
            }
            Err(Undecodable::Bad(reason)) => {
                part.unread += 1;
                part.reasons.push(format!("sequence number {}: {reason}", event.sequence_number));
            }
        }
        let enough = usize::try_from(part.records).is_ok_and(|records| records >= most) || part.bytes >= MOST_BYTES;
        if enough { ControlFlow::Break(Stop::Enough) } else { ControlFlow::Continue(()) }
    });
    if let Err(error) = read {
        tracing::debug!(%error, "the rest of a file is not read");
    }
    part.reasons.truncate(REASONS);
    failure.map_or(Ok(part), Err)
}

/// Asks for the schema that a record names, if nothing is known of it.
fn known(
    registry: &Registry,
    decoding: &Decoding,
    reader: &mut Reader,
    event: &Event<'_>,
) -> Result<(), RegistryError> {
    let id = match reader.read(event.body, &event.attributes) {
        Err(Undecodable::Schema(id)) => id,
        _ => return Ok(()),
    };
    match Handle::current().block_on(registry.schema(&id)) {
        Ok(text) => decoding.schemas.put(id, Ok(Arc::new(text))),
        Err(RegistryError::Unknown(reason)) => decoding.schemas.put(id, Err(reason)),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// A file's bytes as they come, for a thread that may block.
struct Chunks {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let length = out.len().min(self.current.len());
        out[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}
