use std::time::{Duration, Instant};

use super::error::{Forgotten, LoadError};
use super::patience::Patience;
use super::pool::Store;
use crate::ledger::Entry;

/// Files that are noted at most, and for how long, before it is made sure that the store keeps their rows in the ledger.
const MOST: usize = 5000;
const LONGEST: Duration = Duration::from_secs(20);

/// Files that are noted and whose rows in the ledger the store may yet forget.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    entries: Vec<Entry>,
    since: Option<Instant>,
}

impl Unsettled {
    pub(super) fn add(&mut self, entries: Vec<Entry>) {
        if !entries.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
        self.entries.extend(entries);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it is time to settle, though more is to be loaded.
    pub(super) fn is_due(&self) -> bool {
        self.entries.len() >= MOST || self.since.is_some_and(|since| since.elapsed() >= LONGEST)
    }

    /// Waits until the ledger's new rows are durable and can be read, and notes again those that a recovery of the store
    /// took away: the records are there, so nothing has to be loaded again.
    ///
    /// # Errors
    /// When patience ends.
    pub(super) async fn settle(
        &mut self,
        container: &str,
        target: &str,
        store: &Store,
        patience: &Patience,
    ) -> Result<(), LoadError> {
        let mut trouble = patience.trouble();
        while !self.entries.is_empty() {
            store.persist(async |session| session.flush().await).await?;
            let names: Vec<_> = self.entries.iter().map(|entry| entry.file.blob.as_str()).collect();
            let noted = store.persist(async |session| session.files_noted(container, target, &names).await).await?;
            self.entries.retain(|entry| !noted.contains(&entry.file.blob));
            let Some(first) = self.entries.first() else { break };
            let files = self.entries.len();
            let (table, blob) = ("capture_files".to_owned(), first.file.blob.clone());
            trouble.pause(Forgotten { table, records: files as u64, files, blob }).await?;
            let entries = &self.entries;
            store.persist(async |session| session.note_files(container, target, entries).await).await?;
        }
        self.since = None;
        trouble.healed();
        Ok(())
    }
}
