use super::error::VerifyError;
use super::gone::{Gone, Missed};
use crate::azure::blob::Container;
use crate::capture::PartitionId;
use crate::formats::FormatName;
use crate::ledger::{Coverage, CoveredFile, PrunedRange, Span};
use crate::operator::progress::Ongoing;
use crate::store::{Behind, Counted, Numbers, Session};

/// Holds the rows of one partition against the ledger.
pub(super) struct Records<'a> {
    pub(super) session: &'a Session,
    pub(super) target: &'a str,
    pub(super) hub: &'a str,
    pub(super) partition: PartitionId,
    pub(super) coverage: &'a Coverage,
    /// What was deleted for its age, if anything was.
    pub(super) pruned: Option<&'a PrunedRange>,
    /// What is ahead of the files, which is neither surplus nor missing.
    pub(super) behind: Option<Behind>,
    /// What was forgotten and is not there.
    pub(super) gone: &'a Gone,
    /// What bodies are.
    pub(super) format: FormatName,
    /// Numbers may be left out.
    pub(super) sparse: bool,
    pub(super) container: Option<&'a Container>,
    /// Every file that has to be loaded again is wanted, not only as many findings as are told.
    pub(super) every_file: bool,
    pub(super) ongoing: &'a Ongoing,
}

/// Rows and rejected records of some numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Both {
    pub(super) rows: Counted,
    pub(super) rejected: Counted,
    /// What of them was forgotten.
    pub(super) gone: Missed,
}

/// What the ledger says of some files.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    /// Records that are in the table.
    pub(super) loaded: u64,
    /// Rows that they are.
    pub(super) rows: u64,
    /// Records that are in `rejected_events`.
    pub(super) rejected: u64,
}

impl Records<'_> {
    pub(super) async fn both(&self, span: Span) -> Result<Both, VerifyError> {
        self.both_of(&self.numbers(span)).await
    }

    pub(super) async fn both_of(&self, numbers: &Numbers<'_>) -> Result<Both, VerifyError> {
        let rows = self.session.count_rows(numbers).await?;
        let rejected = self.session.count_rejected(numbers).await?;
        Ok(Both { rows, rejected, gone: self.gone.missed(numbers.span) })
    }

    pub(super) fn numbers(&self, span: Span) -> Numbers<'_> {
        let but = self.behind.filter(Behind::is_of_a_life);
        Numbers { target: self.target, hub: self.hub, partition: self.partition, span, since: None, but }
    }

    pub(super) fn file(&self, at: usize) -> &CoveredFile {
        &self.coverage.files()[at]
    }
}

impl Both {
    /// Whether this is what the ledger says. What was rejected may be there and loaded later all the same.
    pub(super) fn fits(&self, Wanted { loaded, rows, rejected }: Wanted, overlaps: bool) -> bool {
        self.rows.rows + self.gone.rows == rows
            && (overlaps || self.rows.numbers + self.gone.loaded == loaded)
            && (self.rejected.rows + self.gone.rejected == rejected
                || (!overlaps && self.rejected.numbers + self.gone.rejected > rejected))
    }

    /// How many of these numbers are there, or were forgotten.
    pub(super) fn accounted(&self) -> u64 {
        self.rows.numbers + self.rejected.numbers + self.gone.loaded + self.gone.rejected
    }
}
