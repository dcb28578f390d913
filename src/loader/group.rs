//! A group of files on its way: decoded, written, made durable, receipted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::future::{try_join, try_join_all};
use metrics::histogram;
use time::OffsetDateTime;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::decode::{BatchLimits, Decoded, Decoder, FileEnd};
use super::error::LoadError;
use super::fetch::fetch;
use super::lane::Lane;
use super::patience::Patience;
use super::progress::{Counts, Progress};
use super::write::{Tally, Target, Written};
use crate::azure::blob::{BlobError, Container};
use crate::base::killpoint::{Side, Step, pass};
use crate::ledger::{Contents, Entry, FileVersion, Outcome};
use crate::rows::Table;

/// What loading a group needs, and how much of it at once.
pub(super) struct Means<'l> {
    pub(super) container: &'l Container,
    pub(super) patience: &'l Patience,
    pub(super) progress: &'l Progress,
    pub(super) batch: BatchLimits,
    pub(super) parallel_files: usize,
}

/// Records the store keeps from now on. Made only by a flush that followed their writing.
struct Durable {
    entries: Vec<Entry>,
    unmapped: u64,
}

/// Files noted as done.
pub(super) struct Receipt {
    pub(super) entries: Vec<Entry>,
    /// A file that was gone or replaced when it was to be read, if there was one: list again.
    pub(super) gone: Option<BlobError>,
}

/// Loads a group of one hub's files into one table.
///
/// # Errors
/// When patience ends, or the store or a file's container refuses for good. Nothing is then noted as done, and the
/// whole group may be repeated.
pub(super) async fn load(
    means: &Means<'_>,
    hub: &str,
    table: &Arc<Table>,
    files: Vec<FileVersion>,
    lanes: &mut [Lane],
) -> Result<Receipt, LoadError> {
    let files: Arc<[FileVersion]> = files.into();
    let (sender, receiver) = mpsc::channel(lanes.len());
    let receiver = AsyncMutex::new(receiver);
    let target = Target { hub, table, files: &files };
    let writers = lanes.iter_mut().map(|lane| write_all(&receiver, &target, lane));
    let ((contents, gone), written) =
        try_join(decode_all(means, hub, table, &files, sender), try_join_all(writers)).await?;
    let written: Vec<Written> = written.into_iter().flatten().collect();
    let Some(lane) = lanes.first_mut() else { return Err(LoadError::Broken("writing")) };
    let durable = Durable::flush(&files, contents, written, lane).await?;
    let entries = durable.receipt(means, &target, lane).await?;
    Ok(Receipt { entries, gone })
}

/// Decodes all files, several at once, and says what was in each; `None` for one that is gone, of which one is told.
pub(super) async fn decode_all(
    means: &Means<'_>,
    hub: &str,
    table: &Arc<Table>,
    files: &Arc<[FileVersion]>,
    sender: mpsc::Sender<Decoded>,
) -> Result<(Vec<Option<Contents>>, Option<BlobError>), LoadError> {
    let queue = Arc::new(Mutex::new((0..files.len()).collect::<VecDeque<_>>()));
    let workers = (0..means.parallel_files.min(files.len())).map(|_| {
        let mut decoder = Decoder::new(hub, table, means.batch, &means.progress.unmapped_fields, sender.clone());
        let (queue, files) = (queue.clone(), files.clone());
        let (container, patience) = (means.container.clone(), means.patience.clone());
        let worker = tokio::task::spawn_blocking(move || {
            let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let mut ends = Vec::new();
            // The file after the one at hand is fetched meanwhile.
            let start = |index: usize| (index, fetch(&container, &files[index], &patience));
            let mut ahead = next().map(start);
            while let Some((index, source)) = ahead {
                ahead = next().map(start);
                ends.push((index, decoder.decode(index, &files[index], source)?));
            }
            decoder.finish()?;
            Ok::<_, LoadError>(ends)
        });
        async { worker.await.unwrap_or(Err(LoadError::Broken("decoding"))) }
    });
    let workers: Vec<_> = workers.collect();
    drop(sender);
    let (mut contents, mut gone) = (vec![None; files.len()], None);
    for (index, end) in try_join_all(workers).await?.into_iter().flatten() {
        match end {
            FileEnd::Read(found) => contents[index] = Some(found),
            FileEnd::Gone(error) => {
                tracing::warn!("{error}; the next listing decides");
                gone = Some(error);
            }
        }
    }
    Ok((contents, gone))
}

