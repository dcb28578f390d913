use std::collections::HashSet;

use crate::capture::PartitionId;
use crate::loader::Origin;
use crate::settings::Route;
use crate::store::{Identity, Session, StoreError};

/// Records that someone asked to be forgotten, and rows of records that have several, which the files still have.
#[derive(Debug, Default)]
pub(super) struct Forgotten(HashSet<(PartitionId, Identity, Option<i32>)>);

impl Forgotten {
    /// Those of a route.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(super) async fn of(session: &Session, route: &Route) -> Result<Self, StoreError> {
        let mut all = Forgotten::default();
        for (hub, partition) in session.forgotten_partitions(&route.table).await? {
            if hub == route.hub.name() {
                let forgotten = session.forgotten(&route.table, &hub, partition).await?;
                let row = |gone: crate::ledger::Forgotten| (partition, (gone.number, gone.at), gone.index);
                all.0.extend(forgotten.into_iter().map(row));
            }
        }
        Ok(all)
    }

    /// Whether a row is one of them.
    pub(super) fn has(&self, Origin { partition, number, at, index, .. }: &Origin<'_>) -> bool {
        [None, Some(*index)].iter().any(|index| self.0.contains(&(*partition, (*number, *at), *index)))
    }
}
