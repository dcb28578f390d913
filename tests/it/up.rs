//! `deltawave up` and `deltawave init`, as a user runs them.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command as StdCommand;
use std::time::Duration;

use tokio::process::Command;

use crate::support::{Ended, Running, eventually, home, postgres_store, program, run, store, unique};

const DELTAWAVE: &str = env!("CARGO_BIN_EXE_deltawave");

fn deltawave(arguments: &[&str]) -> Command {
    let mut command = program(DELTAWAVE, arguments);
    // An order file of the test's own.
    command.env("XDG_STATE_HOME", home(&unique("state")));
    command
}

/// The number that `up` counted at a stage.
fn counted(ended: &Ended, stage: &str) -> u64 {
    let line = ended.out.lines().find(|line| line.starts_with(stage) && line.contains(['✓', '✗']));
    let line = line.unwrap_or_else(|| panic!("no line of {stage} in:\n{}\n{}", ended.out, ended.err));
    line.split_whitespace().nth(1).unwrap().replace(',', "").parse().unwrap()
}

fn assert_agrees(ended: &Ended, events: u64) {
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
    for stage in ["producer", "broker", "capture", "loader"] {
        assert_eq!(counted(ended, stage), events, "{stage} in:\n{}", ended.out);
    }
    assert!(ended.out.contains("all agree"), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_of_events_arrives() {
    for format in ["debezium", "cloudevents", "avro"] {
        let store = store().await;
        let flags =
            ["up", "--plain", "--events", "400", "--rate", "max", "--users", "30", "--exit", "--format", format];
        let ended = run(deltawave(&[&flags[..], &["--store-url", &store.url()]].concat())).await;
        assert_agrees(&ended, 400);
        // Not one of them was taken for something else, and so compared with nothing.
        let users = store.number("SELECT count(DISTINCT id) FROM user_event_log").await as u64;
        assert_eq!(counted(&ended, "state"), users, "{format}: {}", ended.out);
        assert_eq!(store.count("rejected_events").await, 0, "{format}");
        assert!(store.count("latest_user_state").await > 0, "{format}");
        store.passed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_with_the_embedded_broker() {
    let store = store().await;
    let ended = run(deltawave(&[
        "up",
        "--plain",
        "--events",
        "5000",
        "--rate",
        "max",
        "--users",
        "300",
        "--exit",
        "--store-url",
        &store.url(),
    ]))
    .await;
    assert_agrees(&ended, 5000);
    assert_eq!(counted(&ended, "state"), store.number("SELECT count(DISTINCT id) FROM user_event_log").await as u64);
    assert_eq!(
        store.columns("SELECT * FROM user_events ORDER BY event_order DESC LIMIT 10").await,
        ["id", "name", "age", "op", "event_order", "ts"]
    );
    assert_eq!(store.columns("SELECT * FROM latest_user_state ORDER BY id").await, ["id", "name", "age", "op", "ts"]);
    assert_eq!(store.number("SELECT count(*) FROM latest_user_state WHERE op = 'delete'").await, 0);
    store.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_data_is_gone_on_with_whichever_broker_forgot_it() {
    for broker in ["kafka", "embedded"] {
        let keep = home(&unique("keep"));
        let keep = keep.to_str().unwrap();
        for round in 1..=2 {
            let ended = run(deltawave(&[
                "up", "--plain", "--events", "2000", "--rate", "max", "--users", "20", "--exit", "--broker", broker,
                "--store", "postgres", "--keep", keep,
            ]))
            .await;
            assert_agrees(&ended, 2000);
            assert!(ended.out.contains(&format!("kept in {keep}")), "round {round}:\n{}", ended.out);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_stops_all_it_started() {
    let running = Running::start(deltawave(&["up", "--plain", "--store", "postgres", "--rate", "50"]));
    let shown = eventually("a row of the latest state", async || {
        let out = running.out();
        if out.contains("latest_user_state, ") && out.contains(" rows: 1 ") { Ok(out) } else { Err(out) }
    })
    .await;
    let ports = ["broker", "blob", "store"].map(|what| port(&shown, what));
    for port in ports {
        TcpStream::connect(("127.0.0.1", port)).unwrap();
    }
    running.signal(libc::SIGINT);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("events sent"), "{}", ended.out);
    for port in ports {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "something still listens on {port}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_state_changes_long_before_a_window_closes() {
    let keep = ["up", "--plain", "--store", "postgres", "--rate", "50", "--window", "900"];
    let running = Running::start(deltawave(&keep));
    let shown = eventually("a row of the latest state", async || {
        let out = running.out();
        if out.contains("latest_user_state, ") && out.contains(" rows: 1 ") { Ok(out) } else { Err(out) }
    })
    .await;
    assert!(!shown.contains("captured 1"), "{shown}");
    running.signal(libc::SIGINT);
    assert_eq!(running.end().await.code, Some(0));
    // The window closes at the end, and its file brings nothing twice.
    let ended =
        run(deltawave(&[&keep[..6], &["--events", "500", "--exit", "--window", "900", "--no-live"]].concat())).await;
    assert_agrees(&ended, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_loses_records_is_found_out() {
    let store = postgres_store().await.initialised().await;
    // Rows that vanish although the store says it took them: no stage can know, only counting can.
    store
        .run(
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN IF NEW.sequence_number % 100 = 7 THEN RETURN NULL; END IF; RETURN NEW; END'; \
             CREATE TRIGGER lose BEFORE INSERT ON user_event_log FOR EACH ROW EXECUTE FUNCTION lose()",
        )
        .await;
    let ended =
        run(deltawave(&["up", "--plain", "--events", "3000", "--rate", "max", "--exit", "--store-url", &store.url()]))
            .await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert_eq!(counted(&ended, "capture"), 3000);
    assert!(counted(&ended, "loader") < 3000);
    assert!(ended.out.contains("THEY DISAGREE"), "{}", ended.out);
    store.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_up_cannot_use_is_named() {
    let ended = run(deltawave(&["up", "--store", "oracle", "--broker", "nowhere", "--rate", "fast"])).await;
    assert_eq!(ended.code, Some(2));
    for flag in ["--store: `oracle`", "--broker", "--rate"] {
        assert!(ended.err.contains(flag), "{flag} is missing in:\n{}", ended.err);
    }
    let mut without = deltawave(&["up", "--plain", "--store", "risingwave"]);
    without.env("PATH", "/nowhere");
    let ended = run(without).await;
    assert_eq!((ended.code, ended.err.contains("no `risingwave` program on PATH")), (Some(1), true), "{}", ended.err);
    let ended = run(deltawave(&["up", "--exit"])).await;
    assert_eq!((ended.code, ended.err.contains("--events")), (Some(2), true), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_makes_what_is_missing_and_drops_only_when_told() {
    let store = store().await;
    let init = async |flags: &[&str]| run(deltawave(&[&["init", "--store-url", &store.url()], flags].concat())).await;
    for _ in 0..2 {
        let ended = init(&[]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(ended.out.contains("latest_user_state") && ended.out.contains("psql -h"), "{}", ended.out);
    }
    store
        .run(
            "INSERT INTO user_event_log (id, op, event_order, event_hub, partition_id, sequence_number, enqueued_at) \
             VALUES (1, 'insert', 1, 'user-events', 0, 0, '2026-01-02 03:04:05')",
        )
        .await;
    let ended = init(&["--recreate"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("--yes"), "{}", ended.err);
    assert_eq!(store.count("user_event_log").await, 1);
    let ended = init(&["--recreate", "--yes"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(store.count("user_event_log").await, 0);
    store.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn init_names_a_store_that_is_away() {
    let began = std::time::Instant::now();
    let ended = run(deltawave(&["init", "--store-url", "postgresql://root@127.0.0.1:1/dev", "--give-up", "1"])).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("postgresql://root@127.0.0.1:1/dev"), "{}", ended.err);
    assert!(ended.err.contains("retrying for at most 1 s"), "{}", ended.err);
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn the_screen_is_drawn_on_a_terminal_and_gives_it_back() {
    // `script` gives the program a terminal, `stty` its size; both come with every Linux and macOS.
    let log = home(&unique("screen"));
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    let status =
        script(&log, &format!("stty rows 40 cols 110; {DELTAWAVE} up --store postgres --events 200 --rate max --exit"));
    let screen = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
    assert!(status, "{screen}");
    for text in ["pipeline", "latest_user_state", "psql -h", "all agree"] {
        assert!(screen.contains(text), "{text} is missing in:\n{screen}");
    }
    // The alternate screen was entered and left.
    assert!(screen.contains("\u{1b}[?1049h") && screen.contains("\u{1b}[?1049l"));
}

fn script(log: &Path, command: &str) -> bool {
    let mut script = StdCommand::new("script");
    if cfg!(target_os = "linux") {
        script.args(["--quiet", "--return", "--command", command]).arg(log);
    } else {
        script.arg("-q").arg(log).args(["sh", "-c", command]);
    }
    script.env("XDG_STATE_HOME", home(&unique("state"))).env("TERM", "xterm-256color");
    script.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).status().unwrap().success()
}

/// The port in a line like `blob     http://127.0.0.1:1234/…`.
fn port(shown: &str, what: &str) -> u16 {
    let line = shown.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("no {what} in {shown}"));
    let after = line.split("127.0.0.1:").nth(1).unwrap();
    after.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}
