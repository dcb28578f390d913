use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::capture::{EnqueuedTime, PartitionId};

const WINDOW: Duration = Duration::from_secs(120);

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_767_312_000 + second).unwrap()
}

fn record(number: i64, second: i64) -> LogRecord {
    let body = format!("{number}").into_bytes();
    LogRecord { number: SequenceNumber(number), taken_at: at(second), body: Some(body) }
}

fn captured(window: i64, records: &[LogRecord]) -> Captured {
    let last = records.last().unwrap();
    Captured { window: at(window), end: last.number, prints: vec![Print::of(last)] }
}

fn ends(earliest: i64, last: i64) -> PartitionEnds {
    PartitionEnds {
        partition: PartitionId(0),
        earliest: SequenceNumber(earliest),
        last: (last >= 0).then_some(SequenceNumber(last)),
        last_enqueued_at: None,
    }
}

#[test]
fn a_lane_reads_on_behind_what_is_captured_once_the_key_is_proven() {
    let mut course = Course::new(WINDOW, false);
    assert_eq!(course.begin(&ends(0, 9)), Todo::Hold);
    assert_eq!(course.captured(captured(0, &[record(4, 5)])), Todo::Begin);
    assert_eq!(course.begin(&ends(0, 9)), Todo::Seek(SequenceNumber(4)));
    assert_eq!(course.record(&record(3, 5), at(20)), (Todo::Go, false), "fetched before");
    assert_eq!(course.record(&record(4, 5), at(20)), (Todo::Go, false), "its file has it");
    assert_eq!(course.record(&record(5, 6), at(20)), (Todo::Go, true));
    // The next file says the same, and one that says something else has the key proven again.
    assert_eq!(course.captured(captured(1, &[record(5, 6)])), Todo::Go);
    assert_eq!(course.record(&record(6, 7), at(20)), (Todo::Go, true));
    assert_eq!(course.captured(captured(2, &[record(6, 8)])), Todo::Begin);
    assert_eq!(course.begin(&ends(0, 9)), Todo::Seek(SequenceNumber(6)));
    assert_eq!(course.record(&record(6, 7), at(20)), (Todo::Hold, false));
    assert!(matches!(course.phase(), Phase::Shut(Shut::Differs(_))));
    assert_eq!(course.record(&record(7, 8), at(20)), (Todo::Hold, false));
    // A file that fits opens it.
    assert_eq!(course.captured(captured(3, &[record(8, 9)])), Todo::Begin);
    assert_eq!(course.begin(&ends(0, 9)), Todo::Seek(SequenceNumber(8)));
    assert_eq!(course.record(&record(8, 9), at(20)), (Todo::Go, false));
    assert_eq!(course.record(&record(9, 9), at(20)), (Todo::Go, true));
}

#[test]
fn a_record_is_waited_for_while_it_is_to_be_compared_too() {
    let mut course = Course::new(WINDOW, false);
    assert_eq!(course.awaits(), None);
    course.captured(captured(0, &[record(4, 5)]));
    assert_eq!(course.awaits(), None);
    course.begin(&ends(0, 9));
    assert_eq!(course.awaits(), Some(SequenceNumber(4)));
    course.record(&record(4, 5), at(20));
    assert_eq!(course.awaits(), Some(SequenceNumber(5)));
    course.captured(captured(1, &[record(7, 5)]));
    course.begin(&ends(8, 9));
    assert!(matches!(course.phase(), Phase::Shut(_)));
    assert_eq!(course.awaits(), None);
}

#[test]
fn a_backlog_is_jumped_over_and_old_times_alone_are_none() {
    let mut course = Course::new(WINDOW, false);
    course.captured(captured(0, &[record(4, 0)]));
    course.begin(&ends(0, 999));
    course.record(&record(4, 0), at(1000));
    assert_eq!(course.record(&record(5, 1), at(1000)), (Todo::Jump, false));
    assert_eq!(course.jump(&ends(0, 999), at(1000)), Todo::Seek(SequenceNumber(1000)));
    // A topic whose times are its producers' may be of any time at all.
    assert_eq!(course.record(&record(1000, 3), at(1001)), (Todo::Go, true));
    course.idle(at(1100));
    assert_eq!(course.record(&record(1001, 4), at(1200)), (Todo::Go, true));
    assert_eq!(course.record(&record(1002, 5), at(1230)), (Todo::Jump, false), "never at its end for two minutes");
}

#[test]
fn a_log_without_the_captured_record_proves_nothing() {
    for (log, code) in [(ends(0, 3), "anew"), (ends(0, -1), "anew"), (ends(7, 9), "gone"), (ends(5, 4), "gone")] {
        let mut course = Course::new(WINDOW, true);
        course.captured(captured(0, &[record(4, 0)]));
        assert_eq!(course.begin(&log), Todo::Hold);
        assert!(matches!(course.phase(), Phase::Shut(shut) if shut.code() == code), "{log:?}: {:?}", course.phase());
    }
    // One that a compacted topic left out.
    let mut course = Course::new(WINDOW, false);
    course.captured(captured(0, &[record(4, 0)]));
    course.begin(&ends(0, 9));
    assert_eq!(course.record(&record(6, 0), at(0)), (Todo::Hold, false));
    assert!(matches!(course.phase(), Phase::Shut(Shut::Gone { .. })));
}

