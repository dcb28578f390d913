use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The log's last lines, for a screen that the log itself must not write on.
#[derive(Debug, Default)]
pub struct LogTail {
    lines: Mutex<VecDeque<String>>,
}

const KEPT: usize = 100;

impl LogTail {
    /// The last lines, oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Adds lines; the oldest make room for them.
    pub fn push(&self, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend(text.lines().map(str::to_owned));
        let excess = lines.len().saturating_sub(KEPT);
        lines.drain(..excess);
    }
}
