//! A group of files on its way: decoded, written, flushed, counted, receipted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use futures::future::{try_join, try_join_all};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::count::{Counted, Flushed};
use super::decode::{BatchLimits, Decoded, Decoder, FileEnd};
use super::error::LoadError;
use super::fetch::fetch;
use super::journey::{Journeys, Sightings};
use super::live::Common;
use super::patience::Patience;
use super::pool::Store;
use super::progress::{Counts, Progress};
use super::registrar::Registrar;
use super::rewrite::Rewriting;
use super::slots::Slots;
use super::unmapped::UnmappedFields;
use super::write::{Target, Written};
use crate::azure::blob::{BlobError, Container};
use crate::base::killpoint::{Side, Step, pass};
use crate::formats::Decoding;
use crate::ledger::{Contents, Entry, FileVersion, Outcome};
use crate::rows::Table;
use crate::traces::{self, counted};

/// What reading files needs, and how much of it at once.
#[derive(Clone, Copy)]
pub(super) struct Reading<'l> {
    pub(super) container: &'l Container,
    pub(super) patience: &'l Patience,
    pub(super) unmapped: &'l Arc<UnmappedFields>,
    pub(super) decoding: &'l Decoding,
    /// Who is asked for schemas, if bodies name any.
    pub(super) registrar: Option<&'l Registrar>,
    pub(super) batch: BatchLimits,
    pub(super) parallel_files: usize,
    /// What the live lane knows, where there is one.
    pub(super) live: Option<&'l Arc<Common>>,
}

/// What loading a group needs.
pub(super) struct Means<'l> {
    pub(super) reading: Reading<'l>,
    pub(super) store: &'l Store,
    pub(super) slots: &'l Slots,
    pub(super) progress: &'l Progress,
    pub(super) route: &'l Arc<str>,
    /// How the files were found.
    pub(super) sightings: &'l Sightings,
    /// A blob that could be read.
    pub(super) readable: &'l AsyncMutex<Option<String>>,
}

/// Files noted as done.
#[derive(Default)]
pub(super) struct Receipt {
    pub(super) entries: Vec<Entry>,
    /// Files that cannot be read, and they alone: nothing is noted of them.
    pub(super) refused: Vec<(FileVersion, BlobError)>,
    /// A file that was gone or replaced when it was to be read, if there was one: list again.
    pub(super) gone: Option<BlobError>,
}

/// A group whose rows the store has acknowledged, which proves nothing yet.
pub(super) struct Acknowledged {
    files: Arc<[FileVersion]>,
    journeys: Journeys,
    contents: Vec<Option<Contents>>,
    written: Vec<Written>,
    /// What the receipt says of files that were not read.
    unread: Receipt,
}

/// Decodes a group of one hub's files and writes it into one table. Memory is held only while something is done, never
/// through a pause.
///
/// # Errors
/// When patience ends, trouble lasts, or the store or a file's container refuses for good.
pub(super) async fn write(
    means: &Means<'_>,
    hub: &str,
    table: &Arc<Table>,
    files: Vec<FileVersion>,
) -> Result<Acknowledged, LoadError> {
    write_on(means, hub, table, files, None).await
}

/// As [`write`], of files that were written before, with what is told of them.
async fn write_on(
    means: &Means<'_>,
    hub: &str,
    table: &Arc<Table>,
    files: Vec<FileVersion>,
    before: Option<Journeys>,
) -> Result<Acknowledged, LoadError> {
    let files: Arc<[FileVersion]> = files.into();
    let place = means.slots.take(files.iter().map(|file| file.size).sum()).await;
    let journeys = match before {
        Some(journeys) => journeys.only(&files),
        None => Journeys::begin(means.route, table.name(), &files, means.sightings),
    };
    let live = means.reading.live.map(Arc::as_ref);
    let target = Target { hub, table, decoding: means.reading.decoding, files: &files, journeys: &journeys, live };
    let attempted = attempt(means, &target, table, &files).await;
    let (contents, unread, written) = attempted.inspect_err(|error| journeys.failed(error))?;
    drop(place);
    let unread = set_aside(means, &files, &contents, unread).await?;
    Ok(Acknowledged { files, journeys, contents, written, unread })
}

/// Writes a group and proves it.
///
/// # Errors
/// As [`write`]. What is not in the receipt then may be repeated.
pub(super) async fn load(
    means: &Means<'_>,
    hub: &str,
    table: &Arc<Table>,
    files: Vec<FileVersion>,
    receipt: &mut Receipt,
) -> Result<(), LoadError> {
    let group = write(means, hub, table, files).await?;
    prove(means, hub, table, group, receipt).await
}

