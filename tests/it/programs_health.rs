//! What a running `producer` and `capture` say of themselves over HTTP, and that `docs/metrics.md` says the same.

use std::collections::BTreeMap;

use crate::capture::bench::{TOPIC, broker, produce, text};
use crate::support::{Described, Files, Http, Manner, Metric, Proxy, Running, documented, eventually, program};

const HTTP: [&str; 2] = ["--http", "127.0.0.1:0"];

fn described(text: &str) -> BTreeMap<String, Described> {
    let ours = Metric::parse(text).into_iter().filter(|(name, _)| name != "process_start_time_seconds");
    ours.map(|(name, metric)| (name, metric.described())).collect()
}

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Waits until a series has at least that value, and gives all of them.
async fn metrics(http: &Http, series: &str, least: f64) -> String {
    eventually(series, async || {
        let (_, _, text) = http.get("/metrics").await;
        if value(&text, series).is_some_and(|value| value >= least) { Ok(text) } else { Err(text) }
    })
    .await
}

#[tokio::test]
async fn a_producer_is_ready_while_its_events_are_acknowledged() {
    let state = tempfile::tempdir().unwrap();
    let start = |broker: &str| {
        let flags = ["--broker", broker, "--rate", "50", "--quiet", "--give-up", "60"];
        let mut command = program(env!("CARGO_BIN_EXE_producer"), &[&flags[..], &HTTP].concat());
        command.env("XDG_STATE_HOME", state.path());
        Running::start(command)
    };
    let early = start("127.0.0.1:9");
    let http = Http::of(&early).await;
    http.until(Some("has not answered yet")).await;
    early.signal(libc::SIGTERM);
    assert_eq!(early.end().await.code, Some(0));

    let cluster = broker(2);
    let running = start(&cluster.bootstrap_servers());
    let http = Http::of(&running).await;
    let answer = http.until(None).await;
    assert_eq!(answer["topic"], TOPIC);
    let text = metrics(&http, r#"deltawave_producer_events_total{topic="user-events",outcome="acknowledged"}"#, 20.0);
    let text = text.await;
    assert!(value(&text, r#"deltawave_producer_bytes_total{topic="user-events"}"#).unwrap() > 1000.0);
    assert_eq!(value(&text, r#"deltawave_producer_events_total{topic="user-events",outcome="failed"}"#), Some(0.0));
    assert_eq!(described(&text), documented("deltawave_producer_"), "docs/metrics.md and the producer disagree");
    assert_eq!(http.get("/healthz").await.0, 200);
    // Its events wait, and that it is told.
    cluster.broker_down(1).unwrap();
    http.until(Some("and none was acknowledged for ")).await;
    let text = metrics(&http, r#"deltawave_producer_silent_seconds{topic="user-events"}"#, 10.0).await;
    assert!(value(&text, r#"deltawave_producer_under_way_events{topic="user-events"}"#).unwrap() > 100.0);
    // It is not brought back: somebody may have its port by now, and the library would end this process.
    running.signal(libc::SIGKILL);
    running.end().await;
}

#[tokio::test]
async fn a_capture_is_ready_while_broker_and_container_answer() {
    let (cluster, files) = (broker(2), Files::new().await);
    let proxy = Proxy::to(&files.url()).await;
    proxy.set(Manner::Refuse);
    let bootstrap = cluster.bootstrap_servers();
    let blob = proxy.url(&files.url());
    let flags = ["--broker", &bootstrap, "--blob", &blob, "--window", "1", "--skip-empty"];
    let running = Running::start(program(env!("CARGO_BIN_EXE_capture"), &[&flags[..], &HTTP].concat()));
    let http = Http::of(&running).await;
    http.until(Some("trouble with the blob")).await;
    proxy.set(Manner::Pass);
    http.until(None).await;
    for partition in 0..2 {
        produce(&bootstrap, TOPIC, partition, &[text("a"), text("b"), text("c")]);
    }
    let text = metrics(&http, r#"deltawave_capture_events_total{hub="user-events"}"#, 6.0).await;
    let of = |series: &str| value(&text, &format!("deltawave_capture_{series}")).unwrap_or_else(|| panic!("{text}"));
    assert!(of(r#"files_total{hub="user-events",holds="records"}"#) >= 2.0);
    assert_eq!(of(r#"last_sequence_number{hub="user-events",partition="1"}"#), 2.0);
    assert_eq!(of(r#"lag_events{hub="user-events",partition="0"}"#), 0.0);
    assert_eq!(of(r#"lost_events_total{hub="user-events",partition="0"}"#), 0.0);
    assert!(of(r#"retries_total{kind="blob"}"#) >= 1.0);
    assert_eq!(described(&text), documented("deltawave_capture_"), "docs/metrics.md and capture disagree");
    // Both are watched also when there is nothing to do.
    cluster.broker_down(1).unwrap();
    let answer = http.until(Some("trouble with the broker")).await;
    assert!(answer["troubles"]["broker"]["for_seconds"].is_u64(), "{answer}");
    assert_eq!(answer["partitions"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(
        (answer["partitions"][1]["captured_to"].as_i64(), answer["partitions"][1]["lag_events"].as_u64()),
        (Some(3), Some(0))
    );
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}
