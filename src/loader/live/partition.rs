use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::common::Common;
use super::course::{Course, Phase, Todo, end};
use super::state::LaneState;
use crate::capture::PartitionId;
use crate::ledger::{Log, LogError, LogPartition, LogRead, LogRecord, PartitionEnds};

/// A record on its way into the table, and the memory it holds meanwhile.
pub(super) struct Fresh {
    pub(super) partition: PartitionId,
    pub(super) record: LogRecord,
    _memory: Option<OwnedSemaphorePermit>,
}

/// Memory for records that were read and are not written yet, in KiB.
pub(super) const MEMORY_KIB: u32 = 8 << 10;

/// So long without a record is an end.
const IDLE: Duration = Duration::from_millis(300);

/// How often the broker is asked where a partition ends.
const LOOK: Duration = Duration::from_secs(5);

/// A partition that says nothing for so long though there is more is opened again.
const SILENCE: Duration = Duration::from_secs(30);

/// Between two tries to open a partition that failed.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Reads one partition at its end.
pub(super) struct Reading {
    pub(super) id: PartitionId,
    pub(super) log: Arc<dyn Log>,
    pub(super) course: Course,
    pub(super) common: Arc<Common>,
    pub(super) state: LaneState,
    pub(super) memory: Arc<Semaphore>,
    pub(super) out: mpsc::Sender<Fresh>,
    pub(super) shutdown: CancellationToken,
    /// The phase that was told last.
    pub(super) told: Option<Phase>,
    /// Why it was said to be shut.
    pub(super) warned: Option<&'static str>,
}

/// What comes first.
enum Event {
    Read(Result<LogRead, LogError>),
    Captured,
    Idle,
    Stop,
}

impl Reading {
    /// Opens it again whenever it fails, until nobody takes its records or it is told to stop.
    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            match self.read().await {
                Ok(()) => return,
                Err(error) => {
                    if began.elapsed() > LONGEST_PAUSE {
                        pause = FIRST_PAUSE;
                    }
                    let (route, partition) = (&*self.state.route, self.id);
                    // Said once: what lasts stands in /readyz.
                    if pause == FIRST_PAUSE {
                        tracing::warn!(route, %partition, "live: {error}; opening it again until it works");
                    } else {
                        tracing::debug!(route, %partition, "live: {error}");
                    }
                    self.state.is(self.id, "away", Some(("broker", error.to_string())));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause.mul_f64(rand::random_range(0.7..1.0))) => {}
                () = self.shutdown.cancelled() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn read(&mut self) -> Result<(), LogError> {
        let mut log = self.log.open(self.id).await?;
        let mut captured = self.common.captured();
        let mut todo = match captured.borrow_and_update().get(&self.id).cloned() {
            Some(newest) => {
                self.course.captured(newest);
                Todo::Begin
            }
            None => Todo::Begin,
        };
        let (mut heard, mut looked, mut ended_before) = (Instant::now(), Instant::now(), 0);
        self.told = None;
        loop {
            self.tell();
            match todo {
                Todo::Hold | Todo::Go => {}
                Todo::Seek(number) => {
                    log.seek(number).await?;
                    heard = Instant::now();
                }
                Todo::Begin => {
                    let ends = self.look(&mut log).await?;
                    looked = Instant::now();
                    todo = self.course.begin(&ends);
                    continue;
                }
                Todo::Jump => {
                    let ends = self.look(&mut log).await?;
                    looked = Instant::now();
                    todo = self.course.jump(&ends, OffsetDateTime::now_utc());
                    if let Some(next) = self.course.next() {
                        self.state.jumped(self.id, next);
                    }
                    continue;
                }
            }
            let holds = matches!(self.course.phase(), Phase::Waiting | Phase::Shut(_));
            let event = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => Event::Stop,
                _ = captured.changed() => Event::Captured,
                read = log.next(), if !holds => Event::Read(read),
                () = tokio::time::sleep(IDLE) => Event::Idle,
            };
            todo = match event {
                Event::Stop => return Ok(()),
                Event::Captured => {
                    let newest = captured.borrow_and_update().get(&self.id).cloned();
                    match newest {
                        // Another partition's may have changed.
                        Some(newest) if !self.course.knows(&newest) => self.newest(newest),
                        _ => Todo::Go,
                    }
                }
                Event::Read(read) => {
                    let todo = match read? {
                        LogRead::Record(record) => {
                            let (todo, write) = self.course.record(&record, OffsetDateTime::now_utc());
                            if write && !self.hand_on(record).await {
                                return Ok(());
                            }
                            todo
                        }
                        LogRead::Unreadable(number) => {
                            self.state.counted(0, 1);
                            self.course.unreadable(number)
                        }
                        LogRead::End => {
                            self.course.idle(OffsetDateTime::now_utc());
                            Todo::Go
                        }
                        LogRead::Lost => {
                            // Not at once: a log that is made anew takes its time.
                            tokio::time::sleep(IDLE).await;
                            self.course.lost()
                        }
                    };
                    // Not before somebody has taken it, for which it may have waited long.
                    heard = Instant::now();
                    todo
                }
                Event::Idle => {
                    if !holds {
                        self.course.idle(OffsetDateTime::now_utc());
                    }
                    Todo::Go
                }
            };
            if looked.elapsed() >= LOOK {
                let ends = self.look(&mut log).await?;
                looked = Instant::now();
                let next = self.course.awaits();
                // A log that ends before what was read of it is another, whatever its link says of that; but what a broker
                // says of its ends may be a moment old.
                ended_before = if next.is_some_and(|next| end(&ends) < next) { ended_before + 1 } else { 0 };
                if ended_before >= 2 {
                    ended_before = 0;
                    todo = self.course.lost();
                    continue;
                }
                let more = next.zip(ends.last).is_some_and(|(next, last)| last >= next);
                if more && heard.elapsed() >= SILENCE {
                    let reason = format!(
                        "{}: partition {} says nothing for {} s though there is more",
                        self.log,
                        self.id,
                        SILENCE.as_secs()
                    );
                    return Err(LogError(reason));
                }
            }
        }
    }

