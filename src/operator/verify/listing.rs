use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use futures::StreamExt as _;
use time::OffsetDateTime;

use super::finding::{Findings, REPLAY};
use crate::azure::blob::{BlobError, Container};
use crate::capture::{EnqueuedTime, NameFormat, PartitionId};
use crate::ledger::{Coverage, CoveredFile, FileState, FileVersion};
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
            let mut window_start = String::new();
            EnqueuedTime::from_utc(name.window_start).push_sql(&mut window_start);
            let file = ListedFile { window_start, etag: blob.etag, size: blob.size, last_modified: blob.last_modified };
            partitions.entry(name.partition).or_default().insert(blob.name, file);
        }
    }
    Ok(partitions)
}

/// A listed file as a loader wants it; `None` for one that is not listed.
pub(super) fn version(listed: &Listed, format: &NameFormat, route: &Route, blob: &str) -> Option<FileVersion> {
    let ListedFile { etag, size, .. } = listed.get(blob)?;
    let name = format.parse(&route.hub, blob)?;
    Some(FileVersion { blob: blob.to_owned(), etag: etag.clone(), size: *size, name })
}

/// Holds the ledger against the listing, which was made before the ledger was read, and gives how many files wait to be
/// loaded.
pub(super) fn compare(
    container: &Container,
    coverage: &Coverage,
    listed: &Listed,
    settle: Duration,
    findings: &mut Findings<'_>,
) -> u64 {
    let newest = coverage.files().iter().map(|file| &file.window_start).max();
    let (mut vanished, mut waiting) = (0, 0);
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
        if forgotten {
            let cure = format!("{REPLAY}; so does the loader at its next full listing or restart");
            findings.hole(
                blob.as_str(),
                format!("finished file {blob} is not in the ledger though later ones are"),
                &cure,
            );
        } else {
            waiting += 1;
        }
        if forgotten || newest.is_none() {
            findings.load_again(blob);
        }
    }
    if waiting > 0 && newest.is_none() {
        let text = format!("none of its {waiting} finished files is in the ledger: nothing is proven of it");
        findings.unproven((), text, "start the loader, or let deltawave replay --holes load them");
    }
    waiting
}
