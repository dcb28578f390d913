//! Generated events: each arrives once, in the order of its key.

use super::*;

#[test]
fn all_events_arrive_once_and_in_order_across_a_restart() {
    let bench = Bench::new();
    let flags = ["--rate", "max", "--events", "200", "--users", "7"];
    let ended = run(bench.producer(&flags));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.summary().starts_with("200 events sent, 200 acknowledged, 0 failed in "), "{}", ended.summary());
    assert_eq!(ended.out.len(), 201, "one line per event and the summary");
    let first = bench.records();
    assert_eq!(first.len(), 200);
    assert_ordered(&first);
    for record in &first {
        assert_eq!(record.key, record.field("id").to_string());
        assert_eq!(record.field("name").is_null(), record.field("op") == "delete");
        assert_eq!(record.field("ts").as_str().unwrap().len(), "2026-11-23T07:00:00".len());
    }

    // A clock that went back: the last number lies in the future.
    let highest = first.iter().map(Record::order).max().unwrap() + 3_600_000_000;
    std::fs::write(bench.state.path().join("deltawave/event-order"), format!("{highest:019}\n")).unwrap();
    assert_eq!(run(bench.producer(&flags)).code, Some(0));
    let all = bench.records();
    assert_eq!(all.len(), 400);
    assert_ordered(&all);
    let mut later: Vec<_> = all.iter().map(Record::order).filter(|order| *order > highest).collect();
    later.sort_unstable();
    assert_eq!(later, (highest + 1..=highest + 200).collect::<Vec<_>>());
}

#[test]
fn two_producers_at_once_never_give_one_number_twice() {
    let bench = Bench::new();
    let start = || Running::start(bench.producer(&["--rate", "max", "--events", "3000", "--quiet"]));
    for running in [start(), start()] {
        let ended = running.end();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
    let records = bench.records();
    assert_eq!(records.len(), 6000);
    let distinct: HashSet<_> = records.iter().map(Record::order).collect();
    assert_eq!(distinct.len(), 6000, "an event_order occurs twice");
}

#[test]
fn a_seed_repeats_the_events_and_order_start_counts() {
    let contents = || {
        let bench = Bench::new();
        let flags = ["--rate", "max", "--events", "50", "--seed", "42", "--order-start", "1", "--quiet"];
        assert_eq!(run(bench.producer(&flags)).code, Some(0));
        assert!(!bench.state.path().join("deltawave").exists(), "--order-start needs no file");
        let mut rows: Vec<_> = bench
            .records()
            .iter()
            .map(|r| (r.order(), r.field("id"), r.field("op"), r.field("name"), r.field("age")))
            .collect();
        rows.sort_by_key(|row| row.0);
        rows
    };
    let rows = contents();
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    assert_eq!(rows, contents());
}

#[test]
fn an_interrupt_flushes_and_the_summary_tells_what_arrived() {
    let bench = Bench::new();
    let mut running = Running::start(bench.producer(&["--rate", "200/s"]));
    for _ in 0..30 {
        running.line();
    }
    running.interrupt();
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let arrived = bench.records().len();
    let summary = format!("{arrived} events sent, {arrived} acknowledged, 0 failed");
    assert!(ended.summary().starts_with(&summary), "{arrived} arrived, but: {}", ended.summary());
    assert_eq!(30 + ended.out.len(), arrived + 1);
}

#[test]
fn a_closed_output_ends_the_run() {
    let bench = Bench::new();
    let mut command = bench.producer(&["--rate", "100/s"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = command.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() && started.elapsed() < DEADLINE {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!bench.records().is_empty());
}
