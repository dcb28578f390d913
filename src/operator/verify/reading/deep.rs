use std::collections::{BTreeMap, HashSet};

use super::found::{Forgotten, Found, shown};
use crate::capture::PartitionId;
use crate::ledger::{Runs, Span};
use crate::loader::{Origin, Reread};
use crate::operator::verify::error::VerifyError;
use crate::operator::verify::finding::REPLAY;
use crate::settings::Route;
use crate::store::{Against, Difference, Identity, KeyRange, Kind, Session, Shelf};

/// Holds every value of a table against the files.
pub(super) struct Deep<'s> {
    session: &'s Session,
    route: &'s Route,
    records: u64,
    forgotten: &'s Forgotten,
}

impl<'s> Deep<'s> {
    pub(super) fn new(session: &'s Session, route: &'s Route, forgotten: &'s Forgotten) -> Self {
        Deep { session, route, records: 0, forgotten }
    }

    /// Records compared so far.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Compares a batch.
    pub(super) async fn compare(&mut self, rows: &Reread<'_>, found: &mut Found<'_>) -> Result<(), VerifyError> {
        let against = Against { relation: rows.table.name(), key: rows.table.key(), columns: None };
        let differences = self.session.differences(rows.table, rows.batch, against).await?;
        self.records += rows.records();
        let mut missing = BTreeMap::<PartitionId, Vec<Origin<'_>>>::new();
        for Difference { row, columns } in &differences {
            let origin = rows.origin(*row);
            let Some(columns) = columns else {
                if !self.forgotten.has(&origin) {
                    missing.entry(origin.partition).or_default().push(origin);
                }
                continue;
            };
            let span = Span { first: origin.number, last: origin.number };
            for changed in columns {
                let (is, says) = (shown(changed.found.as_deref()), shown(changed.wanted.as_deref()));
                let text = format!("{} is {is}, and {} says {says}", changed.column, origin.blob);
                found.of(Some(origin.partition)).changed((span, origin.blob), text, cure(self.session.kind()));
            }
        }
        for (partition, mut origins) in missing {
            let rejected = self.rejected(partition, &origins).await?;
            origins.retain(|origin| !rejected.contains(&(origin.number, origin.at)));
            // Several rows of one record are one finding.
            origins.dedup_by_key(|origin| (origin.blob, origin.number, origin.at));
            for origin in origins {
                let text = format!("not in {}, though {} has it", rows.table.name(), origin.blob);
                let span = Span { first: origin.number, last: origin.number };
                found.of(Some(partition)).hole((span, origin.blob), text, REPLAY);
            }
        }
        Ok(())
    }

    /// Which of these records are in `rejected_events`.
    async fn rejected(&self, partition: PartitionId, origins: &[Origin<'_>]) -> Result<HashSet<Identity>, VerifyError> {
        let (target, hub) = (self.route.table.as_str(), self.route.hub.name());
        let hull = origins.iter().map(|origin| (origin.number, origin.at)).collect::<Runs>().hull();
        let Some(run) = hull else { return Ok(HashSet::new()) };
        let range = KeyRange { target, hub, partition, shelf: Shelf::Rejected, run };
        let rejected = self.session.records_in(&range, false).await?;
        Ok(rejected.into_iter().map(|(number, at, _)| (number, at)).collect())
    }
}

/// PostgreSQL keeps the row that is there when its record comes again; RisingWave takes the one that comes.
const fn cure(kind: Kind) -> &'static str {
    match kind {
        Kind::PostgreSql => "find out who changed it; delete the row, and deltawave replay --holes loads it again",
        Kind::RisingWave => "find out who changed it; deltawave replay --from, --until writes its file's rows again",
    }
}
