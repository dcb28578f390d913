//! Records that were rejected, and fit now: they leave `rejected_events` once their rows are there.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::verify::VerifyError;
use crate::capture::PartitionId;
use crate::ledger::{FileState, Runs};
use crate::loader::Again;
use crate::settings::Route;
use crate::store::{Identity, KeyRange, Rejection, Session, Shelf, StoreError};

/// Files whose rejected records are in memory at once.
const FILES: usize = 200;
/// Records looked up by one statement.
const LOOK: usize = 10_000;
/// How often a delete is repeated that a recovery of the store took back.
const TRIES: usize = 5;

/// Keeps of these files those that have records in `rejected_events`.
///
/// # Errors
/// When the store cannot be asked.
pub(super) async fn only_rejected(session: &Session, all: &mut [Again]) -> Result<(), StoreError> {
    for Again { route, files } in all {
        let rejected: HashSet<_> = session.rejected_files(&route.table, route.hub.name()).await?.into_iter().collect();
        files.retain(|file| rejected.contains(&(file.name.partition, file.blob.clone())));
    }
    Ok(())
}

/// Takes out of `rejected_events` the records of these files that are rows now, or that their files, loaded again, no
/// longer reject, and gives how many. Their rows must have been counted after a FLUSH.
///
/// # Errors
/// When the store cannot be asked: some may be out then. Whatever is left comes out the next time.
pub(super) async fn take_out(session: &Session, again: &[Again]) -> Result<usize, VerifyError> {
    let mut taken = 0;
    for Again { route, files } in again {
        let mut by_partition = BTreeMap::<PartitionId, BTreeSet<&str>>::new();
        for file in files {
            by_partition.entry(file.name.partition).or_default().insert(&file.blob);
        }
        for (partition, blobs) in by_partition {
            let blobs: Vec<_> = blobs.into_iter().collect();
            for blobs in blobs.chunks(FILES) {
                let rejected = session.rejections(&route.table, route.hub.name(), partition, blobs).await?;
                let fitting = fitting(session, route, partition, &rejected).await?;
                taken += fitting.len();
                delete(session, route, partition, fitting, blobs).await?;
            }
        }
    }
    Ok(taken)
}

async fn fitting(
    session: &Session,
    route: &Route,
    partition: PartitionId,
    rejected: &[Rejection],
) -> Result<Vec<Identity>, StoreError> {
    if rejected.is_empty() {
        return Ok(Vec::new());
    }
    let (target, hub) = (route.table.as_str(), route.hub.name());
    let ledger = session.ledger_files(target, hub, partition).await?;
    let rejects_none = |file: &crate::ledger::CoveredFile| file.rejected == 0 && file.state == FileState::Loaded;
    let clean: HashSet<_> = ledger.into_iter().filter(rejects_none).map(|file| file.blob).collect();
    let mut fitting = Vec::new();
    for part in rejected.chunks(LOOK) {
        let Some(run) = part.iter().map(|rejection| rejection.record).collect::<Runs>().hull() else { continue };
        let range = KeyRange { target, hub, partition, shelf: Shelf::Rows, run };
        let rows: HashSet<Identity> =
            session.records_in(&range, true).await?.into_iter().map(|(number, at, _)| (number, at)).collect();
        let fits = |rejection: &&Rejection| rows.contains(&rejection.record) || clean.contains(&rejection.blob);
        fitting.extend(part.iter().filter(fits).map(|rejection| rejection.record));
    }
    Ok(fitting)
}

/// Deletes records from `rejected_events`, until they are out after a FLUSH.
async fn delete(
    session: &Session,
    route: &Route,
    partition: PartitionId,
    records: Vec<Identity>,
    blobs: &[&str],
) -> Result<(), StoreError> {
    let mut left = records;
    for _ in 0..TRIES {
        if left.is_empty() {
            break;
        }
        session.delete_records(&route.table, Shelf::Rejected, route.hub.name(), partition, &left).await?;
        session.flush().await?;
        let there = session.rejections(&route.table, route.hub.name(), partition, blobs).await?;
        let there: HashSet<_> = there.into_iter().map(|rejection| rejection.record).collect();
        left.retain(|record| there.contains(record));
    }
    Ok(())
}
