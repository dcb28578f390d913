//! Deleting what is old of one partition, in an order that may end anywhere:
//!
//! 1. note the range in `pruned_ranges`, with `kept` NULL: from now on `verify` knows that rows may be missing
//! 2. mark the files `pruned` in the ledger, where they stay: no loader takes them for new
//! 3. delete rejected records and rows, until none is left
//! 4. note how many rows stay
//!
//! After each of the first, second and last it looks whether the store has kept that, since RisingWave may forget; whoever
//! deletes next begins at 1 again.

use std::collections::BTreeMap;

use super::error::PruneError;
use super::plan::{Doomed, Partition, Plan};
use super::step::step;
use crate::capture::SequenceNumber;
use crate::ledger::{CoveredFile, PrunedRange, Span};
use crate::operator::progress::Ongoing;
use crate::store::{Identity, Shelf};

/// How often something is done again that the store does not keep.
const TRIES: usize = 5;
/// Records in one DELETE, roughly: a statement then takes a second or so.
const RECORDS: u64 = 50_000;
/// Rows that one statement leaves out.
const KEPT: usize = 500;

/// What a walk over old records does with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    Count,
    Delete,
}

/// How much there is to delete, or was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) files: usize,
    pub(super) rows: u64,
    pub(super) rejected: u64,
    pub(super) kept: u64,
}

impl Partition<'_> {
    /// What the plan would delete.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(super) async fn amount(&self, plan: &Plan, ongoing: &Ongoing) -> Result<Amount, PruneError> {
        let rows = self.walk(plan, Shelf::Rows, Walk::Count, ongoing).await?;
        let rejected = self.walk(plan, Shelf::Rejected, Walk::Count, ongoing).await?;
        Ok(Amount { files: plan.files.len(), rows, rejected, kept: self.kept(plan).await?.saturating_sub(rows) })
    }

    /// Carries it out.
    ///
    /// # Errors
    /// When the store refuses, or does not keep what it is told.
    pub(super) async fn carry_out(&self, plan: &Plan, ongoing: &Ongoing) -> Result<Amount, PruneError> {
        if let Some(range) = &plan.range {
            self.note(range).await?;
        }
        self.mark(&plan.files).await?;
        let Some(range) = &plan.range else { return Ok(Amount { files: plan.files.len(), ..Amount::default() }) };
        let mut amount = Amount { files: plan.files.len(), ..Amount::default() };
        for _ in 0..TRIES {
            amount.rejected += self.walk(plan, Shelf::Rejected, Walk::Delete, ongoing).await?;
            amount.rows += self.walk(plan, Shelf::Rows, Walk::Delete, ongoing).await?;
            self.session.flush().await?;
            let left = self.walk(plan, Shelf::Rows, Walk::Count, ongoing).await?
                + self.walk(plan, Shelf::Rejected, Walk::Count, ongoing).await?;
            if left == 0 {
                amount.kept = self.kept(plan).await?;
                self.note(&PrunedRange { kept: Some(amount.kept), ..*range }).await?;
                return Ok(amount);
            }
        }
        let rows = self.walk(plan, Shelf::Rows, Walk::Count, ongoing).await?;
        Err(PruneError::StillThere { table: self.target.to_owned(), rows })
    }

    /// Rows of pruned files older than what is pruned. As `verify` counts them.
    async fn kept(&self, plan: &Plan) -> Result<u64, PruneError> {
        let Some(range) = &plan.range else { return Ok(0) };
        let mut kept = 0;
        for span in &plan.pruned {
            let doomed = Doomed { span: *span, before: range.before };
            kept += self.session.count_old(&self.old(Shelf::Rows, doomed, &[])).await?;
        }
        Ok(kept)
    }

    pub(super) async fn note(&self, range: &PrunedRange) -> Result<(), PruneError> {
        let Partition { session, target, hub, partition } = *self;
        for _ in 0..TRIES {
            step(session.note_pruned_range(target, hub, partition, range)).await?;
            session.flush().await?;
            if session.pruned_range(target, hub, partition).await? == Some(*range) {
                return Ok(());
            }
        }
        Err(PruneError::NotNoted("pruned_ranges"))
    }

    async fn mark(&self, files: &[CoveredFile]) -> Result<(), PruneError> {
        for (container, blobs) in by_container(files) {
            let mut tries = 0;
            loop {
                step(self.session.mark_pruned(container, self.target, &blobs)).await?;
                self.session.flush().await?;
                if self.session.count_pruned(container, self.target, &blobs).await? == blobs.len() {
                    break;
                }
                tries += 1;
                if tries == TRIES {
                    return Err(PruneError::NotNoted("capture_files"));
                }
            }
        }
        Ok(())
    }

    /// Goes over what is doomed in parts that one statement can take, and gives how many records that was.
    async fn walk(&self, plan: &Plan, shelf: Shelf, walk: Walk, ongoing: &Ongoing) -> Result<u64, PruneError> {
        let mut total = 0;
        let mut parts: Vec<Doomed> = plan.doomed.iter().rev().copied().collect();
        while let Some(part) = parts.pop() {
            let keep = within(&plan.keep, part.span);
            let halves = halves(part.span).map(|halves| halves.map(|span| Doomed { span, ..part }));
            if shelf == Shelf::Rows
                && keep.len() > KEPT
                && let Some([left, right]) = halves
            {
                parts.extend([right, left]);
                continue;
            }
            let old = self.old(shelf, part, keep);
            let records = self.session.count_old(&old).await?;
            match (walk, halves) {
                _ if records == 0 => continue,
                (Walk::Count, _) => {}
                (Walk::Delete, Some([left, right])) if records > RECORDS => {
                    parts.extend([right, left]);
                    continue;
                }
                (Walk::Delete, _) => {
                    step(self.session.delete_old(&old)).await?;
                    ongoing.say(|| format!("deleted {} records of {}/{}", total + records, self.hub, self.partition));
                }
            }
            total += records;
        }
        Ok(total)
    }
}

/// Names by container: a ledger may have seen several.
pub(super) fn by_container(files: &[CoveredFile]) -> BTreeMap<&str, Vec<String>> {
    let mut containers = BTreeMap::<&str, Vec<String>>::new();
    for file in files {
        containers.entry(&file.container).or_default().push(file.blob.clone());
    }
    containers
}

fn within(keep: &[Identity], span: Span) -> &[Identity] {
    let from = keep.partition_point(|(number, _)| *number < span.first);
    let to = keep.partition_point(|(number, _)| *number <= span.last);
    &keep[from..to]
}

fn halves(span: Span) -> Option<[Span; 2]> {
    let middle = SequenceNumber(span.first.0 + (span.last.0 - span.first.0) / 2);
    (span.first < span.last)
        .then(|| [Span { first: span.first, last: middle }, Span { first: middle.next(), last: span.last }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_leave_nothing_out() {
        let span = |first, last| Span { first: SequenceNumber(first), last: SequenceNumber(last) };
        assert_eq!(halves(span(0, 9)), Some([span(0, 4), span(5, 9)]));
        assert_eq!(halves(span(7, 8)), Some([span(7, 7), span(8, 8)]));
        assert_eq!(halves(span(7, 7)), None);
    }
}
