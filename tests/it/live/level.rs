//! How far a loader is: lag by the broker's own counters, the time up to which everything is loaded, and how fresh it was;
//! in `/readyz`, in `/metrics` and by `deltawave status`.

use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{PARTITIONS, Pipe, ends, metric};
use crate::support::{Http, eventually, program, run};

const HTTP: [&str; 4] = ["--poll", "0.05", "--http", "127.0.0.1:0"];

/// What `/readyz` says of the route, once that is so.
async fn route(http: &Http, what: &str, met: impl Fn(&Value) -> bool) -> Value {
    eventually(what, async || {
        let (_, answer) = http.ready().await;
        let route = answer["routes"][0].clone();
        if met(&route) { Ok(route) } else { Err(route.to_string()) }
    })
    .await
}

fn lags(route: &Value) -> Vec<Option<u64>> {
    let partitions = route["level"]["partitions"].as_array().cloned().unwrap_or_default();
    partitions.iter().map(|partition| partition["lag_events"].as_u64()).collect()
}

/// How long ago everything was loaded.
fn complete_ago(route: &Value) -> Option<f64> {
    let until = OffsetDateTime::parse(route["level"]["complete_until"].as_str()?, &Rfc3339).unwrap();
    Some((OffsetDateTime::now_utc() - until).as_seconds_f64())
}

async fn status(pipe: &Pipe, flags: &[&str]) -> String {
    let mut command = program(env!("CARGO_BIN_EXE_deltawave"), &[&["status"], flags].concat());
    command.env("DELTAWAVE_STORE_URL", pipe.bench.store.url());
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    ended.out
}

#[tokio::test]
async fn lag_is_what_the_broker_has_and_no_file_gave() {
    let pipe = Pipe::new().await;
    pipe.send(0..10, Duration::from_secs(100));
    pipe.capture().await;
    let broker = ["--broker", &pipe.bootstrap];
    let running = pipe.bench.start(&[&HTTP[..], &broker].concat());
    let http = Http::of(&running).await;
    pipe.rows(20).await;
    let all = [Some(0), Some(0)];
    let at_end =
        route(&http, "no lag", |route| lags(route) == all && complete_ago(route).is_some_and(|ago| ago < 30.0));
    let at_end = at_end.await;
    assert_eq!(at_end["freshness"]["files"], PARTITIONS, "{at_end}");
    let p99 = at_end["freshness"]["p99_seconds"].as_f64().unwrap();
    assert!(at_end["freshness"]["p50_seconds"].as_f64().unwrap() <= p99 && p99 < 60.0, "{at_end}");
    assert!(metric(&http, "deltawave_loader_complete_until_seconds").await > 1.7e9);
    assert_eq!(metric(&http, "deltawave_loader_freshness_seconds_count").await, f64::from(PARTITIONS));

    pipe.send(10..15, Duration::ZERO);
    let behind = route(&http, "lag", |route| lags(route) == [Some(5), Some(5)]).await;
    let seconds = behind["level"]["partitions"][0]["lag_seconds"].as_f64().unwrap();
    assert!(seconds < 30.0, "seen since a moment ago: {behind}");
    assert_eq!(metric(&http, "deltawave_loader_lag_events").await, 10.0);
    let said = status(&pipe, &broker).await;
    assert!(said.contains("user_event_log: everything is loaded that came before "), "{said}");
    let waits = said.lines().find(|line| line.contains("everything is loaded")).unwrap();
    assert!(waits.contains(" ago; the last is partition "), "{said}");
    assert!(said.contains(&format!("of {PARTITIONS} files of the last 60 min")), "{said}");

    pipe.capture().await;
    route(&http, "no lag again", |route| lags(route) == all).await;
    let said = status(&pipe, &broker).await;
    assert!(said.lines().any(|line| line.contains("everything is loaded") && line.contains(" 0 s ago")), "{said}");
    ends(running).await;

    // What cannot be known is not said, and does not hold up anything.
    let running = pipe.bench.start(&[&HTTP[..], &["--broker", "127.0.0.1:1"]].concat());
    let http = Http::of(&running).await;
    let blind = route(&http, "trouble", |route| !route["level"]["trouble"].is_null()).await;
    assert_eq!((blind["ready"].as_bool(), lags(&blind)), (Some(true), vec![None, None]), "{blind}");
    assert!(blind["level"]["trouble"].as_str().unwrap().contains("127.0.0.1:1"), "{blind}");
    assert!(complete_ago(&blind).is_some(), "the ledger tells how far it is: {blind}");
    let (_, _, text) = http.get("/metrics").await;
    assert!(!text.contains("deltawave_loader_lag_"), "{text}");
    ends(running).await;
    // Without a broker the records' own times tell.
    let said = status(&pipe, &[]).await;
    assert!(said.contains("everything is loaded that came before "), "{said}");
}
