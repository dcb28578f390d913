//! What cannot be done is told in one sentence.

use super::*;

#[test]
fn an_unreachable_broker_is_named_within_the_time_given() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let broker = format!("127.0.0.1:{port}");
    let state = tempfile::tempdir().unwrap();
    let mut command = command(&broker, &["--give-up", "2"]);
    command.env("XDG_STATE_HOME", state.path());
    let started = Instant::now();
    let ended = run(command);
    assert_eq!(ended.code, Some(1));
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert!(ended.err.contains(&format!("error: no broker answered at {broker} within 2 s (")), "{}", ended.err);
    assert!(ended.err.contains("Connection refused"), "{}", ended.err);
}

#[test]
fn an_unknown_topic_is_one_clear_sentence() {
    let bench = Bench::new();
    bench.cluster.topic_error("nowhere", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let ended = run(bench.producer(&["--topic", "nowhere"]));
    assert_eq!((ended.code, ended.out.len()), (Some(1), 0));
    let broker = bench.cluster.bootstrap_servers();
    let sentence = format!("error: topic nowhere does not exist at {broker}: add --create-topic 3 to make it");
    assert!(ended.err.starts_with(&sentence) && ended.err.lines().count() == 1, "{}", ended.err);
}

#[test]
fn wrong_flags_are_told_all_at_once() {
    let mut wrong = command("nowhere", &["--rate", "fast", "--topic", "a b", "--users", "many"]);
    wrong.env("DELTAWAVE_EVENTS", "all").env("DELTAWAVE_STORE_ULR", "postgresql://root@localhost");
    let ended = run(wrong);
    assert_eq!(ended.code, Some(2));
    for fault in [
        "error: --broker: ",
        "error: --rate: ",
        "error: --topic: ",
        "error: --users: `many`: ",
        "error: --events: `all`: ",
        "DELTAWAVE_STORE_ULR is no setting and was not read; did you mean DELTAWAVE_STORE_URL?",
    ] {
        assert!(ended.err.contains(fault), "{fault}: {}", ended.err);
    }
}

#[test]
fn a_corrupt_order_file_is_named() {
    let bench = Bench::new();
    let path = bench.state.path().join("mine");
    std::fs::write(&path, "hello\n").unwrap();
    let ended = run(bench.producer(&["--order-file", path.to_str().unwrap()]));
    assert_eq!(ended.code, Some(1));
    let fault = format!("order file {} holds `hello` and not a number", path.display());
    assert!(ended.err.contains(&fault), "{}", ended.err);
}

#[test]
fn refused_events_are_counted_and_the_first_reason_is_told() {
    let bench = Bench::new();
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    bench.cluster.request_errors(RDKafkaApiKey::Produce, &[refusal; 20]);
    let ended = run(bench.producer(&["--rate", "max", "--events", "10", "--users", "1"]));
    assert_eq!(ended.code, Some(1));
    assert!(ended.summary().contains(" 0 acknowledged, "), "{}", ended.summary());
    for part in [" events were not acknowledged by ", "; the first, in partition ", "Topic authorization failed"] {
        assert!(ended.err.contains(part), "{}", ended.err);
    }
    assert!(bench.records().is_empty());
}
