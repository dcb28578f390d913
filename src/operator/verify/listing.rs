use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures::StreamExt as _;
use time::OffsetDateTime;

use super::finding::{Findings, REPLAY};
use crate::azure::blob::{BlobEntry, BlobError, Container};
use crate::capture::{EnqueuedTime, NameFormat, PartitionId};
use crate::ledger::{Coverage, CoveredFile, FileState, FileVersion, TO_BE_LOADED_AGAIN};
use crate::settings::Route;

/// The finished files of one partition, by name.
pub(super) type Listed = BTreeMap<String, ListedFile>;

/// A finished file.
#[derive(Debug, Clone)]
pub(super) struct ListedFile {
    /// When its window started, as the ledger writes it.
    window_start: String,
    etag: String,
    size: u64,
    last_modified: OffsetDateTime,
    /// Whether it cannot be read where it is kept.
    pub(super) archived: bool,
}

/// Lists all finished files of a hub.
pub(super) async fn list(
    container: &Container,
    format: &NameFormat,
    route: &Route,
) -> Result<BTreeMap<PartitionId, Listed>, BlobError> {
    let mut partitions: BTreeMap<PartitionId, Listed> = BTreeMap::new();
    let mut pages = container.list(&format.prefix(&route.hub, None, None), None);
    while let Some(page) = pages.next().await {
        for blob in page? {
            let Some(name) = format.parse(&route.hub, &blob.name) else { continue };
            let window_start = EnqueuedTime::from_utc(name.window_start).sql();
            let BlobEntry { name: blob, etag, size, last_modified, archived } = blob;
            let file = ListedFile { window_start, etag, size, last_modified, archived };
            partitions.entry(name.partition).or_default().insert(blob, file);
        }
    }
    Ok(partitions)
}

/// A listed file as a loader wants it; `None` for one that is not listed.
pub(super) fn version(listed: &Listed, format: &NameFormat, route: &Route, blob: &str) -> Option<FileVersion> {
    let ListedFile { etag, size, last_modified, .. } = listed.get(blob)?;
    let name = format.parse(&route.hub, blob)?;
    let committed_at = Some(*last_modified);
    Some(FileVersion { blob: blob.to_owned(), etag: etag.clone(), size: *size, committed_at, name })
}

/// What to do about a file that is to be loaded again and is archived.
pub(super) const REHYDRATE: &str =
    "rehydrate it (az storage blob set-tier --tier Cool); the loader then loads it, or deltawave replay --holes";
/// What to do about a file that the loader could not read.
const LOADER_TRIES: &str = "mend that; the loader tries again by itself, and so does deltawave replay --holes";

/// Files that are finished and not loaded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unloaded {
    /// Those that are on their way.
    pub(super) waiting: u64,
    /// Those among them that are older than what is loaded: a loader at work loads the newest first.
    pub(super) backlog: u64,
}

/// Holds the ledger against the listing, which was made before the ledger was read. `waits` has what the ledger says of
/// some files that are not loaded; where a loader is `at_work`, the others may be its backlog.
pub(super) fn compare(
    container: &Container,
    coverage: &Coverage,
    waits: &HashMap<String, String>,
    listed: &Listed,
    settle: Duration,
    at_work: bool,
    findings: &mut Findings<'_>,
) -> Unloaded {
    let newest = coverage.files().iter().map(|file| &file.window_start).max();
    let (mut vanished, mut waiting, mut backlog) = (0, 0, 0);
    let mut known = HashSet::new();
    for file in coverage.files().iter().filter(|file| file.container == container.name()) {
        let CoveredFile { blob, etag, state, .. } = file;
        known.insert(blob.as_str());
        match listed.get(blob) {
            // One that was replaced is loaded again.
            Some(file) => waiting += u64::from(file.etag != *etag),
            None => vanished += u64::from(*state != FileState::Pruned),
        }
    }
    if vanished > 0 {
        let text = format!(
            "{vanished} loaded files are no longer in {}: they cannot be loaded again, should the store be lost",
            container.address()
        );
        findings.note((), text);
    }
    let old = OffsetDateTime::now_utc() - settle;
    for (blob, file) in listed.iter().filter(|(blob, _)| !known.contains(blob.as_str())) {
        let forgotten = newest.is_some_and(|newest| file.window_start < *newest) && file.last_modified < old;
        if forgotten && at_work && !file.archived && !waits.contains_key(blob) {
            (waiting, backlog) = (waiting + 1, backlog + 1);
            continue;
        }
        if forgotten {
            let (text, cure) = match waits.get(blob).filter(|reason| *reason != TO_BE_LOADED_AGAIN) {
                Some(reason) => (format!("finished file {blob} waits: {reason}"), LOADER_TRIES.to_owned()),
                None if file.archived => {
                    (format!("finished file {blob} is archived, and not loaded yet"), REHYDRATE.to_owned())
                }
                None => {
                    let cure = format!("{REPLAY}; so does the loader at its next full listing or restart");
                    (format!("finished file {blob} is not in the ledger though later ones are"), cure)
                }
            };
            findings.hole(blob.as_str(), text, &cure);
        } else {
            waiting += 1;
        }
        if (forgotten || newest.is_none()) && !file.archived {
            findings.load_again(blob);
        }
    }
    if waiting > 0 && newest.is_none() {
        let text = format!("none of its {waiting} finished files is in the ledger: nothing is proven of it");
        findings.unproven((), text, "start the loader, or let deltawave replay --holes load them");
    }
    if backlog > 0 {
        let text = format!(
            "{backlog} finished files older than the newest loaded one are not in the ledger yet: a loader noted files \
             within the last {} s, and loads the newest first",
            settle.as_secs()
        );
        findings.unproven((), text, "look again when its backlog is loaded (its /readyz and log tell)");
    }
    Unloaded { waiting, backlog }
}
