//! Where records come from: the generator or the user's lines.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TryRecvError;
use tokio_util::sync::CancellationToken;

use super::envelope::Envelope;
use super::event::{Event, Generator, TIME};
use super::input::{InputError, Line, Lines};
use super::order::{OrderClock, OrderError};
use super::{ProducerError, tally};
use crate::settings::EventSource;

/// Longest wait for a line before the sender looks up.
const PATIENCE: Duration = Duration::from_millis(200);

/// One record to send.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// What decides the partition.
    pub key: Vec<u8>,
    /// What is sent.
    pub payload: Vec<u8>,
    /// Under which operation it is counted.
    pub tag: usize,
}

/// What asking for a record gave.
pub(super) enum Next {
    /// The record was filled in.
    Record,
    /// Nothing yet: ask again.
    Later,
    /// There are no more.
    End,
}

/// A stream of records.
pub(super) enum Source {
    Generated(Box<Generated>),
    Input(Lines),
}

impl Source {
    /// Opens whatever the records come from; generated ones are wrapped so.
    pub(super) fn open(source: &EventSource, envelope: Envelope) -> Result<Source, ProducerError> {
        Ok(match source {
            EventSource::Generated { users, seed, order, .. } => Source::Generated(Box::new(Generated {
                envelope,
                generator: Generator::new(*users, *seed),
                order: OrderClock::open(order)?,
                stamp: Stamp::default(),
            })),
            EventSource::Input { file, key } => Source::Input(Lines::open(file.clone(), key.clone())?),
        })
    }

    /// Fills in the next record; waits at most a moment for it, and not past the shutdown.
    pub(super) fn next(
        &mut self,
        record: &mut Record,
        handle: &Handle,
        shutdown: &CancellationToken,
    ) -> Result<Next, ProducerError> {
        match self {
            Source::Generated(generated) => generated.next(record)?,
            Source::Input(lines) => match next_line(lines, handle, shutdown)? {
                Ok(line) => {
                    *record =
                        Record { tag: tally::tag(line.op.as_deref()), key: line.key.into(), payload: line.payload }
                }
                Err(without) => return Ok(without),
            },
        }
        Ok(Next::Record)
    }
}

fn next_line(
    lines: &mut Lines,
    handle: &Handle,
    shutdown: &CancellationToken,
) -> Result<Result<Line, Next>, InputError> {
    match lines.try_next() {
        Ok(line) => line.map(Ok),
        Err(TryRecvError::Disconnected) => Ok(Err(Next::End)),
        Err(TryRecvError::Empty) => handle.block_on(async {
            tokio::select! {
                line = lines.next() => line.transpose().map(|line| line.ok_or(Next::End)),
                () = shutdown.cancelled() => Ok(Err(Next::Later)),
                () = tokio::time::sleep(PATIENCE) => Ok(Err(Next::Later)),
            }
        }),
    }
}

/// Generated events with their number and time.
pub(super) struct Generated {
    envelope: Envelope,
    generator: Generator,
    order: OrderClock,
    stamp: Stamp,
}

impl Generated {
    fn next(&mut self, record: &mut Record) -> Result<(), OrderError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let change = self.generator.change();
        let event = Event {
            id: change.id,
            name: change.name,
            age: change.age,
            op: change.op,
            event_order: self.order.next(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))?,
            ts: self.stamp.text(now.as_secs()).into(),
        };
        record.key.clear();
        record.payload.clear();
        record.tag = tally::tag(Some(change.op.as_str()));
        // It cannot fail: the sink is memory.
        let _ = write!(record.key, "{}", event.id);
        self.envelope.write(&event, &mut record.payload);
        Ok(())
    }
}

/// The text of a second, kept until the next second.
#[derive(Default)]
struct Stamp {
    second: u64,
    text: String,
}

impl Stamp {
    fn text(&mut self, second: u64) -> &str {
        if self.text.is_empty() || self.second != second {
            self.second = second;
            self.text = i64::try_from(second)
                .ok()
                .and_then(|second| OffsetDateTime::from_unix_timestamp(second).ok())
                .and_then(|time| time.format(TIME).ok())
                .unwrap_or_default();
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_utc_to_the_second_without_offset() {
        let mut stamp = Stamp::default();
        assert_eq!(stamp.text(0), "1970-01-01T00:00:00");
        assert_eq!(stamp.text(1_795_417_200), "2026-11-23T07:00:00");
        assert_eq!(stamp.text(1_795_417_201), "2026-11-23T07:00:01");
    }
}