/// Flushes and counts a group, and adds to the receipt what it has noted. What the store turns out not to have is written
/// again.
///
/// # Errors
/// As [`write`]. What is not in the receipt then may be repeated.
pub(super) async fn prove(
    means: &Means<'_>,
    hub: &str,
    table: &Arc<Table>,
    group: Acknowledged,
    receipt: &mut Receipt,
) -> Result<(), LoadError> {
    let mut rewriting = Rewriting::of(means.route, means.reading.patience, means.progress);
    let mut group = group;
    loop {
        let Acknowledged { files, journeys, contents, written, unread } = group;
        let live = means.reading.live.map(Arc::as_ref);
        let target = Target { hub, table, decoding: means.reading.decoding, files: &files, journeys: &journeys, live };
        receipt.gone = unread.gone.or(receipt.gone.take());
        receipt.refused.extend(unread.refused);
        let counted = async {
            let flushed = Flushed::flush(&target, contents, written, means.store).await?;
            flushed.count(&target, means.store).await
        };
        let mut counted = counted.await.inspect_err(|error| journeys.failed(error))?;
        let kind = means.store.persist(async |session| Ok(session.kind())).await?;
        let again = rewriting.judge(&mut counted, table.name(), kind);
        receipt.entries.extend(counted.receipt(means, &target).await?);
        if again.is_empty() {
            rewriting.done();
            return Ok(());
        }
        let again = rewriting.again(again, &target).await?;
        group = write_on(means, hub, table, again, Some(journeys)).await?;
    }
}

/// Files of a group that were not read.
#[derive(Default)]
pub(super) struct Unread {
    /// Of those that were gone or replaced, one.
    pub(super) gone: Option<BlobError>,
    /// By their numbers, those that were refused.
    pub(super) refused: Vec<(usize, BlobError)>,
}

/// Tells files that are refused alone from a container that refuses everything.
///
/// # Errors
/// When it is the container's trouble.
async fn set_aside(
    means: &Means<'_>,
    files: &[FileVersion],
    contents: &[Option<Contents>],
    unread: Unread,
) -> Result<Receipt, LoadError> {
    let Unread { gone, refused } = unread;
    let Reading { container, patience, .. } = means.reading;
    if let Some(read) = contents.iter().rposition(Option::is_some) {
        *means.readable.lock().await = Some(files[read].blob.clone());
    } else if let Some((_, error)) = refused.iter().find(|(_, error)| !error.is_its_own()) {
        // None of the group could be read: see whether one can that could before.
        let readable = means.readable.lock().await.clone();
        let others = match readable {
            Some(blob) => container.read(&blob, None, 0).next().await.is_some_and(|chunk| chunk.is_ok()),
            None => false,
        };
        if !others {
            patience.trouble().pause(error.clone()).await?;
            return Ok(Receipt { gone, ..Receipt::default() });
        }
    }
    let refused = refused.into_iter().map(|(number, error)| (files[number].clone(), error)).collect();
    Ok(Receipt { gone, refused, ..Receipt::default() })
}

/// Decodes and writes all of the files once.
async fn attempt(
    means: &Means<'_>,
    target: &Target<'_>,
    table: &Arc<Table>,
    files: &Arc<[FileVersion]>,
) -> Result<(Vec<Option<Contents>>, Unread, Vec<Written>), LoadError> {
    let (sender, receiver) = mpsc::channel(means.store.width);
    let receiver = AsyncMutex::new(receiver);
    let writers = (0..means.store.width).map(|_| write_all(&receiver, target, means.store));
    let ((contents, unread), written) =
        try_join(decode_all(&means.reading, target.hub, table, files, target.journeys, sender), try_join_all(writers))
            .await?;
    Ok((contents, unread, written.into_iter().flatten().collect()))
}

