//! What a lane does about one partition: when it proves its key, from where it reads, what it writes. Pure.
//!
//! | phase | what happens | next |
//! |---|---|---|
//! | waiting | no file has given a record yet | proving, with the first that does; reading at once with `--live-from-start` |
//! | proving | the newest captured record is read from the broker and compared | reading, where it is the same; else shut |
//! | reading | records behind the last number that files gave, or from the end, are written | proving, where a file differs from what was read, or the log does not have the number |
//! | shut | the key is not what files would give | proving, with the next file |

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

use super::print::{Difference, Memory, Print};
use crate::capture::SequenceNumber;
use crate::ledger::{LogRecord, PartitionEnds};

/// What the files of a partition end with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::loader) struct Captured {
    /// When the newest window that has records began.
    pub(in crate::loader) window: OffsetDateTime,
    /// The last number in it.
    pub(in crate::loader) end: SequenceNumber,
    /// Records of it that may be compared, the newest last. There is one at least.
    pub(in crate::loader) prints: Vec<Print>,
}

/// Why nothing is written of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::loader) enum Shut {
    /// The broker gives a captured record otherwise: its rows would be there twice.
    Differs(Difference),
    /// The log ends before what was captured.
    Anew { captured: SequenceNumber, last: Option<SequenceNumber> },
    /// There is nothing to compare.
    Gone { captured: SequenceNumber },
}

impl Shut {
    /// For metrics.
    pub(in crate::loader) const fn code(&self) -> &'static str {
        match self {
            Shut::Differs(_) => "differs",
            Shut::Anew { .. } => "anew",
            Shut::Gone { .. } => "gone",
        }
    }
}

