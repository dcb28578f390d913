//! A group of files on its way into a Delta table.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use time::OffsetDateTime;

use super::super::decode::FileEnd;
use super::super::error::LoadError;
use super::super::group::Reading;
use super::super::journey::{Journeys, Sightings};
use super::super::progress::{Counts, Progress};
use super::super::slots::Slots;
use super::partition::{Made, Making};
use super::way::Way;
use crate::azure::blob::BlobError;
use crate::capture::PartitionId;
use crate::lake::{Committed, Group, NotedFile};
use crate::ledger::{Contents, Entry, FileVersion, Outcome};
use crate::traces;

/// What loading a group needs.
pub(super) struct Means<'l> {
    pub(super) way: &'l Way,
    pub(super) reading: Reading<'l>,
    pub(super) slots: &'l Slots,
    pub(super) progress: &'l Progress,
    pub(super) route: &'l Arc<str>,
    pub(super) hub: &'l str,
    pub(super) sightings: &'l Sightings,
}

/// What became of a group.
#[derive(Default)]
pub(super) struct Outcomes {
    /// Files that are committed and noted.
    pub(super) entries: Vec<Entry>,
    /// Files that were noted by another loader meanwhile.
    pub(super) known: Vec<FileVersion>,
    /// Files that cannot be read, and they alone.
    pub(super) refused: Vec<(FileVersion, BlobError)>,
    /// Of files that were gone or replaced, one.
    pub(super) gone: Option<(FileVersion, BlobError)>,
}

/// Decodes a group of one hub's files, and commits it. What is in none of the outcomes is to be tried again.
///
/// # Errors
/// When patience ends. What was uploaded by then belongs to nothing.
pub(super) async fn load(means: &Means<'_>, files: Vec<FileVersion>) -> Result<Outcomes, LoadError> {
    let Means { way, reading, route, hub, .. } = means;
    let mut outcomes = Outcomes::default();
    let lake = &way.lake;
    let container = reading.container.name();
    let partitions: BTreeMap<PartitionId, i64> =
        files.iter().map(|file| (file.name.partition, lake.basis(hub, file.name.partition.0))).collect();
    // Looked at after the basis, so that what comes between makes the group stale.
    let (known, files): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| lake.is_loaded(container, &file.blob, &file.etag));
    outcomes.known = known;
    if files.is_empty() {
        return Ok(outcomes);
    }
    let files: Arc<[FileVersion]> = files.into();
    let place = means.slots.take(files.iter().map(|file| file.size).sum()).await;
    let journeys = Journeys::begin(route, lake.table().name(), &files, means.sightings);
    let made = make(means, &files, &journeys).await.inspect_err(|error| journeys.failed(error))?;
    drop(place);
    if let Some(unread) = unread(means, &files, &made).await? {
        return Ok(Outcomes { known: outcomes.known, ..unread });
    }
    let entries = entries(&files, &made, lake.table().is_indexed())?;
    let noted = |entry: &Entry| {
        let number = files.iter().position(|file| file.blob == entry.file.blob).unwrap_or_default();
        let tally = made.iter().find_map(|made| made.tallies.get(&number)).copied().unwrap_or_default();
        NotedFile::of(container, entry, tally.already_there, tally.already_rejected)
    };
    let group = Group {
        id: uuid::Uuid::new_v4().to_string(),
        rows: made.iter().flat_map(|made| made.rows.iter().cloned()).collect(),
        rejected: made.iter().flat_map(|made| made.rejected.iter().cloned()).collect(),
        files: entries.iter().map(noted).collect(),
        basis: partitions.into_iter().map(|(partition, basis)| (partition.0, basis)).collect(),
    };
    let began = traces::now();
    let committed = way.commit(reading.patience, &group, hub).await.inspect_err(|error| journeys.failed(error))?;
    match committed {
        Committed::Stale => tracing::info!(route = &***route, "another loader was faster: what is left is made anew"),
        Committed::Done => {
            journeys.together("commit", began);
            tell(means, &entries, made.iter().map(|made| made.unmapped).sum(), &journeys);
            outcomes.entries = entries;
        }
    }
    Ok(outcomes)
}

