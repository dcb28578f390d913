//! What is not there because someone asked to be forgotten.

use std::collections::HashSet;

use super::finding::Findings;
use crate::capture::PartitionId;
use crate::ledger::{Forgotten, Span};
use crate::store::{Identity, Returned, Session, Shelf, StoreError};

/// Forgotten records, and forgotten rows of records that have several, which are not there.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// In the order of their numbers.
    all: Vec<Forgotten>,
    /// Records of which rows were forgotten and none is left.
    emptied: HashSet<Identity>,
}

/// How much of some numbers was forgotten.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Missed {
    /// Rows.
    pub(super) rows: u64,
    /// Records that had rows, and have none any more.
    pub(super) loaded: u64,
    /// Rejected records.
    pub(super) rejected: u64,
}

impl Gone {
    /// Of a partition; `is_indexed` says whether the table tells a record's rows apart. What is there again is told.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(super) async fn look(
        session: &Session,
        (target, is_indexed): (&str, bool),
        hub: &str,
        partition: PartitionId,
        findings: &mut Findings<'_>,
    ) -> Result<Gone, StoreError> {
        let mut all = session.forgotten(target, hub, partition).await?;
        if all.is_empty() {
            return Ok(Gone::default());
        }
        let (mut there, mut records) = (HashSet::new(), HashSet::new());
        for shelf in [Shelf::Rows, Shelf::Rejected] {
            for Returned { record, index, .. } in
                session.forgotten_there((target, is_indexed), shelf, hub, partition, None).await?
            {
                there.insert((record, index));
                records.insert(record);
            }
        }
        if !there.is_empty() {
            let what = if is_indexed { "rows and rejected records" } else { "records" };
            let text = format!("{} {what} that were forgotten are there again", there.len());
            findings.unproven((), text, "deltawave prune --forgotten --yes deletes them again");
        }
        all.retain(|gone| match (gone.number, gone.at) {
            record if gone.index.is_none() => !records.contains(&record),
            record => !there.contains(&(record, gone.index)),
        });
        let emptied = match is_indexed {
            true => session.forgotten_to_the_last_row(target, hub, partition).await?,
            false => HashSet::new(),
        };
        Ok(Gone { all, emptied })
    }

    /// All of it, among these numbers.
    pub(super) fn within(&self, span: Span) -> &[Forgotten] {
        let from = self.all.partition_point(|gone| gone.number < span.first);
        let to = self.all.partition_point(|gone| gone.number <= span.last);
        &self.all[from..to]
    }

    pub(super) fn missed(&self, span: Span) -> Missed {
        let mut missed = Missed::default();
        let mut emptied = HashSet::new();
        for gone in self.within(span) {
            let record = (gone.number, gone.at);
            match gone.index {
                None if gone.rejected => missed.rejected += 1,
                None => {
                    missed.rows += 1;
                    missed.loaded += 1;
                }
                Some(_) => {
                    missed.rows += 1;
                    // Of one number, as the numbers that are there are counted.
                    missed.loaded += u64::from(self.emptied.contains(&record) && emptied.insert(gone.number));
                }
            }
        }
        missed
    }

    /// How many records, and rows of records that have several.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many of them are rows of such.
    pub(super) fn rows_of_records(&self) -> usize {
        self.all.iter().filter(|gone| gone.index.is_some()).count()
    }
}