impl fmt::Display for Shut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shut::Differs(difference) => {
                write!(f, "{difference}: live rows would be other rows than the file's, so only files are loaded")
            }
            Shut::Anew { captured, last } => {
                let last = last.map_or_else(|| "is empty".to_owned(), |last| format!("ends at {last}"));
                write!(
                    f,
                    "the log {last}, before the last captured record {captured}: the hub was made anew; its first file opens the lane"
                )
            }
            Shut::Gone { captured } => {
                write!(
                    f,
                    "the broker no longer has the captured record {captured}, so there is nothing to compare; the next file opens the lane"
                )
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    Proving(Print),
    Reading,
    Shut(Shut),
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Todo {
    /// Nothing before the next file.
    Hold,
    /// Read on.
    Go,
    /// Read from this number on.
    Seek(SequenceNumber),
    /// Ask for the ends, and begin.
    Begin,
    /// Ask for the ends, and jump to the last.
    Jump,
}

/// One partition's way.
#[derive(Debug)]
pub(super) struct Course {
    window: Duration,
    from_start: bool,
    phase: Phase,
    captured: Option<Captured>,
    /// The number that is to be written next, once there was one.
    next: Option<SequenceNumber>,
    /// Whether what is written was proven.
    proven: bool,
    /// When the newest there is was last seen.
    caught_up: Option<OffsetDateTime>,
    memory: Memory,
}

impl Course {
    pub(super) fn new(window: Duration, from_start: bool) -> Self {
        Course {
            window,
            from_start,
            phase: Phase::Waiting,
            captured: None,
            next: None,
            proven: false,
            caught_up: None,
            memory: Memory::default(),
        }
    }

    pub(super) fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The number that is to be written next, once there was one.
    pub(super) fn next(&self) -> Option<SequenceNumber> {
        self.next
    }

    /// The number that is to come, if one is waited for: that of the record to be compared, or the one to be written next.
    pub(super) fn awaits(&self) -> Option<SequenceNumber> {
        match &self.phase {
            Phase::Waiting | Phase::Shut(_) => None,
            Phase::Proving(captured) => Some(captured.number),
            Phase::Reading => self.next,
        }
    }

    /// Begins, or begins again, on a log with these ends.
    pub(super) fn begin(&mut self, ends: &PartitionEnds) -> Todo {
        let end = end(ends);
        self.next = self.next.filter(|next| *next <= end);
        self.caught_up = None;
        let (phase, todo) = match &self.captured {
            None if self.from_start => {
                let next = self.next.unwrap_or(end);
                self.next = Some(next);
                (Phase::Reading, Todo::Seek(next))
            }
            None => (Phase::Waiting, Todo::Hold),
            Some(captured) => {
                // The newest that the broker still has, if it has any.
                let held = captured.prints.iter().rev().find(|print| print.number >= ends.earliest);
                let newest = captured.end;
                match held {
                    Some(print) if end > print.number => (Phase::Proving(*print), Todo::Seek(print.number)),
                    _ if end <= newest => (Phase::Shut(Shut::Anew { captured: newest, last: ends.last }), Todo::Hold),
                    _ => (Phase::Shut(Shut::Gone { captured: newest }), Todo::Hold),
                }
            }
        };
        self.phase = phase;
        todo
    }

    /// Whether this was said before.
    pub(super) fn knows(&self, captured: &Captured) -> bool {
        self.captured.as_ref() == Some(captured)
    }

    /// A file gave records of a window that is no older than that of any before.
    pub(super) fn captured(&mut self, captured: Captured) -> Todo {
        let compared = captured.prints.iter().rev().find_map(|print| Some((*print, self.memory.of(print.number)?)));
        self.captured = Some(captured);
        match &self.phase {
            Phase::Waiting | Phase::Shut(_) => Todo::Begin,
            Phase::Proving(_) => Todo::Go,
            // What was read otherwise may have been of a log that is there no more: the broker is asked.
            Phase::Reading => match compared {
                Some((captured, given)) if captured == given => {
                    self.proven = true;
                    Todo::Go
                }
                None if self.proven => Todo::Go,
                _ => Todo::Begin,
            },
        }
    }

    /// A record came. Says what to do next, and whether the record is to be written.
    pub(super) fn record(&mut self, record: &LogRecord, now: OffsetDateTime) -> (Todo, bool) {
        match self.phase.clone() {
            Phase::Waiting | Phase::Shut(_) => (Todo::Hold, false),
            Phase::Proving(captured) if record.number < captured.number => (Todo::Go, false),
            Phase::Proving(captured) if record.number > captured.number => {
                (self.shut(Shut::Gone { captured: captured.number }), false)
            }
            Phase::Proving(captured) => match Difference::between(captured, Print::of(record)) {
                Some(difference) => (self.shut(Shut::Differs(difference)), false),
                None => {
                    self.proven = true;
                    self.phase = Phase::Reading;
                    let behind = self.captured.as_ref().map_or(record.number, |captured| captured.end).next();
                    let next = self.next.map_or(behind, |next| next.max(behind));
                    self.next = Some(next);
                    (if next == record.number.next() { Todo::Go } else { Todo::Seek(next) }, false)
                }
            },
            Phase::Reading => {
                // What was fetched before a seek.
                if self.next.is_some_and(|next| record.number < next) {
                    return (Todo::Go, false);
                }
                let is_old = |at: OffsetDateTime| now - at > self.window;
                if is_old(record.taken_at) && self.caught_up.is_none_or(is_old) {
                    return (Todo::Jump, false);
                }
                if !is_old(record.taken_at) {
                    self.caught_up = Some(now);
                }
                self.next = Some(record.number.next());
                self.memory.keep(Print::of(record));
                (Todo::Go, true)
            }
        }
    }

    /// A record came whose bytes only its file says.
    pub(super) fn unreadable(&mut self, number: SequenceNumber) -> Todo {
        match &self.phase {
            Phase::Proving(captured) if number >= captured.number => {
                let captured = captured.number;
                self.shut(Shut::Gone { captured })
            }
            Phase::Reading => {
                self.next = self.next.max(Some(number.next()));
                Todo::Go
            }
            _ => Todo::Go,
        }
    }

    /// There is nothing more at the moment.
    pub(super) fn idle(&mut self, now: OffsetDateTime) {
        if self.phase == Phase::Reading {
            self.caught_up = Some(now);
        }
    }

    /// The log does not have the number asked for.
    pub(super) fn lost(&mut self) -> Todo {
        self.next = None;
        Todo::Begin
    }

    /// Goes to the end of a log with these ends, for what is before it is too far behind.
    pub(super) fn jump(&mut self, ends: &PartitionEnds, now: OffsetDateTime) -> Todo {
        let end = end(ends);
        self.caught_up = Some(now);
        self.next = Some(end);
        Todo::Seek(end)
    }

    fn shut(&mut self, shut: Shut) -> Todo {
        self.proven = false;
        self.phase = Phase::Shut(shut);
        Todo::Hold
    }
}

/// The number that comes next.
pub(super) fn end(ends: &PartitionEnds) -> SequenceNumber {
    ends.last.map_or(ends.earliest, |last| last.next().max(ends.earliest))
}

#[cfg(test)]
mod tests;
