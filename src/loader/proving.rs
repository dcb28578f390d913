//! What a stream has written is proven while it writes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::time::sleep;

use super::error::LoadError;
use super::group::{Acknowledged, Means, Receipt, prove};
use super::notify::Letters;
use super::patience::Patience;
use super::pool::Store;
use super::queue::Queue;
use super::settle::Unsettled;
use crate::azure::blob::BlobError;
use crate::capture::Hub;
use crate::ledger::FileVersion;
use crate::rows::Table;

/// A group that was written.
pub(super) struct Group {
    /// The files that were taken from the queue for it.
    pub(super) taken: Vec<FileVersion>,
    pub(super) acknowledged: Acknowledged,
}

/// The second half of a stream's way: from acknowledged rows to files noted as done.
pub(super) struct Proving<'s> {
    pub(super) means: &'s Means<'s>,
    pub(super) hub: &'s Hub,
    pub(super) table: &'s Arc<Table>,
    pub(super) queue: &'s Queue,
    pub(super) letters: &'s Mutex<Letters>,
    /// The stream's own, which bear more than those of what is in hand.
    pub(super) store: &'s Store,
    pub(super) patience: &'s Patience,
}

/// How long the ledger's newest rows stay unsettled while no further group comes.
const LULL: Duration = Duration::from_secs(1);

impl Proving<'_> {
    /// Proves group after group until no more come.
    ///
    /// # Errors
    /// When patience ends, or the store refuses for good. What was not noted by then may be repeated.
    pub(super) async fn run(&self, mut groups: mpsc::Receiver<Group>) -> Result<(), LoadError> {
        let mut unsettled = Unsettled::default();
        let mut trouble = self.patience.trouble();
        loop {
            let group = tokio::select! {
                biased;
                group = groups.recv() => group,
                () = sleep(LULL), if !unsettled.is_empty() => {
                    self.settle(&mut unsettled).await?;
                    continue;
                }
            };
            let Some(group) = group else { break };
            match self.prove(group, &mut unsettled).await {
                Ok(()) => trouble.healed(),
                Err(LoadError::Interrupted(error)) => trouble.pause(error).await?,
                Err(error) => return Err(error),
            }
            if unsettled.is_due() || self.queue.is_empty() {
                self.settle(&mut unsettled).await?;
            }
        }
        self.settle(&mut unsettled).await
    }

    async fn prove(&self, group: Group, unsettled: &mut Unsettled) -> Result<(), LoadError> {
        let Group { taken, acknowledged } = group;
        let mut receipt = Receipt::default();
        let ended = prove(self.means, self.hub.name(), self.table, acknowledged, &mut receipt).await;
        let settled = self.letters.lock().await.of(&receipt, &taken);
        settled.acknowledge().await;
        let Receipt { entries, gone, refused } = receipt;
        let taken = taken.into_iter().filter(|file| !refused.iter().any(|(other, _)| other.blob == file.blob));
        let (done, left): (Vec<_>, Vec<_>) =
            taken.partition(|file| ended.is_ok() || entries.iter().any(|entry| entry.file.blob == file.blob));
        for (file, error) in refused {
            tracing::warn!(route = &**self.means.route, "{error}; it waits, and the others go on");
            let archived = matches!(error, BlobError::Archived { .. });
            self.queue.set_aside(file, archived, &error.to_string());
        }
        self.queue.done(&done, &entries, gone);
        self.queue.put_back(left);
        unsettled.add(entries);
        ended
    }

    async fn settle(&self, unsettled: &mut Unsettled) -> Result<(), LoadError> {
        let container = self.means.reading.container.name();
        unsettled.settle(container, self.table.name(), self.store, self.patience).await
    }
}
