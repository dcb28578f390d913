use std::collections::VecDeque;
use std::fmt;

use crate::capture::{EnqueuedTime, SequenceNumber};
use crate::ledger::LogRecord;

/// What tells a record from every other: its key, and what its body looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::loader) struct Print {
    pub(in crate::loader) number: SequenceNumber,
    at: EnqueuedTime,
    /// `None` for a null body.
    length: Option<usize>,
    hash: u32,
}

impl Print {
    pub(in crate::loader) fn new(number: SequenceNumber, at: EnqueuedTime, body: Option<&[u8]>) -> Self {
        Print { number, at, length: body.map(<[u8]>::len), hash: crc32fast::hash(body.unwrap_or_default()) }
    }

    pub(super) fn of(record: &LogRecord) -> Self {
        Print::new(record.number, record.enqueued_time(), record.body.as_deref())
    }
}

/// What a file has of a record that the broker gives otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::loader) struct Difference {
    captured: Print,
    given: Print,
}

impl Difference {
    /// Of the same number.
    pub(super) fn between(captured: Print, given: Print) -> Option<Self> {
        (captured != given).then_some(Difference { captured, given })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { captured, given } = self;
        let length = |print: &Print| match print.length {
            Some(length) => format!("{length} bytes"),
            None => "no body".to_owned(),
        };
        write!(f, "record {} ", captured.number)?;
        if captured.at != given.at {
            write!(f, "was taken at {} by its file and at {} by the broker", captured.at.sql(), given.at.sql())
        } else if captured.length != given.length {
            write!(f, "has {} in its file and {} at the broker", length(captured), length(given))
        } else {
            write!(f, "has other bytes in its file than at the broker")
        }
    }
}

/// Numbers of which a print is kept for long: every so many.
const MILESTONE: i64 = 1024;

/// Whether a number is one of them.
pub(super) const fn is_milestone(number: SequenceNumber) -> bool {
    number.0 % MILESTONE == 0
}

/// So many prints are kept, of the newest records and of milestones each: those of a quarter of an hour at 5,000 records
/// a second, in 400 KiB a partition.
const KEPT: usize = 4096;

/// Prints of what was written and no file has given yet.
#[derive(Debug, Default)]
pub(super) struct Memory {
    newest: VecDeque<Print>,
    milestones: VecDeque<Print>,
}

impl Memory {
    pub(super) fn keep(&mut self, print: Print) {
        let kept = if is_milestone(print.number) { &mut self.milestones } else { &mut self.newest };
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(print);
    }

    pub(super) fn of(&self, number: SequenceNumber) -> Option<Print> {
        let kept = if is_milestone(number) { &self.milestones } else { &self.newest };
        // Numbers that began again stand behind those of the former life.
        kept.iter().rev().find(|print| print.number == number).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(number: i64, second: i64, body: Option<&[u8]>) -> Print {
        Print::new(SequenceNumber(number), EnqueuedTime::from_kafka(Some(second * 1000)), body)
    }

    #[test]
    fn a_difference_says_which() {
        let captured = print(7, 5, Some(b"abc"));
        let said = |given| Difference::between(captured, given).map(|difference| difference.to_string());
        assert_eq!(said(captured), None);
        let time = "record 7 was taken at 1970-01-01 00:00:05 by its file and at 1970-01-01 00:00:06 by the broker";
        assert_eq!(said(print(7, 6, Some(b"abc"))).as_deref(), Some(time));
        assert_eq!(
            said(print(7, 5, None)).as_deref(),
            Some("record 7 has 3 bytes in its file and no body at the broker")
        );
        let bytes = "record 7 has other bytes in its file than at the broker";
        assert_eq!(said(print(7, 5, Some(b"abd"))).as_deref(), Some(bytes));
    }

    #[test]
    fn the_newest_and_milestones_are_remembered() {
        let mut memory = Memory::default();
        (0..1_000_000).for_each(|number| memory.keep(print(number, 0, None)));
        let knows = |number| memory.of(SequenceNumber(number)).is_some();
        assert!(knows(999_999) && knows(996_000) && knows(1024) && !knows(1025) && !knows(1_000_000));
    }
}