#[test]
fn without_any_file_a_lane_begins_at_the_end_where_it_may() {
    let mut course = Course::new(WINDOW, true);
    assert_eq!(course.begin(&ends(0, 9)), Todo::Seek(SequenceNumber(10)));
    assert_eq!(course.record(&record(10, 0), at(0)), (Todo::Go, true));
    // The first file has what was before: the key is proven by what the broker gives.
    assert_eq!(course.captured(captured(0, &[record(9, 0)])), Todo::Begin);
    assert_eq!(course.begin(&ends(0, 10)), Todo::Seek(SequenceNumber(9)));
    assert_eq!(course.record(&record(9, 0), at(0)), (Todo::Seek(SequenceNumber(11)), false));
}

/// What happens to a hub, its files, its table, and those between them.
#[derive(Debug, Clone)]
enum Event {
    /// So many records are sent.
    Sent(u8),
    Passed(u16),
    /// A window closes.
    Cut,
    /// One of the files that wait is loaded.
    Loaded(u8),
    /// The same, and the store forgets what it has acknowledged in between.
    LoadedTwice(u8),
    /// The lane reads so many records at most.
    Read(u8),
    /// It is opened again, and goes on.
    Opened,
    /// The loader dies, and starts again with what the ledger says.
    Died,
    /// What was acknowledged becomes durable.
    Checkpoint,
    /// What was not durable is forgotten.
    Recovered,
    /// The broker forgets all but so many records.
    Retained(u8),
    /// The hub is made anew, after its last window was written.
    Anew,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1u8..20).prop_map(Event::Sent),
        3 => (1u16..200).prop_map(Event::Passed),
        4 => Just(Event::Cut),
        4 => any::<u8>().prop_map(Event::Loaded),
        1 => any::<u8>().prop_map(Event::LoadedTwice),
        8 => (1u8..30).prop_map(Event::Read),
        1 => Just(Event::Opened),
        1 => Just(Event::Died),
        3 => Just(Event::Checkpoint),
        2 => Just(Event::Recovered),
        1 => (0u8..30).prop_map(Event::Retained),
        1 => Just(Event::Anew),
    ]
}

/// A row's key, and its body, which says its life.
type Rows = BTreeMap<(i64, EnqueuedTime), Vec<u8>>;

/// A hub of one partition, and everything behind it.
struct World {
    now: i64,
    life: usize,
    log: Vec<LogRecord>,
    earliest: i64,
    captured_to: usize,
    window: i64,
    /// By their windows: files that wait, and those that are noted.
    waiting: Vec<(i64, Vec<LogRecord>)>,
    noted: Vec<(i64, Vec<LogRecord>)>,
    durable: Rows,
    acknowledged: Rows,
    course: Course,
    reader: Option<i64>,
    newest: Option<Captured>,
    /// How many seconds the broker's times are off those that files have.
    skew: i64,
    live: usize,
    orders: i64,
}

impl World {
    fn new(skew: i64) -> World {
        let mut world = World {
            now: 1000,
            life: 0,
            log: Vec::new(),
            earliest: 0,
            captured_to: 0,
            window: 0,
            waiting: Vec::new(),
            noted: Vec::new(),
            durable: Rows::new(),
            acknowledged: Rows::new(),
            course: Course::new(WINDOW, false),
            reader: None,
            newest: None,
            skew,
            live: 0,
            orders: 0,
        };
        world.follow(Todo::Begin);
        world
    }

    fn ends(&self) -> PartitionEnds {
        ends(self.earliest, self.log.len() as i64 - 1)
    }

    /// Does what the course says, as the lane does.
    fn follow(&mut self, mut todo: Todo) {
        loop {
            todo = match todo {
                Todo::Hold | Todo::Go => return,
                Todo::Seek(number) => {
                    self.reader = Some(number.0);
                    return;
                }
                Todo::Begin => self.course.begin(&self.ends()),
                Todo::Jump => self.course.jump(&self.ends(), at(self.now)),
            }
        }
    }

    fn read(&mut self, most: u8) {
        for _ in 0..most {
            if matches!(self.course.phase(), Phase::Waiting | Phase::Shut(_)) {
                return;
            }
            let Some(position) = self.reader else { return };
            if position < self.earliest || position > self.log.len() as i64 {
                let todo = self.course.lost();
                self.follow(todo);
                continue;
            }
            let Some(record) = self.log.get(position as usize) else {
                self.course.idle(at(self.now));
                return;
            };
            let given =
                LogRecord { taken_at: record.taken_at + Duration::from_secs(self.skew as u64), ..record.clone() };
            self.reader = Some(position + 1);
            let (todo, write) = self.course.record(&given, at(self.now));
            if write {
                self.live += 1;
                self.acknowledged.insert((given.number.0, given.enqueued_time()), given.body.clone().unwrap());
            }
            self.follow(todo);
        }
    }

