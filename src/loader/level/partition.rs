use std::collections::VecDeque;

use time::OffsetDateTime;

use crate::capture::SequenceNumber;
use crate::ledger::PartitionEnds;

/// How far one partition is loaded, and how far its log has got meanwhile.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// The newest window of which a file was loaded, and the last number loaded by a file with records.
    window: Option<OffsetDateTime>,
    last: Option<SequenceNumber>,
    /// Up to when records were loaded, unless older files wait.
    reached: Option<OffsetDateTime>,
    /// Up to when everything was loaded.
    complete: Option<OffsetDateTime>,
    log: Option<Asked>,
    /// What the broker said while more was there than was loaded, oldest first.
    ahead: VecDeque<Asked>,
    /// When the broker was asked first.
    since: Option<OffsetDateTime>,
}

/// An answer of the broker's.
#[derive(Debug, Clone, Copy)]
struct Asked {
    at: OffsetDateTime,
    ends: PartitionEnds,
}

/// Answers that are kept at most: with more, every other one goes.
const KEPT: usize = 64;

impl Level {
    /// A file of that window was loaded, with the last number and the time of its last record, if it has any.
    pub(super) fn loaded(
        &mut self,
        window: OffsetDateTime,
        last: Option<SequenceNumber>,
        enqueued_at: Option<OffsetDateTime>,
    ) {
        // A file without records says that there were none by its window.
        let reached = if last.is_some() { enqueued_at } else { Some(window) };
        self.reached = self.reached.max(reached);
        if self.window.is_none_or(|known| known <= window) {
            self.window = Some(window);
            // Also a lower one: numbers begin again in a hub that is made anew.
            self.last = last.or(self.last);
        }
        self.settle();
    }

    /// The broker said at that time where the log ends.
    pub(super) fn asked(&mut self, at: OffsetDateTime, ends: PartitionEnds) {
        self.since.get_or_insert(at);
        let asked = Asked { at, ends };
        self.log = Some(asked);
        self.ahead.push_back(asked);
        if self.ahead.len() > KEPT {
            let mut number = 0;
            self.ahead.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        self.settle();
    }

    /// The broker cannot be asked any more.
    pub(super) fn lost_sight(&mut self) {
        self.log = None;
    }

    /// Whether it ever said so.
    pub(super) fn was_asked(&self) -> bool {
        self.since.is_some()
    }

    /// Answers that tell of nothing that is still to come are of no use, but for the time of the last of them.
    fn settle(&mut self) {
        while let Some(asked) = self.ahead.front().filter(|asked| asked.ends.lag(self.last) == 0) {
            self.reached = self.reached.max(Some(asked.at));
            self.ahead.pop_front();
        }
    }

    /// Everything that was found up to now is loaded.
    pub(super) fn nothing_waits(&mut self) {
        self.complete = self.complete.max(self.reached);
    }

    /// Up to when everything is known to be loaded.
    pub(super) fn complete(&self) -> Option<OffsetDateTime> {
        self.complete
    }

    /// Records at the broker that follow what was loaded, if it says so.
    pub(super) fn lag_events(&self) -> Option<u64> {
        self.log.map(|asked| asked.ends.lag(self.last))
    }

    /// How long the oldest of them has been there, in seconds: from when it was first seen there. Of those that were there
    /// before anyone looked, at most so much.
    pub(super) fn lag_seconds(&self, now: OffsetDateTime) -> Option<f64> {
        let asked = self.log?;
        let since = match asked.ends.lag(self.last) {
            0 => return Some(0.0),
            // Then it is the very one whose time the broker says, if it does.
            1 if asked.ends.last_enqueued_at.is_some() => asked.ends.last_enqueued_at?,
            _ => {
                let first = self.ahead.front().copied().unwrap_or(asked);
                let before = (Some(first.at) == self.since).then_some(self.window.or(first.ends.last_enqueued_at));
                before.flatten().unwrap_or(first.at)
            }
        };
        Some((now - since).as_seconds_f64().max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::capture::PartitionId;

    const START: OffsetDateTime = datetime!(2026-01-02 03:00 UTC);

    fn at(seconds: i64) -> OffsetDateTime {
        START + time::Duration::seconds(seconds)
    }

    fn ends(last: Option<i64>, enqueued: Option<i64>) -> PartitionEnds {
        let last = last.map(SequenceNumber);
        let last_enqueued_at = enqueued.map(at);
        PartitionEnds { partition: PartitionId(0), earliest: SequenceNumber(0), last, last_enqueued_at }
    }

    fn load(level: &mut Level, window: i64, last: i64, enqueued: i64) {
        level.loaded(at(window), Some(SequenceNumber(last)), Some(at(enqueued)));
    }

    #[test]
    fn without_a_broker_lag_is_not_known_and_files_tell_how_far_it_is() {
        let mut level = Level::default();
        level.nothing_waits();
        assert_eq!((level.lag_events(), level.lag_seconds(at(9)), level.complete()), (None, None, None));
        load(&mut level, 0, 9, 55);
        assert_eq!(level.complete(), None, "older ones may wait");
        level.nothing_waits();
        assert_eq!(level.complete(), Some(at(55)));
        // A silent window; then an old file that came late.
        level.loaded(at(120), None, None);
        level.nothing_waits();
        load(&mut level, 60, 12, 100);
        level.nothing_waits();
        assert_eq!(level.complete(), Some(at(120)));
        assert_eq!(level.lag_events(), None);
    }

    #[test]
    fn what_was_never_written_to_is_complete_by_the_time_it_was_asked() {
        let mut level = Level::default();
        level.asked(at(7), ends(None, None));
        level.nothing_waits();
        assert_eq!((level.lag_events(), level.lag_seconds(at(9)), level.complete()), (Some(0), Some(0.0), Some(at(7))));
    }

    #[test]
    fn lag_begins_when_a_record_was_seen_that_is_not_loaded() {
        let mut level = Level::default();
        load(&mut level, 0, 9, 30);
        level.asked(at(60), ends(Some(9), None));
        assert_eq!((level.lag_events(), level.lag_seconds(at(70))), (Some(0), Some(0.0)));
        level.asked(at(80), ends(Some(14), None));
        level.asked(at(90), ends(Some(20), None));
        assert_eq!((level.lag_events(), level.lag_seconds(at(100))), (Some(11), Some(20.0)));
        level.nothing_waits();
        assert_eq!(level.complete(), Some(at(60)), "when it was seen to have all");
        load(&mut level, 60, 14, 75);
        assert_eq!((level.lag_events(), level.lag_seconds(at(100))), (Some(6), Some(10.0)));
        level.nothing_waits();
        assert_eq!(level.complete(), Some(at(80)));
        level.lost_sight();
        assert_eq!((level.lag_events(), level.lag_seconds(at(100))), (None, None));
    }

    #[test]
    fn of_what_was_there_before_anyone_looked_the_most_is_said() {
        let mut level = Level::default();
        load(&mut level, 0, 9, 30);
        level.asked(at(600), ends(Some(14), Some(580)));
        assert_eq!(level.lag_seconds(at(610)), Some(610.0), "since the newest window at most");
        level.asked(at(615), ends(Some(10), Some(580)));
        assert_eq!(level.lag_seconds(at(620)), Some(40.0), "one record, whose time is known");
    }

    #[test]
    fn answers_that_are_kept_are_few_and_the_oldest_stays() {
        let mut level = Level::default();
        (0..5000).for_each(|number| level.asked(at(number), ends(Some(number), None)));
        assert!(level.ahead.len() <= KEPT);
        assert_eq!(level.lag_seconds(at(5000)), Some(5000.0));
    }
}
