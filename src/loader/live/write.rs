use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::common::Common;
use super::partition::Fresh;
use super::state::LaneState;
use crate::capture::{Attributes, PartitionId};
use crate::formats::{Decoding, Rower, Taken};
use crate::ledger::{LogRecord, Span};
use crate::loader::pool::Store;
use crate::rows::{Envelope, Table};
use crate::store::{Fault, StoreError};

/// A batch is written when it is so old, or has so many rows or bytes.
const AGE: Duration = Duration::from_millis(200);
const ROWS: usize = 1000;
const BYTES: usize = 4 << 20;

/// Statements that one batch may cost where the store refuses rows of it; what is left then is left to the files.
const STATEMENTS: usize = 32;

/// How long nothing is written after the store failed.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Writes what a route's partitions give. No row is written again: what is lost comes with its file.
pub(super) struct Writing {
    pub(super) table: Arc<Table>,
    pub(super) hub: String,
    /// What bodies are. What a record says beside its body is not looked at.
    pub(super) decoding: Decoding,
    pub(super) store: Store,
    pub(super) common: Arc<Common>,
    pub(super) state: LaneState,
    pub(super) fresh: mpsc::Receiver<Fresh>,
    /// The newest row that was written.
    pub(super) newest: watch::Sender<Option<(PartitionId, LogRecord)>>,
    pub(super) shutdown: CancellationToken,
}

impl Writing {
    /// Until nobody gives records any more, or it is told to stop.
    pub(super) async fn run(mut self) {
        let mut rower = Rower::new(&self.table, &self.decoding);
        let mut pause = FIRST_PAUSE;
        loop {
            let first = tokio::select! {
                first = self.fresh.recv() => first,
                () = self.shutdown.cancelled() => None,
            };
            let Some(first) = first else { return };
            let batch = self.gather(first).await;
            match self.write(&mut rower, &batch).await {
                Ok(last) => {
                    pause = FIRST_PAUSE;
                    self.state.trouble(None);
                    if let Some(last) = last {
                        self.note(&batch, last);
                    }
                }
                Err(error) => {
                    if pause == FIRST_PAUSE {
                        tracing::warn!(route = &*self.state.route, "live: {error}; the rows come with their files");
                    }
                    self.state.counted(0, batch.len());
                    self.state.trouble(Some(error.to_string()));
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = self.shutdown.cancelled() => return,
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn gather(&mut self, first: Fresh) -> Vec<Fresh> {
        let end = Instant::now() + AGE;
        let size = |fresh: &Fresh| fresh.record.body.as_ref().map_or(0, Vec::len);
        let mut bytes = size(&first);
        let mut batch = vec![first];
        while batch.len() < ROWS && bytes < BYTES {
            match timeout_at(end, self.fresh.recv()).await {
                Ok(Some(fresh)) => {
                    bytes += size(&fresh);
                    batch.push(fresh);
                }
                Ok(None) | Err(_) => break,
            }
        }
        batch
    }

    /// Writes all rows that the table and the store take, and gives the last of them.
    async fn write<'b>(&self, rower: &mut Rower, batch: &'b [Fresh]) -> Result<Option<&'b Fresh>, StoreError> {
        let (mut written, mut statements, mut newest) = (0, 0, None);
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let (mut last, mut records) = (None, 0);
            for fresh in part {
                let envelope = Envelope {
                    event_hub: &self.hub,
                    partition: fresh.partition,
                    sequence_number: fresh.record.number,
                    enqueued_time: fresh.record.enqueued_time(),
                };
                // One that does not fit is rejected by its file.
                let body = fresh.record.body.as_deref();
                if let Ok(Taken::Rows(_)) = rower.push(envelope, &Attributes::NOTHING, body) {
                    (last, records) = (Some(fresh), records + 1);
                }
            }
            // Told of by its file too.
            rower.take_unmapped();
            let rows = rower.take();
            if records == 0 {
                continue;
            }
            statements += 1;
            match self.store.once(&async |session| session.insert(&self.table, &rows).await).await {
                Ok(_) => (written, newest) = (written + records, last),
                Err(error) if error.fault() == Fault::Data => {
                    if part.len() > 1 && statements < STATEMENTS {
                        let (left, right) = part.split_at(part.len() / 2);
                        parts.extend([right, left]);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        self.state.counted(written, batch.len() - written);
        Ok(newest)
    }

    fn note(&self, batch: &[Fresh], last: &Fresh) {
        let mut spans: BTreeMap<PartitionId, Span> = BTreeMap::new();
        for fresh in batch {
            let span = Span::include(spans.get(&fresh.partition).copied(), fresh.record.number);
            spans.insert(fresh.partition, span);
        }
        for (partition, span) in spans {
            self.common.wrote(partition, span);
            self.state.wrote(partition, span.last);
        }
        self.newest.send_replace(Some((last.partition, last.record.clone())));
    }
}