    fn load(&mut self, which: u8, forgetful: bool) {
        if self.waiting.is_empty() {
            return;
        }
        let (window, records) = self.waiting.remove(usize::from(which) % self.waiting.len());
        for times in 0.. {
            for record in &records {
                let key = (record.number.0, record.enqueued_time());
                self.acknowledged.insert(key, record.body.clone().unwrap());
            }
            if forgetful && times == 0 {
                self.acknowledged.clear();
            }
            self.checkpoint();
            if records.iter().all(|record| self.durable.contains_key(&(record.number.0, record.enqueued_time()))) {
                break;
            }
        }
        let found = captured(window, &records);
        self.noted.push((window, records));
        if self.newest.as_ref().is_none_or(|newest| newest.window <= found.window) {
            self.newest = Some(found.clone());
            let todo = self.course.captured(found);
            self.follow(todo);
        }
    }

    fn checkpoint(&mut self) {
        self.durable.append(&mut self.acknowledged);
    }

    fn cut(&mut self) {
        self.window += 1;
        // What retention took first is lost.
        let from = self.captured_to.max(self.earliest as usize).min(self.log.len());
        if from < self.log.len() {
            self.waiting.push((self.window, self.log[from..].to_vec()));
        }
        self.captured_to = self.log.len();
    }

    fn happens(&mut self, event: &Event) {
        match *event {
            Event::Sent(records) => {
                for _ in 0..records {
                    self.orders += 1;
                    let number = self.log.len() as i64;
                    let body = format!("{}", self.orders).into_bytes();
                    let number = SequenceNumber(number);
                    self.log.push(LogRecord { number, taken_at: at(self.now), body: Some(body) });
                }
            }
            Event::Passed(seconds) => self.now += i64::from(seconds),
            Event::Cut => self.cut(),
            Event::Loaded(which) => self.load(which, false),
            Event::LoadedTwice(which) => self.load(which, true),
            Event::Read(most) => self.read(most),
            Event::Opened => self.follow(Todo::Begin),
            Event::Died => {
                self.course = Course::new(WINDOW, false);
                self.reader = None;
                self.newest = self.noted.iter().max_by_key(|(window, _)| *window).map(|(window, records)| {
                    let end = records.last().unwrap().number;
                    Captured { window: at(*window), end, prints: vec![Print::of(&records[0])] }
                });
                if let Some(newest) = self.newest.clone() {
                    self.course.captured(newest);
                }
                self.follow(Todo::Begin);
            }
            Event::Checkpoint => self.checkpoint(),
            Event::Recovered => self.acknowledged.clear(),
            // What nobody captured yet stays, or it would be in no file at all.
            Event::Retained(kept) => {
                let from = self.captured_to.min(self.log.len().saturating_sub(usize::from(kept)));
                self.earliest = self.earliest.max(from as i64);
            }
            Event::Anew => {
                self.cut();
                self.now += 1;
                self.life += 1;
                (self.log, self.earliest, self.captured_to) = (Vec::new(), 0, 0);
            }
        }
    }

    /// The rows of all files, as they are to stand in the table at the end.
    fn of_files(&self) -> Rows {
        let records = self.noted.iter().flat_map(|(_, records)| records);
        records.map(|record| ((record.number.0, record.enqueued_time()), record.body.clone().unwrap())).collect()
    }
}

fn latest(rows: &Rows) -> i64 {
    rows.values().map(|body| String::from_utf8_lossy(body).parse().unwrap()).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// However live rows, files, late files, deaths, recoveries, retention, hubs made anew and jumps follow each other: at
    /// the end the table is what the files have, each record once, and what could be seen never grew older.
    #[test]
    fn whatever_happens_the_table_is_at_last_what_the_files_have(events in prop::collection::vec(event(), 1..120)) {
        let mut world = World::new(0);
        let mut seen = 0;
        for event in &events {
            world.happens(event);
            prop_assert!(latest(&world.durable) >= seen, "what could be seen is gone");
            seen = latest(&world.durable);
        }
        world.cut();
        while !world.waiting.is_empty() {
            world.load(0, false);
        }
        prop_assert_eq!(&world.durable, &world.of_files());
        let sent = usize::try_from(world.orders).unwrap();
        prop_assert_eq!(world.durable.len(), sent, "every record that was sent is in a file, and once in the table");
    }

    /// A broker whose times are not those of the files gets no row into the table.
    #[test]
    fn a_broker_with_other_times_writes_nothing(
        events in prop::collection::vec(event(), 1..120),
        skew in 1i64..4,
    ) {
        let mut world = World::new(skew);
        events.iter().for_each(|event| world.happens(event));
        prop_assert_eq!(world.live, 0);
    }
}

#[test]
fn lanes_do_write_in_such_worlds() {
    let mut world = World::new(0);
    for _ in 0..50 {
        for event in [Event::Sent(10), Event::Cut, Event::Loaded(0), Event::Sent(5), Event::Read(30), Event::Passed(3)]
        {
            world.happens(&event);
        }
    }
    assert!(world.live > 200, "{} of {}", world.live, world.orders);
}
