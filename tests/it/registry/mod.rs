//! Bodies whose schemas are in a registry: a real one with records of a serializer that is not ours, and played ones that
//! refuse, are away, or are Azure's.

mod azure;
mod producer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use deltawave::offline::{Parts, Registry, Serializers};
use serde_json::json;

use crate::loader::Bench;
use crate::support::cloud::{Answer, Asked, Played};
use crate::support::{Http, event, home, quiet, run, unique};

const KEY: &str = "event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp, \
     PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at)";

const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}"#;

/// A record of that schema, by that number.
fn framed(id: u32, a: u8) -> Vec<u8> {
    let mut body = vec![0];
    body.extend(id.to_be_bytes());
    body.push(a * 2);
    body
}

fn path(asked: &Asked) -> &str {
    asked.path.split('?').next().unwrap_or_default()
}

/// A registry that has schema 1 and answers with that status otherwise.
async fn played(status: &Arc<AtomicU16>) -> Played {
    let status = Arc::clone(status);
    Played::http(move |asked: &Asked| {
        let found = status.load(Ordering::SeqCst);
        if found != 200 {
            return Answer::json(found, json!({"error_code": found, "message": "not now"}));
        }
        if asked.header("authorization") != Some("Basic YW5uOmh1bnRlcjI=") {
            return Answer::json(401, json!({"error_code": 401, "message": "who is it?"}));
        }
        match path(asked) {
            "/base/schemas/ids/1" => Answer::json(200, json!({"schema": SCHEMA})),
            _ => Answer::json(404, json!({"error_code": 40403, "message": "Schema not found"})),
        }
    })
    .await
}

const CREDENTIALS: [&str; 4] = ["--schema-registry-user", "ann", "--schema-registry-password", "hunter2"];

