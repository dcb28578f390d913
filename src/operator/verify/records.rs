use super::error::VerifyError;
use crate::azure::blob::Container;
use crate::capture::PartitionId;
use crate::ledger::{Coverage, CoveredFile, Span};
use crate::operator::progress::Ongoing;
use crate::store::{Counted, Numbers, Session};

/// Holds the rows of one partition against the ledger.
pub(super) struct Records<'a> {
    pub(super) session: &'a Session,
    pub(super) target: &'a str,
    pub(super) hub: &'a str,
    pub(super) partition: PartitionId,
    pub(super) coverage: &'a Coverage,
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
}

impl Records<'_> {
    pub(super) async fn both(&self, span: Span) -> Result<Both, VerifyError> {
        let numbers = self.numbers(span);
        let rows = self.session.count_rows(&numbers).await?;
        Ok(Both { rows, rejected: self.session.count_rejected(&numbers).await? })
    }

    pub(super) fn numbers(&self, span: Span) -> Numbers<'_> {
        Numbers { target: self.target, hub: self.hub, partition: self.partition, span }
    }

    pub(super) fn file(&self, at: usize) -> &CoveredFile {
        &self.coverage.files()[at]
    }
}

impl Both {
    /// Whether this is what the ledger says. What was rejected may be there and loaded later all the same.
    pub(super) fn fits(&self, loaded: u64, rejected: u64, overlaps: bool) -> bool {
        self.rows.rows == loaded
            && (overlaps || self.rows.numbers == loaded)
            && (self.rejected.rows == rejected || (!overlaps && self.rejected.numbers > rejected))
    }
}
