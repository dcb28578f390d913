use std::fmt;

/// What was read again, and found to be as it is there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Read {
    /// Files.
    pub(super) files: usize,
    /// Records whose values were compared, if they were.
    pub(super) records: Option<u64>,
    /// Rows of the latest state, if that was compared.
    pub(super) states: Option<u64>,
}

/// `, every value of 70 records as in their files, ...`
impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(records) = self.records {
            write!(f, ", every value of {records} records of {} files as they say", self.files)?;
        }
        if let Some(states) = self.states {
            write!(f, ", the latest state of {states} keys as they make it")?;
        }
        Ok(())
    }
}
