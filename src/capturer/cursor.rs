use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::CaptureError;
use super::health;
use super::position::{Held, LastRecord, Start, resume, start};
use super::progress::Offsets;
use super::shared::Shared;
use crate::capture::{Hub, PartitionId};
use crate::kafka::{KafkaError, PartitionReader, Read, Record};
use crate::settings::Until;

/// Between two questions to a broker that did not answer, or two looks at a partition in trouble.
const PAUSE: Duration = Duration::from_secs(1);

/// A partition's place in the broker's log: hands out every record once, in order, from where the files end.
pub(super) struct Cursor<'a> {
    hub: &'a Hub,
    partition: PartitionId,
    shared: &'a Shared,
    reader: PartitionReader,
    offsets: Arc<Offsets>,
    next: i64,
    /// The last captured record, while the broker's copy of it has not been compared.
    compare: Option<LastRecord>,
    /// Where to end, if anywhere.
    end: Option<i64>,
}

/// What a read came to.
pub(super) enum Step {
    /// The next record to capture.
    Record(Record),
    /// Nothing to capture.
    Nothing,
}

impl<'a> Cursor<'a> {
    /// Finds the place after the last captured record; nothing when told to stop before the broker answered.
    ///
    /// # Errors
    /// The library refuses the partition.
    pub async fn open(
        hub: &'a Hub,
        partition: PartitionId,
        shared: &'a Shared,
        last: Option<LastRecord>,
    ) -> Result<Option<Self>, CaptureError> {
        let Some(held) = held(hub, partition, shared).await else { return Ok(None) };
        let start = start(last.as_ref().map(|last| last.offset), held);
        tell(hub, partition, &start, last.as_ref().map(|last| last.offset.saturating_add(1)));
        let (next, compare) = match start {
            Start::Compare(offset) => (offset.saturating_add(1), last),
            _ => (start.offset(), None),
        };
        let reader = shared.reader.open(hub.name(), partition.0, start.offset())?;
        let end = (shared.settings.until == Until::End).then_some(held.high);
        let offsets = shared.progress.offsets(hub, partition);
        for (offset, value) in [(&offsets.captured_to, next), (&offsets.read_to, next), (&offsets.end, held.high)] {
            offset.store(value, Ordering::Relaxed);
        }
        Ok(Some(Cursor { hub, partition, shared, reader, offsets, next, compare, end }))
    }

    /// All records handed out so far are in files.
    pub fn captured(&self) {
        self.offsets.captured_to.store(self.next, Ordering::Relaxed);
    }

    /// Whether all that was there at the start has been handed out.
    pub fn has_ended(&self) -> bool {
        self.compare.is_none() && self.end.is_some_and(|end| self.next >= end)
    }

    /// Waits for something to [`step`](Self::step) with; a dropped wait loses nothing.
    pub async fn read(&mut self) -> Result<Read, KafkaError> {
        self.reader.next().await
    }

    /// Takes what came. Not to be dropped half-way.
    ///
    /// # Errors
    /// The library refuses the partition.
    pub async fn step(&mut self, read: Result<Read, KafkaError>) -> Result<Step, CaptureError> {
        match read {
            Ok(Read::Record(record)) => self.take(record).await,
            Ok(Read::End) => {
                // What a compacted or transactional log leaves out at its end never comes.
                self.compare = None;
                self.end = self.end.map(|end| end.min(self.next));
                Ok(Step::Nothing)
            }
            Ok(Read::OutOfRange) => {
                if let Some(held) = held(self.hub, self.partition, self.shared).await {
                    self.compare = None;
                    let start = resume(self.next, held);
                    tell(self.hub, self.partition, &start, Some(self.next));
                    self.seek(start.offset()).await?;
                }
                Ok(Step::Nothing)
            }
            Err(error) if error.is_permanent() => Err(error.into()),
            Err(error) => {
                self.shared.broker_trouble.met(&error);
                pause(self.shared).await;
                Ok(Step::Nothing)
            }
        }
    }

    async fn take(&mut self, record: Record) -> Result<Step, CaptureError> {
        if record.offset >= self.next {
            self.compare = None;
            self.next = record.offset.saturating_add(1);
            self.offsets.read_to.store(self.next, Ordering::Relaxed);
            return Ok(Step::Record(record));
        }
        // Read again to be compared, or fetched before a seek.
        if let Some(last) = self.compare.take_if(|last| last.offset == record.offset)
            && !last.is(&record)
            && let Some(held) = held(self.hub, self.partition, self.shared).await
        {
            tell(self.hub, self.partition, &Start::Anew(held.low), Some(self.next));
            self.seek(held.low).await?;
        }
        Ok(Step::Nothing)
    }

    async fn seek(&mut self, offset: i64) -> Result<(), CaptureError> {
        self.reader.seek(offset).await?;
        self.next = offset;
        Ok(())
    }
}

/// What the broker holds; asks until it answers, or gives nothing when told to stop.
async fn held(hub: &Hub, partition: PartitionId, shared: &Shared) -> Option<Held> {
    loop {
        let answer = tokio::select! {
            () = shared.shutdown.cancelled() => return None,
            answer = shared.cluster.watermarks(hub.name(), partition.0) => answer,
        };
        match answer {
            Ok((low, high)) => return Some(Held { low, high }),
            Err(error) => {
                shared.broker_trouble.met(&error);
                pause(shared).await;
            }
        }
    }
}

async fn pause(shared: &Shared) {
    let jittered = PAUSE.mul_f64(rand::random_range(0.5..1.0));
    tokio::select! { () = shared.shutdown.cancelled() => {}, () = tokio::time::sleep(jittered) => {} }
}

fn tell(hub: &Hub, partition: PartitionId, start: &Start, expected: Option<i64>) {
    let (topic, expected) = (hub.name(), expected.unwrap_or_default());
    let missing = match start {
        Start::Gap(missing) => missing.end - missing.start,
        _ => 0,
    };
    health::lost(hub, partition, u64::try_from(missing).unwrap_or(0));
    match start {
        Start::Gap(missing) => tracing::error!(
            topic,
            %partition,
            first_missing = missing.start,
            last_missing = missing.end - 1,
            "records were deleted by the topic's retention before they were captured: they are lost; going on at {}",
            missing.end
        ),
        Start::Anew(low) => tracing::warn!(
            topic,
            %partition,
            expected,
            "the topic was made anew: its log is not the one captured before; going on at {low}"
        ),
        Start::Fresh(_) | Start::Compare(_) | Start::Next(_) => {
            tracing::debug!(topic, %partition, from = start.offset(), "reading");
        }
    }
}