#[tokio::test(flavor = "multi_thread")]
async fn records_of_an_ordinary_serializer_are_read_by_the_schemas_of_a_real_registry() {
    let registry = Registry::start(&Parts::locate(), &home(&unique("registry")), &quiet).await.unwrap();
    let url = registry.url();
    let serializers = Serializers::get(&Parts::locate(), &quiet).await.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/serializers/registry.cjs");
    let prefix = unique("orders");
    let bodies = serializers.run(&script, &[&url, &prefix, "300"]).await.unwrap();
    let bench = Bench::new().await;
    for format in ["avro", "protobuf", "json"] {
        let lines = bodies.lines().filter_map(|line| line.strip_prefix(format)?.strip_prefix(' '));
        let body = |line: &str| BASE64_STANDARD.decode(line).unwrap();
        let events = (0..).zip(lines).map(|(number, line)| event(number, body(line))).collect();
        bench.files.of_hub(format).add(0, 0, events).await;
    }
    let registry = ["--schema-registry", &url];
    // What each table is, the files say.
    for format in ["avro", "protobuf"] {
        let blob = bench.files.url();
        let flags = [&[format, "--format", format, "--blob", &blob, "--apply", "--yes"][..], &registry].concat();
        let made = bench.deltawave("table", &flags).await;
        assert_eq!(made.code, Some(0), "{}{}", made.out, made.err);
    }
    bench.store.run(&format!("CREATE TABLE json (id int, note varchar, {KEY})")).await;
    let routes = "avro=avro,format=avro,protobuf=protobuf,format=protobuf,json=json,format=json,validate=true";
    bench.once(&[&["--route", routes, "--require", ""][..], &registry].concat()).await;
    let rejected = bench.store.rows("SELECT target, reason FROM rejected_events LIMIT 3").await;
    assert!(rejected.is_empty(), "{rejected:?}");
    let avro = "SELECT id, note, price, day, at, kind, tags, added FROM avro WHERE id IN (0, 5, 130) ORDER BY id";
    assert_eq!(
        bench.store.rows(avro).await,
        [
            ["0", "NULL", "0.00", "2024-10-04", "2026-01-31 13:04:05.123456+00", "NEW", "{}", "NULL"],
            ["5", "note 5 \"ü\"", "12.85", "2024-10-09", "2026-01-31 13:04:05.123461+00", "OLD", "{t0}", "5"],
            ["130", "note 130 \"ü\"", "6.42", "2025-02-11", "2026-01-31 13:04:05.123586+00", "NEW", "{t0,t1}", "NULL"],
        ]
    );
    let protobuf =
        "SELECT id, note, lines, done, raw, ratio, kind, \"leftOver\" FROM protobuf WHERE id IN (0, 5) ORDER BY id";
    assert_eq!(
        bench.store.rows(protobuf).await,
        [
            ["0", "note 0", "[]", "t", "AAA=", "0.0", "NEW", "0"],
            [
                "5",
                "note 5",
                "[{\"item\": \"i0\", \"pieces\": 0}, {\"item\": \"i1\", \"pieces\": 1}]",
                "f",
                "AAU=",
                "1.25",
                "OLD",
                "0"
            ],
        ]
    );
    for table in ["avro", "protobuf", "json"] {
        let sum = bench.store.rows(&format!("SELECT count(*), count(DISTINCT id), sum(id)::bigint FROM {table}")).await;
        assert_eq!(sum, [["300", "300", "44850"]], "{table}");
    }
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_away_holds_up_its_stream_alone_and_is_told() {
    let status = Arc::new(AtomicU16::new(503));
    let registry = played(&status).await;
    let bench = Bench::new().await;
    bench.store.run(&format!("CREATE TABLE framed (a bigint, {KEY}); CREATE TABLE plain (a bigint, {KEY})")).await;
    bench.files.of_hub("framed").add(0, 0, (0..20).map(|n| event(n, framed(1, 7))).collect()).await;
    bench.files.of_hub("plain").add(0, 0, vec![event(0, r#"{"a":1}"#)]).await;
    let url = format!("http://127.0.0.1:{}/base", registry.port());
    let flags = [
        "--route",
        "framed=framed,format=avro,plain=plain",
        "--require",
        "",
        "--poll",
        "0.1",
        "--slow-retry",
        "0.3",
        "--http",
        "127.0.0.1:0",
    ];
    let loading = bench.start(&[&flags[..], &CREDENTIALS, &["--schema-registry", &url]].concat());
    bench.until("SELECT count(*) FROM plain", 1).await;
    let http = Http::of(&loading).await;
    let told = http.until(Some("trouble with the registry, on route framed=framed")).await;
    assert!(told["troubles"]["registry"]["reason"].as_str().unwrap().contains("503 not now"), "{told}");
    assert_eq!(bench.store.count("framed").await, 0);
    status.store(200, Ordering::SeqCst);
    bench.until("SELECT count(*) FROM framed", 20).await;
    http.until(None).await;
    let asked = registry.asked().iter().filter(|asked| path(asked).ends_with("/1")).count();
    assert!(asked < 60, "asked {asked} times");
    loading.signal(libc::SIGTERM);
    let ended = loading.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!ended.err.contains("hunter2"), "{}", ended.err);
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_no_registry_has_rejects_its_records_alone() {
    let registry = played(&Arc::new(AtomicU16::new(200))).await;
    let bench = Bench::new().await;
    bench.store.run(&format!("CREATE TABLE framed (a bigint, {KEY})")).await;
    let events = (0..10).map(|n| event(n, framed(if n == 3 { 9 } else { 1 }, 7))).collect();
    bench.files.of_hub("framed").add(0, 0, events).await;
    let url = format!("http://127.0.0.1:{}/base", registry.port());
    let route = format!("framed=framed,format=avro,registry={url}");
    bench.once(&[&["--route", &route, "--require", ""][..], &CREDENTIALS].concat()).await;
    assert_eq!(bench.store.count("framed").await, 9);
    let rejected = bench.store.rows("SELECT sequence_number, reason FROM rejected_events").await;
    let reason = format!("schema registry {url} does not have schemas/ids/9 (404 Schema not found)");
    assert_eq!(rejected, [["3".to_owned(), reason]]);
    // Who may not read it is told so, and nothing is rejected for it.
    bench.files.of_hub("framed").add(1, 0, vec![event(0, framed(1, 7))]).await;
    let said = bench.fails(&["--route", &route, "--require", ""]).await;
    assert!(said.contains("refuses (401 who is it?)") && said.contains("--schema-registry-user"), "{said}");
    let ended = run(bench.loader(&["--once", "--route", "framed=framed,format=avro"])).await;
    assert!(ended.code == Some(2) && ended.err.contains("--schema-registry: is missing"), "{}", ended.err);
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_quotes_what_it_is_sent_is_not_quoted() {
    let echo = Played::http(|asked: &Asked| {
        let message = format!("{:?} ann:hunter2", asked.headers);
        Answer::json(
            if asked.path.starts_with("/away") { 500 } else { 403 },
            json!({"error_code": 403, "message": message}),
        )
    })
    .await;
    let bench = Bench::new().await;
    bench.store.run(&format!("CREATE TABLE framed (a bigint, {KEY})")).await;
    bench.files.of_hub("framed").add(0, 0, vec![event(0, framed(1, 7))]).await;
    let file = home(&unique("password"));
    std::fs::write(&file, "hunter2").unwrap();
    let kept = format!("file:{}", file.display());
    for (path, given) in [("denied", "hunter2"), ("denied", &kept), ("away", "hunter2")] {
        let url = format!("http://127.0.0.1:{}/{path}", echo.port());
        let flags = [
            "--once",
            "--route",
            "framed=framed,format=avro",
            "--require",
            "",
            "--give-up",
            "1",
            "--log-level",
            "trace",
        ];
        let registry =
            ["--schema-registry", &url, "--schema-registry-user", "ann", "--schema-registry-password", given];
        let ended = run(bench.loader(&[&flags[..], &registry].concat())).await;
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        for secret in ["hunter2", "YW5uOmh1bnRlcjI="] {
            assert!(!ended.err.contains(secret) && !ended.out.contains(secret), "{secret} in {}", ended.err);
        }
    }
    bench.passed().await;
}
