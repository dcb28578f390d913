//! What a running `loader` says of itself over HTTP, and that `docs/metrics.md` says the same.

use std::collections::BTreeMap;

use crate::loader::Bench;
use crate::notifications::Inbox;
use crate::support::{Http, Manner, Metric, Proxy, Running, capture_file, documented, event, eventually, plain};

struct Watched {
    bench: Bench,
    blob: Proxy,
    store: Proxy,
}

impl Watched {
    async fn new() -> Watched {
        let bench = Bench::new().await;
        let (blob, store) = (Proxy::to(&bench.files.url()).await, Proxy::to(&bench.store.url()).await);
        Watched { bench, blob, store }
    }

    fn start(&self, flags: &[&str]) -> Running {
        let mut command = self.bench.loader(&[&["--poll", "0.05", "--http", "127.0.0.1:0"], flags].concat());
        command.env("DELTAWAVE_BLOB", self.blob.url(&self.bench.files.url()));
        command.env("DELTAWAVE_STORE_URL", self.store.url(&self.bench.store.url()));
        Running::start(command)
    }
}

#[tokio::test]
async fn readiness_tells_who_is_away_and_comes_back() {
    let watched = Watched::new().await;
    watched.blob.set(Manner::Stall);
    let running = watched.start(&[]);
    let http = Http::of(&running).await;
    running.says("loading").await;
    let (ready, answer) = http.ready().await;
    assert!(!ready && answer["reason"] == "the first poll has not ended", "{answer}");
    assert!(answer["last_poll_seconds_ago"].is_null(), "{answer}");
    watched.blob.set(Manner::Pass);
    let answer = http.until(None).await;
    assert_eq!(answer["troubles"], serde_json::json!({}));
    // Neither has anything to do, and both are missed.
    for (proxy, party) in [(&watched.store, "store"), (&watched.blob, "blob")] {
        proxy.cut_and_set(Manner::Refuse);
        let answer = http.until(Some(&format!("trouble with the {party}"))).await;
        assert!(answer["troubles"][party]["for_seconds"].is_u64(), "{answer}");
        assert!(answer["troubles"][party]["reason"].as_str().unwrap().contains("127.0.0.1"), "{answer}");
        assert_eq!(answer["troubles"].as_object().unwrap().len(), 1, "{answer}");
        let (status, _, body) = http.get("/healthz").await;
        assert_eq!((status, body.as_str()), (200, "alive\n"), "it lives, so it is not to be restarted");
        proxy.set(Manner::Pass);
        http.until(None).await;
    }
    println!("readiness: {} connections refused", watched.store.faults() + watched.blob.faults());
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().await.code, Some(0));
    watched.bench.passed().await;
}

/// Whether only a loader that knows its broker has it.
fn is_of_broker(name: &str) -> bool {
    is_live(name) || name.starts_with("deltawave_loader_lag_")
}

/// Whether only a loader with a live lane has it.
fn is_live(name: &str) -> bool {
    name.starts_with("deltawave_loader_live_") || name.ends_with("_already_there_total")
}

/// Asserts that what a loader with a live lane says of its metrics is what is documented, of those that it has by now.
pub fn assert_live_documented(text: &str) {
    let documented = documented("deltawave_loader_");
    let said: Vec<_> = Metric::parse(text).into_iter().filter(|(name, _)| is_live(name)).collect();
    assert!(said.len() >= 5, "{text}");
    for (name, metric) in said {
        assert_eq!(documented.get(&name), Some(&(metric.kind, metric.labels, metric.help)), "{name}");
    }
}

#[tokio::test]
async fn metrics_are_what_was_loaded_and_what_is_documented() {
    let watched = Watched::new().await;
    let files = &watched.bench.files;
    let mut bytes = 0;
    for partition in 0..2 {
        let mut events: Vec<_> = (0..100).map(|number| plain(partition, number)).collect();
        events.push(event(100, "not JSON"));
        events.push(event(101, r#"{"id":1,"op":"insert","event_order":1,"unheard_of":1}"#));
        let content = capture_file(events);
        bytes += content.len();
        files.put(&files.name(partition, 0), content).await;
    }
    let whole = capture_file((0..10).map(|number| plain(2, number)));
    let damaged = whole[..whole.len() - 8].to_vec();
    bytes += damaged.len();
    files.put(&files.name(2, 0), damaged).await;
    // So that both have been retried.
    watched.blob.set(Manner::Refuse);
    watched.store.set(Manner::Refuse);
    let inbox = Inbox::new().await;
    inbox.put("no notification").await;
    let running = watched.start(&["--notifications", &inbox.address]);
    let http = Http::of(&running).await;
    http.until(Some("trouble with the store")).await;
    watched.store.set(Manner::Pass);
    http.until(Some("trouble with the blob")).await;
    watched.blob.set(Manner::Pass);
    http.until(None).await;
    inbox.drained().await;
    watched.bench.until("SELECT count(*) FROM capture_files", 3).await;

    eventually("all is known to be loaded", async || match http.ready().await.1 {
        answer if answer["routes"][0]["level"]["complete_until"].is_string() => Ok(()),
        answer => Err(answer.to_string()),
    })
    .await;

    let (status, kind, text) = http.get("/metrics").await;
    assert_eq!((status, kind.as_str()), (200, "text/plain; version=0.0.4"));
    let metrics = Metric::parse(&text);
    let value = |name: &str, labels: &str| {
        let series = format!("deltawave_loader_{name}{labels}");
        let family = metrics.values().find_map(|metric| metric.samples.get(&series));
        *family.unwrap_or_else(|| panic!("no {series} in\n{text}"))
    };
    let hub = r#"hub="user-events",route="user-events=user_event_log""#;
    for (name, labels, wanted) in [
        ("files_total", format!(r#"{{{hub},outcome="loaded"}}"#), 2),
        ("files_total", format!(r#"{{{hub},outcome="quarantined"}}"#), 1),
        ("events_total", format!(r#"{{{hub},outcome="loaded"}}"#), 212),
        ("events_total", format!(r#"{{{hub},outcome="rejected"}}"#), 2),
        ("bytes_total", format!("{{{hub}}}"), bytes),
        ("unmapped_fields_total", format!("{{{hub}}}"), 2),
        ("last_sequence_number", format!(r#"{{{hub},partition="0"}}"#), 101),
        ("last_sequence_number", format!(r#"{{{hub},partition="2"}}"#), 9),
        ("notifications_total", r#"{outcome="malformed"}"#.to_owned(), 1),
        ("flush_seconds_count", String::new(), 1),
    ] {
        assert_eq!(value(name, &labels), wanted as f64, "{name}{labels}");
    }
    assert!(value("retries_total", r#"{kind="blob"}"#) >= 1.0 && value("retries_total", r#"{kind="store"}"#) >= 1.0);
    assert!(value("behind_seconds", &format!(r#"{{{hub},partition="1"}}"#)) > 0.0);
    let count = |table| watched.bench.store.count(table);
    assert_eq!((count("user_event_log").await, count("rejected_events").await), (212, 2));

    let ours = metrics.into_iter().filter(|(name, _)| name != "process_start_time_seconds");
    let said: BTreeMap<_, _> = ours.map(|(name, metric)| (name, metric.described())).collect();
    let documented: BTreeMap<_, _> =
        documented("deltawave_loader_").into_iter().filter(|(name, _)| !is_of_broker(name)).collect();
    assert_eq!(said, documented, "docs/metrics.md and the loader disagree");
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().await.code, Some(0));
    watched.bench.passed().await;
}