    /// A file gave records.
    fn newest(&mut self, newest: super::course::Captured) -> Todo {
        self.state.captured(self.id, newest.end);
        self.course.captured(newest)
    }

    async fn look(&self, log: &mut Box<dyn LogPartition>) -> Result<PartitionEnds, LogError> {
        let ends = log.ends().await?;
        self.state.ends(self.id, ends.last);
        Ok(ends)
    }

    /// Whether somebody takes it.
    async fn hand_on(&self, record: LogRecord) -> bool {
        self.state.read(self.id, record.number, record.taken_at);
        let bytes = record.body.as_ref().map_or(0, Vec::len);
        let wanted = u32::try_from(bytes >> 10).unwrap_or(MEMORY_KIB).saturating_add(1).min(MEMORY_KIB);
        let memory = Arc::clone(&self.memory).acquire_many_owned(wanted).await.ok();
        self.out.send(Fresh { partition: self.id, record, _memory: memory }).await.is_ok()
    }

    /// Says in which phase it is, and once why nothing is written.
    fn tell(&mut self) {
        let now = self.course.phase();
        if self.told.as_ref() == Some(now) {
            return;
        }
        self.told = Some(now.clone());
        let (phase, shut) = match now {
            Phase::Waiting => ("waiting for the first file", None),
            Phase::Proving(_) => ("proving", None),
            Phase::Reading => {
                self.warned = None;
                ("reading", None)
            }
            Phase::Shut(shut) => {
                if self.warned.replace(shut.code()) != Some(shut.code()) {
                    tracing::warn!(route = &*self.state.route, partition = %self.id, "the live lane stays shut: {shut}");
                }
                ("shut", Some((shut.code(), shut.to_string())))
            }
        };
        self.state.is(self.id, phase, shut);
    }
}
