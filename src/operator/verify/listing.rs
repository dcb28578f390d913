use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use futures::StreamExt as _;
use time::OffsetDateTime;

use super::finding::{Findings, Kind};
use crate::azure::blob::{BlobError, Container};
use crate::capture::{EnqueuedTime, NameFormat, PartitionId};
use crate::ledger::{Coverage, CoveredFile};
use crate::settings::Route;

/// The finished files of one partition, by name.
pub(super) type Listed = BTreeMap<String, ListedFile>;

/// A finished file.
#[derive(Debug, Clone)]
pub(super) struct ListedFile {
    /// When its window started, as the ledger writes it.
    window_start: String,
    etag: String,
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
            let file = ListedFile { window_start, etag: blob.etag, last_modified: blob.last_modified };
            partitions.entry(name.partition).or_default().insert(blob.name, file);
        }
    }
    Ok(partitions)
}

/// Holds the ledger against the listing, which was made before the ledger was read, and gives how many files wait to be
/// loaded.
pub(super) fn compare(
    container: &Container,
    coverage: &Coverage,
    mut listed: Listed,
    settle: Duration,
    findings: &mut Findings<'_>,
) -> u64 {
    let newest = coverage.files().iter().map(|file| &file.window_start).max();
    let (mut vanished, mut waiting) = (0, 0);
    for CoveredFile { blob, etag, .. } in coverage.files().iter().filter(|file| file.container == container.name()) {
        match listed.entry(blob.clone()) {
            // One that was replaced is loaded again.
            Entry::Occupied(file) => waiting += u64::from(file.remove().etag != *etag),
            Entry::Vacant(_) => vanished += 1,
        }
    }
    if vanished > 0 {
        let text = format!(
            "{vanished} loaded files are no longer in {}: they cannot be loaded again, should the store be lost",
            container.address()
        );
        findings.add(Kind::Note, None, None, text);
    }
    let old = OffsetDateTime::now_utc() - settle;
    for (blob, file) in listed {
        if newest.is_some_and(|newest| file.window_start < *newest) && file.last_modified < old {
            let text = format!(
                "finished file {blob} is not in the ledger though later ones are: the loader takes it at its next full \
                 listing or restart"
            );
            findings.add(Kind::Hole, None, Some(&blob), text);
        } else {
            waiting += 1;
        }
    }
    waiting
}
