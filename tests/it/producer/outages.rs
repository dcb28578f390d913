//! A broker that goes away and comes back.

use super::*;

#[test]
fn a_broker_that_goes_away_costs_no_acknowledged_event() {
    let bench = Bench::new();
    let mut running = Running::start(bench.producer(&["--rate", "100/s", "--give-up", "3"]));
    for _ in 0..10 {
        running.line();
    }
    bench.cluster.broker_down(-1).unwrap();
    let ended = running.end();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("no broker answers, records wait"), "{}", ended.err);
    assert!(ended.err.contains(" events were not acknowledged by "), "{}", ended.err);
    let acknowledged = 10 + ended.out.len() - 1;
    assert!(ended.summary().contains(&format!(" sent, {acknowledged} acknowledged, ")), "{}", ended.summary());
    bench.cluster.broker_up(-1).unwrap();
    assert!(bench.records().len() >= acknowledged);
}

#[test]
fn a_broker_that_comes_back_in_time_gets_everything_once() {
    let bench = Bench::new();
    let mut running = Running::start(bench.producer(&["--rate", "100/s", "--events", "300"]));
    for _ in 0..10 {
        running.line();
    }
    bench.cluster.broker_down(-1).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    bench.cluster.broker_up(-1).unwrap();
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let records = bench.records();
    assert_eq!(records.len(), 300);
    assert_ordered(&records);
}
