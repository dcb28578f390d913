//! The user's own lines, from a file or from standard input.

use super::*;

#[test]
fn a_file_is_sent_line_by_line_up_to_the_bad_one() {
    let bench = Bench::new();
    let path = bench.state.path().join("events.jsonl");
    std::fs::write(&path, "{\"id\": 1, \"op\":\"insert\"}\n\n{\"id\":\"x\"}\nnot json\n{\"id\":3}\n").unwrap();
    let ended = run(bench.producer(&["--input", path.to_str().unwrap()]));
    assert_eq!(ended.code, Some(1));
    let fault = format!("error: {}:4: not a JSON object", path.display());
    assert!(ended.err.contains(&fault), "{}", ended.err);
    assert!(ended.summary().starts_with("2 events sent, 2 acknowledged, 0 failed"), "{}", ended.summary());
    let mut arrived: Vec<_> = bench.records().into_iter().map(|record| (record.key, record.payload)).collect();
    arrived.sort();
    let expected = [("1", "{\"id\": 1, \"op\":\"insert\"}"), ("x", "{\"id\":\"x\"}")];
    assert_eq!(arrived, expected.map(|(key, payload)| (key.to_owned(), payload.to_owned())));
}

#[test]
fn standard_input_is_sent_with_a_key_of_ones_own() {
    let bench = Bench::new();
    let mut command = bench.producer(&["--input", "-", "--key", "city", "--quiet"]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut input = running.child.stdin.take().unwrap();
    input.write_all(b"{\"city\":\"Ulm\"}\n{\"city\":\"Bonn\"}").unwrap();
    drop(input);
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let keys: HashSet<_> = bench.records().into_iter().map(|record| record.key).collect();
    assert_eq!(keys, HashSet::from(["Ulm".to_owned(), "Bonn".to_owned()]));
}

#[test]
fn an_interrupt_ends_the_wait_for_silent_standard_input() {
    let bench = Bench::new();
    let mut command = bench.producer(&["--input", "-"]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut input = running.child.stdin.take().unwrap();
    input.write_all(b"{\"id\":1}\n").unwrap();
    assert!(running.line().starts_with("{\"id\":1}  → "));
    running.interrupt();
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.summary().starts_with("1 event sent, 1 acknowledged, 0 failed"), "{}", ended.summary());
    drop(input);
}
