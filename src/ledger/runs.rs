use super::Span;
use crate::capture::{EnqueuedTime, SequenceNumber};

/// Neighbouring records of a partition: every number from the first to the last, each once, taken by the broker within
/// these seconds. What a store holds of a run can be counted by one range of the primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The numbers, none left out.
    pub span: Span,
    /// When the broker took the first of them.
    pub from: EnqueuedTime,
    /// When it took the last of them.
    pub until: EnqueuedTime,
}

impl Run {
    fn of(number: SequenceNumber, at: EnqueuedTime) -> Self {
        Run { span: Span { first: number, last: number }, from: at, until: at }
    }

    /// How many records it stands for.
    pub fn records(&self) -> u64 {
        self.span.last.0.abs_diff(self.span.first.0).saturating_add(1)
    }

    fn follows(&self, other: &Run) -> bool {
        self.span.first == other.span.last.next()
    }

    /// Whether they share numbers of the same seconds: the same records, captured twice.
    pub fn meets(&self, other: &Run) -> bool {
        let numbers = self.span.first <= other.span.last && other.span.first <= self.span.last;
        numbers && self.from <= other.until && other.from <= self.until
    }

    /// The same records in runs of at most so many. Each may have been taken at any of the run's seconds.
    fn pieces(&self, most: u64) -> impl Iterator<Item = Run> {
        let (run, step) = (*self, i64::try_from(most.max(1)).unwrap_or(i64::MAX));
        let next = move |span: &Span| (span.last < run.span.last).then(|| span.last.next());
        let piece = move |first: SequenceNumber| Span {
            first,
            last: SequenceNumber(first.0.saturating_add(step - 1)).min(run.span.last),
        };
        std::iter::successors(Some(piece(run.span.first)), move |span| next(span).map(piece))
            .map(move |span| Run { span, ..run })
    }

    fn join(&mut self, other: &Run) {
        self.span.first = self.span.first.min(other.span.first);
        self.span.last = self.span.last.max(other.span.last);
        self.from = self.from.min(other.from);
        self.until = self.until.max(other.until);
    }
}

/// Neighbouring records of one second that made several rows each, all as many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Several {
    /// Which records.
    pub run: Run,
    /// How many rows each has beyond its first.
    pub more: u32,
}

impl Several {
    /// How many rows they have beyond one each.
    pub fn rows(&self) -> u64 {
        self.run.records() * u64::from(self.more)
    }
}

/// Which records of a partition were written, in the order in which they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    runs: Vec<Run>,
    records: u64,
    several: Vec<Several>,
}

/// A record as it was read back: what identifies it in its partition, and how many rows it has.
pub type Found = (SequenceNumber, EnqueuedTime, u64);

impl FromIterator<(SequenceNumber, EnqueuedTime)> for Runs {
    fn from_iter<T: IntoIterator<Item = (SequenceNumber, EnqueuedTime)>>(records: T) -> Self {
        let mut runs = Runs::default();
        records.into_iter().for_each(|(number, at)| runs.push(number, at));
        runs
    }
}

impl Runs {
    /// Adds a record.
    pub fn push(&mut self, number: SequenceNumber, at: EnqueuedTime) {
        let run = Run::of(number, at);
        self.records += 1;
        match self.runs.last_mut() {
            Some(last) if run.follows(last) => last.join(&run),
            _ => self.runs.push(run),
        }
    }

    /// Adds a record that made so many rows.
    pub fn push_rows(&mut self, number: SequenceNumber, at: EnqueuedTime, rows: u32) {
        self.push(number, at);
        let Some(more) = rows.checked_sub(1).filter(|more| *more > 0) else { return };
        let run = Run::of(number, at);
        match self.several.last_mut() {
            Some(last) if last.more == more && last.run.until == at && run.follows(&last.run) => last.run.join(&run),
            _ => self.several.push(Several { run, more }),
        }
    }

    /// Adds all of the other's records.
    pub fn append(&mut self, other: Runs) {
        self.records += other.records;
        self.runs.extend(other.runs);
        self.several.extend(other.several);
    }

    /// Rows of the records added, at least one each.
    pub fn rows(&self) -> u64 {
        self.records + self.several.iter().map(Several::rows).sum::<u64>()
    }

