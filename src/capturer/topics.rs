use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};

use super::CaptureError;
use super::partition::Partition;
use super::shared::Shared;
use crate::capture::{Hub, PartitionId};
use crate::kafka::KafkaError;
use crate::settings::Until;

/// Between two looks for new partitions and at how far the broker's logs go.
const LOOK_PERIOD: Duration = Duration::from_secs(5);

/// All partitions of the topics: starts one task for each, those that appear later included.
pub(super) struct Topics {
    shared: Arc<Shared>,
    known: BTreeSet<(Hub, PartitionId)>,
    tasks: JoinSet<Result<(), CaptureError>>,
}

impl Topics {
    pub fn new(shared: Arc<Shared>) -> Self {
        Topics { shared, known: BTreeSet::new(), tasks: JoinSet::new() }
    }

    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Returns when told to stop, or when every partition has reached its end.
    ///
    /// # Errors
    /// The first partition's that failed.
    pub async fn watch(&mut self) -> Result<(), CaptureError> {
        let shared = Arc::clone(&self.shared);
        loop {
            tokio::select! {
                () = shared.shutdown.cancelled() => return Ok(()),
                looked = self.look() => looked?,
            }
            let next_look = tokio::time::sleep(LOOK_PERIOD);
            tokio::pin!(next_look);
            loop {
                if self.tasks.is_empty() && shared.settings.until == Until::End {
                    return Ok(());
                }
                tokio::select! {
                    () = shared.shutdown.cancelled() => return Ok(()),
                    () = &mut next_look => break,
                    Some(ended) = self.tasks.join_next() => flat(ended)?,
                }
            }
        }
    }

    /// Tells all partitions to write what they have and end.
    pub fn stop(&self) {
        self.shared.shutdown.cancel();
    }

    /// Waits for the ends of all partitions.
    ///
    /// # Errors
    /// The first partition's that failed.
    pub async fn drain(&mut self) -> Result<(), CaptureError> {
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            outcome = outcome.and(flat(ended));
        }
        outcome
    }

    async fn look(&mut self) -> Result<(), CaptureError> {
        let shared = Arc::clone(&self.shared);
        for hub in &shared.settings.hubs {
            match self.look_at(hub).await {
                Ok(()) => shared.broker_trouble.over(),
                Err(Looked::Broker(error)) => shared.broker_trouble.met(&error),
                Err(Looked::Failed(error)) => return Err(error),
            }
        }
        Ok(())
    }

    async fn look_at(&mut self, hub: &Hub) -> Result<(), Looked> {
        let partitions = self.shared.cluster.partitions(hub.name()).await.map_err(Looked::Broker)?;
        let (known, new): (Vec<_>, Vec<_>) = partitions
            .into_iter()
            .map(PartitionId)
            .partition(|partition| self.known.contains(&(hub.clone(), *partition)));
        for partition in known {
            let (_, end) = self.shared.cluster.watermarks(hub.name(), partition.0).await.map_err(Looked::Broker)?;
            self.shared.progress.offsets(hub, partition).end.store(end, Ordering::Relaxed);
        }
        if new.is_empty() {
            return Ok(());
        }
        let newest = self.shared.files.newest(hub, &new).await.map_err(Looked::Failed)?;
        for (id, newest) in newest {
            self.known.insert((hub.clone(), id));
            let partition = Partition { hub: hub.clone(), id, shared: Arc::clone(&self.shared) };
            self.tasks.spawn(partition.run(newest));
        }
        Ok(())
    }
}

/// Why a look came to nothing.
enum Looked {
    /// The broker's trouble: look again later.
    Broker(KafkaError),
    /// What waiting does not mend.
    Failed(CaptureError),
}

fn flat(ended: Result<Result<(), CaptureError>, JoinError>) -> Result<(), CaptureError> {
    ended.unwrap_or_else(|error| Err(CaptureError::Fault(error.to_string())))
}