/// Decodes all partitions' files, several partitions at once.
async fn make(means: &Means<'_>, files: &Arc<[FileVersion]>, journeys: &Journeys) -> Result<Vec<Made>, LoadError> {
    means.reading.decoding.schemas.forget_unknown();
    let mut partitions: BTreeMap<PartitionId, Vec<usize>> = BTreeMap::new();
    for (number, file) in files.iter().enumerate() {
        partitions.entry(file.name.partition).or_default().push(number);
    }
    for numbers in partitions.values_mut() {
        numbers.sort_by_key(|number| (files[*number].name.window_start, files[*number].blob.clone()));
    }
    let making = Making { way: means.way, reading: &means.reading, hub: means.hub, files, journeys };
    let make = partitions.into_iter().map(|(partition, numbers)| making.make(partition, numbers));
    stream::iter(make).buffered(means.reading.parallel_files.max(1)).try_collect().await
}

/// Files that were not read, if there are any: those that are refused alone, and one that is gone.
async fn unread(means: &Means<'_>, files: &[FileVersion], made: &[Made]) -> Result<Option<Outcomes>, LoadError> {
    let ends = || made.iter().flat_map(|made| &made.ends);
    let mut unread = Outcomes::default();
    for (number, end) in ends() {
        match end {
            FileEnd::Read(_) => {}
            FileEnd::Gone(error) => {
                tracing::warn!("{error}; the next listing decides");
                unread.gone = Some((files[*number].clone(), error.clone()));
            }
            FileEnd::Refused(error) => unread.refused.push((files[*number].clone(), error.clone())),
        }
    }
    if unread.refused.is_empty() && unread.gone.is_none() {
        return Ok(None);
    }
    let read = ends().any(|(_, end)| matches!(end, FileEnd::Read(_)));
    let containers = unread.refused.iter().find(|(_, error)| !error.is_its_own());
    if let Some((_, error)) = containers.filter(|_| !read) {
        // Nothing could be read: it is the container's trouble until one of them can.
        means.reading.patience.trouble().pause(error.clone()).await?;
        unread.refused.clear();
    }
    Ok(Some(unread))
}

/// What is noted of each file.
fn entries(files: &[FileVersion], made: &[Made], indexed: bool) -> Result<Vec<Entry>, LoadError> {
    let loaded_at = OffsetDateTime::now_utc();
    let mut entries = Vec::with_capacity(files.len());
    for made in made {
        for (number, end) in &made.ends {
            let FileEnd::Read(contents) = end else { continue };
            let tally = made.tallies.get(number).copied().unwrap_or_default();
            let contents: Contents = contents.clone();
            let accounted = tally.loaded + tally.rejected + contents.skipped;
            if accounted != contents.records {
                let (blob, records) = (files[*number].blob.clone(), contents.records);
                return Err(LoadError::Miscounted { blob, records, written: accounted });
            }
            let rows = indexed.then_some(tally.rows);
            let (loaded, rejected) = (tally.loaded, tally.rejected);
            entries.push(Entry { file: files[*number].clone(), contents, loaded, rows, rejected, loaded_at });
        }
    }
    Ok(entries)
}

fn tell(means: &Means<'_>, entries: &[Entry], unmapped: u64, journeys: &Journeys) {
    let mut counts = Counts { unmapped, ..Counts::default() };
    let table = means.way.lake.table().name();
    for entry in entries {
        let Entry { file, contents, loaded, rejected, .. } = entry;
        let trace_id = journeys.arrived(entry);
        counts.files += 1;
        counts.loaded += loaded;
        counts.rejected += rejected;
        counts.bytes += file.size;
        let blob = &file.blob;
        match &contents.outcome {
            Outcome::Loaded if *rejected > 0 => {
                tracing::warn!(%blob, %table, loaded, rejected, trace_id, "file loaded, but for what is in the table's __rejected");
            }
            Outcome::Loaded => tracing::info!(%blob, %table, loaded, rejected, trace_id, "file loaded"),
            Outcome::Quarantined { reason, .. } => {
                counts.quarantined += 1;
                tracing::error!(%blob, %table, loaded, rejected, trace_id, %reason, "file quarantined");
            }
        }
    }
    means.progress.add(counts);
    means.progress.loaded(means.route, means.hub, entries, unmapped);
}