    /// The records of all of these that made several rows, each once, however often it was added.
    pub fn several<'r>(all: impl IntoIterator<Item = &'r Runs>) -> Vec<Several> {
        let mut sorted: Vec<Several> = all.into_iter().flat_map(|runs| runs.several.iter().copied()).collect();
        sorted.sort_by_key(|several| (several.run.from, several.run.span.first));
        let mut each: Vec<Several> = Vec::new();
        for mut several in sorted {
            if let Some(last) = each.last().filter(|last| last.run.from == several.run.from) {
                several.run.span.first = several.run.span.first.max(last.run.span.last.next());
            }
            if several.run.span.first <= several.run.span.last {
                each.push(several);
            }
        }
        each
    }

    /// Records added, one that was added twice counted twice.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The runs, as they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter()
    }

    /// The same records in as few runs as may be, each record in one of them only. Runs of the same numbers at other
    /// times stay apart: the hub was made anew between them.
    pub fn merged(runs: impl IntoIterator<Item = Run>) -> Vec<Run> {
        let mut sorted: Vec<Run> = runs.into_iter().collect();
        sorted.sort_by_key(|run| (run.span.first, run.from));
        let mut merged: Vec<Run> = Vec::new();
        // Runs that a later one may join: those whose numbers end where it begins, or behind.
        let mut open: Vec<Run> = Vec::new();
        for run in sorted {
            let (ended, still): (Vec<_>, _) =
                std::mem::take(&mut open).into_iter().partition(|other| other.span.last.next() < run.span.first);
            merged.extend(ended);
            open = still;
            match open.iter().position(|other| run.meets(other) || run.follows(other)) {
                Some(at) => open[at].join(&run),
                None => open.push(run),
            }
        }
        merged.extend(open);
        merged.sort_by_key(|run| (run.span.first, run.from));
        merged
    }

    /// The same records in parts of at most so many, each of neighbours that leave no more than so many numbers out, so
    /// that reading a part's range back is bounded.
    pub fn parts(&self, most: u64) -> Vec<Runs> {
        let mut parts: Vec<Runs> = Vec::new();
        for run in Runs::merged(self.runs.iter().copied()).iter().flat_map(|run| run.pieces(most)) {
            let near = |part: &&mut Runs| {
                let last = part.runs.last().map_or(0, |last| last.span.last.0);
                part.records + run.records() <= most && run.span.first.0.abs_diff(last) <= most
            };
            let part = match parts.last_mut().filter(near) {
                Some(part) => part,
                None => {
                    parts.push(Runs::default());
                    let last = parts.len() - 1;
                    &mut parts[last]
                }
            };
            part.records += run.records();
            part.runs.push(run);
        }
        for part in &mut parts {
            let concerned = |several: &&Several| part.runs.iter().any(|run| run.meets(&several.run));
            part.several = self.several.iter().filter(concerned).copied().collect();
        }
        parts
    }

    /// How many rows a record of these has.
    fn rows_of(&self, number: SequenceNumber, at: EnqueuedTime) -> u64 {
        let it = |several: &&Several| {
            let Several { run, .. } = several;
            run.from == at && (run.span.first..=run.span.last).contains(&number)
        };
        1 + self.several.iter().find(it).map_or(0, |several| u64::from(several.more))
    }

    /// The numbers and seconds that hold all the records; `None` if there are none.
    pub fn hull(&self) -> Option<Run> {
        self.runs.iter().copied().reduce(|mut hull, run| {
            hull.join(&run);
            hull
        })
    }

    /// How many of the records are not among those `found` with all of their rows; these are sorted.
    pub fn lacking(&self, found: &[Found]) -> u64 {
        let lacking = |run: &Run| {
            let start = found.partition_point(|(number, ..)| *number < run.span.first);
            let there = found[start..]
                .iter()
                .take_while(|(number, ..)| *number <= run.span.last)
                .filter(|(number, at, rows)| (run.from..=run.until).contains(at) && *rows >= self.rows_of(*number, *at))
                .map(|(number, ..)| *number);
            let mut distinct = 0;
            let mut last = None;
            for number in there {
                distinct += u64::from(last != Some(number));
                last = Some(number);
            }
            run.records().saturating_sub(distinct)
        };
        self.runs.iter().map(lacking).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use time::OffsetDateTime;

    use super::*;

    fn at(second: i64) -> EnqueuedTime {
        EnqueuedTime::from_utc(OffsetDateTime::from_unix_timestamp(1_767_312_000 + second).unwrap())
    }

    fn runs(records: &[(i64, i64)]) -> Runs {
        let mut runs = Runs::default();
        records.iter().for_each(|(number, second)| runs.push(SequenceNumber(*number), at(*second)));
        runs
    }

    fn spans(merged: &[Run]) -> Vec<(i64, i64)> {
        merged.iter().map(|run| (run.span.first.0, run.span.last.0)).collect()
    }

    #[test]
    fn neighbours_become_one_run_and_a_rejected_record_divides_it() {
        let runs = runs(&[(5, 0), (6, 0), (7, 1), (9, 1), (10, 2)]);
        assert_eq!(spans(&runs.runs), [(5, 7), (9, 10)]);
        assert_eq!(runs.records(), 5);
        assert_eq!((runs.runs[0].from, runs.runs[0].until), (at(0), at(1)));
    }

    #[test]
    fn records_captured_twice_are_counted_once() {
        let twice = [runs(&[(0, 0), (1, 0), (2, 1)]), runs(&[(1, 0), (2, 1), (3, 1)]), runs(&[(4, 2)])];
        assert_eq!(spans(&Runs::merged(twice.into_iter().flat_map(|runs| runs.runs))), [(0, 4)]);
    }

    #[test]
    fn a_hub_made_anew_has_runs_of_its_own() {
        let lives = [runs(&[(0, 0), (1, 1), (2, 2)]), runs(&[(0, 9), (1, 9)]), runs(&[(3, 3)])];
        let merged = Runs::merged(lives.into_iter().flat_map(|runs| runs.runs));
        assert_eq!(spans(&merged), [(0, 3), (0, 1)]);
        assert_eq!((merged[1].from, merged[1].until), (at(9), at(9)));
    }

    #[test]
    fn what_lacks_is_told_by_number_and_time() {
        let wanted = runs(&[(0, 0), (1, 0), (2, 1), (7, 5)]);
        let found = |records: &[(i64, i64)]| -> Vec<_> {
            records.iter().map(|(number, second)| (SequenceNumber(*number), at(*second), 1)).collect()
        };
        assert_eq!(wanted.lacking(&found(&[(0, 0), (1, 0), (2, 1), (7, 5)])), 0);
        assert_eq!(wanted.lacking(&found(&[(0, 0), (2, 1), (3, 1)])), 2);
        // The same number of another life is another record.
        assert_eq!(wanted.lacking(&found(&[(0, 0), (1, 0), (1, 1), (2, 1), (7, 99)])), 1);
        assert_eq!(wanted.lacking(&[]), 4);
    }

    #[test]
    fn a_record_of_several_rows_is_there_with_all_of_them() {
        let mut wanted = Runs::default();
        for (number, second, rows) in [(0, 0, 1), (1, 0, 3), (2, 0, 3), (3, 1, 3), (4, 1, 2)] {
            wanted.push_rows(SequenceNumber(number), at(second), rows);
        }
        assert_eq!((wanted.records(), wanted.rows()), (5, 12));
        let whole = [(0, 0, 1), (1, 0, 3), (2, 0, 3), (3, 1, 3), (4, 1, 2)];
        let lacking = |change: fn(&mut [(i64, i64, u64); 5])| {
            let mut found = whole;
            change(&mut found);
            let found: Vec<_> = found.iter().map(|(n, s, rows)| (SequenceNumber(*n), at(*s), *rows)).collect();
            let parts = wanted.parts(3);
            assert_eq!(parts.iter().map(Runs::rows).sum::<u64>(), 12);
            (wanted.lacking(&found), parts.iter().map(|part| part.lacking(&found)).sum::<u64>())
        };
        assert_eq!(lacking(|_| {}), (0, 0));
        assert_eq!(lacking(|found| found[2].2 = 2), (1, 1));
        assert_eq!(lacking(|found| found[0].2 = 5), (0, 0), "more than wanted, as of another format, is no loss");
        // Captured twice, each counts once.
        let mut again = Runs::default();
        for (number, second, rows) in [(2, 0, 3), (3, 1, 3), (4, 1, 2), (5, 1, 2)] {
            again.push_rows(SequenceNumber(number), at(second), rows);
        }
        let several = Runs::several([&wanted, &again]);
        assert_eq!(several.iter().map(Several::rows).sum::<u64>(), 2 + 2 + 2 + 1 + 1);
    }

    #[test]
    fn parts_are_bounded_and_leave_nothing_out() {
        let scattered: Vec<_> = (0..25).chain(40..42).chain(900..903).map(|number| (number, number / 9)).collect();
        let parts = runs(&scattered).parts(10);
        let hulls: Vec<_> = parts.iter().filter_map(Runs::hull).collect();
        assert_eq!(spans(&hulls), [(0, 9), (10, 19), (20, 24), (40, 41), (900, 902)]);
        assert_eq!(parts.iter().map(Runs::records).sum::<u64>(), 30);
    }

    proptest! {
        /// However records are spread over files and however files overlap: the runs hold each record once.
        #[test]
        fn merged_runs_stand_for_each_record_once(
            files in prop::collection::vec((0i64..60, 1i64..20), 1..12),
            skipped in prop::collection::btree_set(0i64..80, 0..10),
        ) {
            // The broker's time grows with the number, so that a number has one time.
            let records = |(first, count): &(i64, i64)| -> Vec<(i64, i64)> {
                (*first..first + count).filter(|number| !skipped.contains(number)).map(|number| (number, number / 7)).collect()
            };
            let all: BTreeSet<i64> = files.iter().flat_map(records).map(|(number, _)| number).collect();
            let merged = Runs::merged(files.iter().flat_map(|file| runs(&records(file)).runs));
            prop_assert_eq!(merged.iter().map(Run::records).sum::<u64>(), all.len() as u64);
            let held: BTreeSet<i64> =
                merged.iter().flat_map(|run| run.span.first.0..=run.span.last.0).collect();
            prop_assert_eq!(held, all);
        }
    }
}
