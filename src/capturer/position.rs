use std::ops::Range;

use crate::capture::EnqueuedTime;
use crate::kafka::Record;

/// The last record that is in a partition's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastRecord {
    pub offset: i64,
    pub enqueued_time: EnqueuedTime,
    pub body: Option<Vec<u8>>,
}

impl LastRecord {
    /// Whether the broker's record at the same offset is the one in the file, which tells a log that goes on from one
    /// made anew.
    pub fn is(&self, record: &Record) -> bool {
        self.offset == record.offset
            && self.enqueued_time == EnqueuedTime::from_kafka(record.timestamp)
            && self.body == record.payload
    }
}

/// Which offsets a broker holds: from the first record to where the next one will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub low: i64,
    pub high: i64,
}

/// How to go on with a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing is known of it: from the first record held.
    Fresh(i64),
    /// The last captured record is still held: read it again, compare, and go on after it.
    Compare(i64),
    /// The last captured record is not held any more, and none after it was missed.
    Next(i64),
    /// Records were deleted by retention before they were captured. Go on at the end of the range.
    Gap(Range<i64>),
    /// The broker's log ends before what was captured: the topic was made anew. From the first record held.
    Anew(i64),
}

impl Start {
    /// The offset to read first.
    pub fn offset(&self) -> i64 {
        match self {
            Start::Fresh(offset) | Start::Compare(offset) | Start::Next(offset) | Start::Anew(offset) => *offset,
            Start::Gap(missing) => missing.end,
        }
    }
}

/// How to go on, by what the files end with and what the broker holds.
///
/// | last captured | broker holds | start |
/// |---|---|---|
/// | nothing | low.. | fresh at low |
/// | n | ..high, high ≤ n | anew at low |
/// | n | low.., low ≤ n | compare at n |
/// | n | low.., low = n + 1 | next at n + 1 |
/// | n | low.., low > n + 1 | gap from n + 1 to low |
pub(super) fn start(last: Option<i64>, held: Held) -> Start {
    let Some(last) = last else { return Start::Fresh(held.low) };
    let next = last.saturating_add(1);
    match resume(next, held) {
        Start::Next(_) if held.low <= last => Start::Compare(last),
        start => start,
    }
}

/// How to go on at `next`, which the broker says it does not have, or the record before which turned out to be gone.
pub(super) fn resume(next: i64, held: Held) -> Start {
    if held.high < next {
        Start::Anew(held.low)
    } else if held.low > next {
        Start::Gap(next..held.low)
    } else {
        Start::Next(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds() {
        let held = Held { low: 10, high: 20 };
        for (last, expected) in [
            (None, Start::Fresh(10)),
            (Some(3), Start::Gap(4..10)),
            (Some(8), Start::Gap(9..10)),
            (Some(9), Start::Next(10)),
            (Some(10), Start::Compare(10)),
            (Some(19), Start::Compare(19)),
            (Some(20), Start::Anew(10)),
            (Some(i64::MAX), Start::Anew(10)),
        ] {
            assert_eq!(start(last, held), expected, "{last:?}");
        }
    }

    #[test]
    fn a_log_that_retention_emptied_is_not_a_new_one() {
        let emptied = Held { low: 20, high: 20 };
        assert_eq!(start(Some(19), emptied), Start::Next(20));
        assert_eq!(start(Some(15), emptied), Start::Gap(16..20));
        assert_eq!(start(Some(20), emptied), Start::Anew(20));
        assert_eq!(start(None, Held { low: 0, high: 0 }), Start::Fresh(0));
    }

    #[test]
    fn only_the_same_second_and_body_make_the_same_record() {
        let record =
            Record { offset: 4, timestamp: Some(5_999), key: None, payload: Some(b"x".to_vec()), headers: Vec::new() };
        let last =
            LastRecord { offset: 4, enqueued_time: EnqueuedTime::from_kafka(Some(5_000)), body: Some(b"x".to_vec()) };
        assert!(last.is(&record));
        assert!(!last.is(&Record { timestamp: Some(6_000), ..record.clone() }));
        assert!(!last.is(&Record { payload: None, ..record.clone() }));
        assert!(!last.is(&Record { offset: 5, ..record }));
    }
}