async fn write_all(
    receiver: &AsyncMutex<mpsc::Receiver<Decoded>>,
    target: &Target<'_>,
    lane: &mut Lane,
) -> Result<Vec<Written>, LoadError> {
    let mut written = Vec::new();
    loop {
        let next = receiver.lock().await.recv().await;
        let Some(decoded) = next else { return Ok(written) };
        written.push(decoded.write(target, lane).await?);
    }
}

impl Durable {
    /// Waits until what was written is durable.
    async fn flush(
        files: &[FileVersion],
        contents: Vec<Option<Contents>>,
        written: Vec<Written>,
        lane: &mut Lane,
    ) -> Result<Self, LoadError> {
        pass(Side::Before, Step::Flushed);
        let began = Instant::now();
        lane.persist(async |session| session.flush().await).await?;
        histogram!("deltawave_loader_flush_seconds").record(began.elapsed());
        pass(Side::After, Step::Flushed);
        let loaded_at = OffsetDateTime::now_utc();
        let mut tallies = vec![Tally::default(); files.len()];
        for (file, tally) in written.iter().flat_map(|written| &written.tallies) {
            tallies[*file].loaded += tally.loaded;
            tallies[*file].rejected += tally.rejected;
        }
        let mut entries = Vec::with_capacity(files.len());
        for ((file, contents), Tally { loaded, rejected }) in files.iter().zip(contents).zip(tallies) {
            let Some(contents) = contents else { continue };
            let accounted = loaded + rejected + contents.skipped;
            if accounted != contents.records {
                let (blob, records) = (file.blob.clone(), contents.records);
                return Err(LoadError::Miscounted { blob, records, written: accounted });
            }
            entries.push(Entry { file: file.clone(), contents, loaded, rejected, loaded_at });
        }
        Ok(Durable { entries, unmapped: written.iter().map(|written| written.unmapped).sum() })
    }

    /// Notes the files as done. The rows need no flush: should they be lost, the files are loaded again.
    async fn receipt(self, means: &Means<'_>, target: &Target<'_>, lane: &mut Lane) -> Result<Vec<Entry>, LoadError> {
        let Durable { entries, unmapped } = self;
        let (container, table) = (means.container.name(), target.table);
        pass(Side::Before, Step::Receipted);
        lane.persist(async |session| session.note_files(container, table.name(), &entries).await).await?;
        pass(Side::After, Step::Receipted);
        let mut counts = Counts { unmapped, ..Counts::default() };
        for Entry { file, contents, loaded, rejected, .. } in &entries {
            counts.files += 1;
            counts.loaded += loaded;
            counts.rejected += rejected;
            counts.bytes += file.size;
            let (blob, table) = (&file.blob, table.name());
            if contents.skipped > 0 {
                tracing::info!(%blob, %table, skipped = contents.skipped, "tombstones skipped");
            }
            match &contents.outcome {
                Outcome::Loaded if *rejected > 0 => {
                    tracing::warn!(%blob, %table, loaded, rejected, "file loaded, but for what is in rejected_events");
                }
                Outcome::Loaded => tracing::info!(%blob, %table, loaded, rejected, "file loaded"),
                Outcome::Quarantined { reason, .. } => {
                    counts.quarantined += 1;
                    tracing::error!(%blob, %table, loaded, rejected, %reason, "file quarantined");
                }
            }
        }
        means.progress.add(counts);
        means.progress.health.loaded(target.hub, &entries, unmapped);
        Ok(entries)
    }
}