/// Decodes all files, several at once, and says what was in each; `None` for one that was not read.
pub(super) async fn decode_all(
    means: &Reading<'_>,
    hub: &str,
    table: &Arc<Table>,
    files: &Arc<[FileVersion]>,
    journeys: &Journeys,
    sender: mpsc::Sender<Decoded>,
) -> Result<(Vec<Option<Contents>>, Unread), LoadError> {
    // What no registry had may be there by now.
    means.decoding.schemas.forget_unknown();
    let queue = Arc::new(Mutex::new((0..files.len()).collect::<VecDeque<_>>()));
    let workers = (0..means.parallel_files.min(files.len())).map(|_| {
        let bodies = (means.decoding, means.registrar);
        let decoder = Decoder::new(hub, table, bodies, means.batch, means.unmapped, sender.clone());
        let mut decoder = decoder.telling(means.live);
        let (queue, files, journeys) = (queue.clone(), files.clone(), journeys.clone());
        let (container, patience) = (means.container.clone(), means.patience.clone());
        let worker = tokio::task::spawn_blocking(move || {
            let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let mut ends = Vec::new();
            // The file after the one at hand is fetched meanwhile.
            let start = |index: usize| (index, fetch(&container, &files[index], &patience, journeys.of(index)));
            let mut ahead = next().map(start);
            while let Some((index, source)) = ahead {
                ahead = next().map(start);
                let began = traces::now();
                let end = decoder.decode(index, &files[index], source)?;
                let records = || end.records().map(|records| counted("deltawave.records", records));
                journeys.step(index, "decode", began, || records().into_iter().collect());
                ends.push((index, end));
            }
            decoder.finish()?;
            Ok::<_, LoadError>(ends)
        });
        async { worker.await.unwrap_or(Err(LoadError::Broken("decoding"))) }
    });
    let workers: Vec<_> = workers.collect();
    drop(sender);
    let (mut contents, mut unread) = (vec![None; files.len()], Unread::default());
    for (index, end) in try_join_all(workers).await?.into_iter().flatten() {
        match end {
            FileEnd::Read(found) => contents[index] = Some(found),
            FileEnd::Gone(error) => {
                let trace = journeys.of(index);
                trace.failed(|| error.to_string());
                tracing::warn!(trace_id = trace.id(), "{error}; the next listing decides");
                unread.gone = Some(error);
            }
            FileEnd::Refused(error) => {
                journeys.of(index).failed(|| error.to_string());
                unread.refused.push((index, error));
            }
        }
    }
    Ok((contents, unread))
}

async fn write_all(
    receiver: &AsyncMutex<mpsc::Receiver<Decoded>>,
    target: &Target<'_>,
    store: &Store,
) -> Result<Vec<Written>, LoadError> {
    let mut written = Vec::new();
    loop {
        let next = receiver.lock().await.recv().await;
        let Some(decoded) = next else { return Ok(written) };
        written.push(decoded.write(target, store).await?);
    }
}

impl Counted {
    /// Notes the files of which every record is there as done. The ledger's rows need no flush: should they be lost, they
    /// are noted again, or the files are loaded again.
    async fn receipt(self, means: &Means<'_>, target: &Target<'_>) -> Result<Vec<Entry>, LoadError> {
        let Counted { whole: entries, unmapped, .. } = self;
        let (container, table) = (means.reading.container.name(), target.table);
        pass(Side::Before, Step::Receipted);
        let began = traces::now();
        means.store.persist(async |session| session.note_files(container, table.name(), &entries).await).await?;
        pass(Side::After, Step::Receipted);
        target.journeys.together("note", began);
        if let Some(live) = target.live {
            live.noted(&entries);
        }
        let mut counts = Counts { unmapped, ..Counts::default() };
        for entry in &entries {
            let Entry { file, contents, loaded, rejected, .. } = entry;
            let trace_id = target.journeys.arrived(entry);
            counts.files += 1;
            counts.loaded += loaded;
            counts.rejected += rejected;
            counts.bytes += file.size;
            let (blob, table) = (&file.blob, table.name());
            if contents.skipped > 0 {
                tracing::info!(%blob, %table, skipped = contents.skipped, trace_id, "tombstones skipped");
            }
            match &contents.outcome {
                Outcome::Loaded if *rejected > 0 => {
                    tracing::warn!(%blob, %table, loaded, rejected, trace_id, "file loaded, but for what is in rejected_events");
                }
                Outcome::Loaded => tracing::info!(%blob, %table, loaded, rejected, trace_id, "file loaded"),
                Outcome::Quarantined { reason, .. } => {
                    counts.quarantined += 1;
                    tracing::error!(%blob, %table, loaded, rejected, trace_id, %reason, "file quarantined");
                }
            }
        }
        means.progress.add(counts);
        means.progress.loaded(means.route, target.hub, &entries, unmapped);
        Ok(entries)
    }
}
