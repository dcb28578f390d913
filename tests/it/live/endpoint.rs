//! The live lane at an event hub's Kafka endpoint, by a connection string: a Kafka with TLS that lets in as Event Hubs
//! does.

use deltawave::capture::Hub;
use tokio::process::Command;

use super::{lanes_of, metric};
use crate::eventhubs::{KEY, NAMESPACE, at, connection_string, kafka, topic};
use crate::loader::Bench;
use crate::support::{Files, Http, Running, eventually, run, store};

const PARTITIONS: usize = 2;

#[tokio::test]
async fn a_connection_string_leads_to_the_kafka_endpoint() {
    let kafka = kafka().await;
    let hub = topic(kafka).await;
    let files = Files { hub: Hub::new(NAMESPACE, &hub).unwrap(), ..Files::new().await };
    let bench = Bench { files, store: store().await.initialised().await };
    let (blob, url) = (bench.files.url(), bench.store.url());
    let opened = |path: &str, flags: &[&str], key: &str| {
        let mut command = at(path, kafka, &hub, flags);
        command.env("DELTAWAVE_CONNECTION_STRING", connection_string(key));
        command.env("DELTAWAVE_BLOB", &blob).env("DELTAWAVE_STORE_URL", &url);
        command
    };
    let done = async |command: Command| {
        let ended = run(command).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(!ended.err.contains(KEY) && !ended.out.contains(KEY), "{}", ended.err);
    };
    let send = async |events: &str, first: &str| {
        let flags = ["--quiet", "--rate", "max", "--users", "100", "--events", events, "--order-start", first];
        done(opened(env!("CARGO_BIN_EXE_producer"), &flags, KEY)).await;
    };
    let capture = async || {
        done(opened(env!("CARGO_BIN_EXE_capture"), &["--window", "1", "--skip-empty", "--until-end"], KEY)).await;
    };
    let route = format!("{hub}=user_event_log");
    let live = |key: &str| {
        let flags = ["--live", "--route", &route, "--namespace", NAMESPACE, "--poll", "0.05", "--http", "127.0.0.1:0"];
        Running::start(opened(env!("CARGO_BIN_EXE_loader"), &flags, key))
    };
    let noted = "SELECT coalesce(sum(records), 0)::bigint FROM capture_files";

    send("50", "1").await;
    capture().await;
    let running = live(KEY);
    let http = Http::of(&running).await;
    lanes_of(&http, "reading", PARTITIONS).await;
    send("30", "1000").await;
    bench.until("SELECT count(*) FROM user_event_log", 80).await;
    assert_eq!(bench.store.number(noted).await, 50, "no file has them");
    capture().await;
    bench.until(noted, 80).await;
    assert_eq!(metric(&http, "deltawave_loader_rows_already_there_total").await, 30.0);
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!ended.err.contains(KEY), "{}", ended.err);

    // A key that is refused is told, and stops no file.
    let running = live("d3Jvbmc");
    let http = Http::of(&running).await;
    let said = eventually("a refusal", async || {
        let trouble = http.ready().await.1["live"][0]["trouble"].clone();
        trouble.as_str().map(str::to_owned).ok_or(trouble)
    })
    .await;
    assert!(said.contains("refuses the connection string (") && !said.contains("d3Jvbmc"), "{said}");
    send("20", "2000").await;
    capture().await;
    bench.until("SELECT count(*) FROM user_event_log", 100).await;
    assert!(http.ready().await.0);
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().await.code, Some(0));
    bench.passed().await;
}
