use crate::azure::blob::BlobError;
use crate::rows::InvalidTable;

/// Why a Delta table cannot be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LakeError {
    /// Its container refuses, or is away.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// There is no table.
    #[error(
        "there is no Delta table at {table}: make it with `deltawave table NAME --delta {table} --apply`, or correct --route"
    )]
    Missing {
        /// Where it was looked for.
        table: String,
    },
    /// The table asks for something that would go wrong if it were left out.
    #[error("Delta table {table} {what}, which this loader does not do: {cure}")]
    Unsupported {
        /// The table.
        table: String,
        /// What it asks for.
        what: String,
        /// What to do about it.
        cure: &'static str,
    },
    /// Records cannot be fitted to it.
    #[error(transparent)]
    Table(#[from] InvalidTable),
    /// A file of the table is not what it must be.
    #[error("{file} of Delta table {table} cannot be read: {reason}")]
    Damaged {
        /// The table.
        table: String,
        /// Which file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Commits are gone that say which files were loaded.
    #[error(
        "Delta table {table} has batches {first} to {last} that its ledger {ledger} does not know, and its log begins behind \
         them: restore the ledger, or load into a new table"
    )]
    Unnoted {
        /// The table.
        table: String,
        /// Its ledger.
        ledger: String,
        /// The first of the batches.
        first: i64,
        /// The last of them.
        last: i64,
    },
    /// The ledger is another table's.
    #[error(
        "the ledger {ledger} knows batch {noted}, and Delta table {table} has none past {last}: the table was made anew or \
         restored; delete {ledger} and the table, and make both anew"
    )]
    Anew {
        /// The table.
        table: String,
        /// Its ledger.
        ledger: String,
        /// What the ledger knows.
        noted: i64,
        /// What the table has.
        last: i64,
    },
    /// Others commit without pause.
    #[error("Delta table {table} is committed to by others without pause: version {version} was taken {times} times")]
    Busy {
        /// The table.
        table: String,
        /// The version that was wanted last.
        version: i64,
        /// How often one was taken.
        times: u32,
    },
    /// The table's columns are other ones now: begin again.
    #[error("the columns of Delta table {table} were changed")]
    Changed {
        /// The table.
        table: String,
    },
    /// A value that the mapper let through does not fit its column: a mistake of the loader's own.
    #[error("column `{column}` of Delta table {table}: {reason}; nothing of this group was committed")]
    Value {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What is wrong.
        reason: String,
    },
}

impl LakeError {
    pub(super) fn damaged(table: &str, file: &str, reason: impl ToString) -> Self {
        LakeError::Damaged { table: table.to_owned(), file: file.to_owned(), reason: reason.to_string() }
    }
}
