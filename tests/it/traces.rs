//! What programs tell a collector of each file: an OpenTelemetry collector and Application Insights, both played.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::Instant;

use crate::capture::{broker, produce_plain};
use crate::loader::Bench;
use crate::support::cloud::{Answer, Asked, Certificates, Played, Tunnel};
use crate::support::{Ended, event, program, run, user};

/// Takes whatever it is sent.
async fn collector() -> Played {
    Played::http(|_: &Asked| Answer::text(200, "application/x-protobuf", String::new())).await
}

fn traced(mut command: Command, collector: &Played) -> Command {
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", collector.port()));
    command
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()).unwrap() {
        Any::StringValue(text) => text.clone(),
        Any::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|one| (one.key.clone(), text(&one.value))).collect()
}

/// A trace: what it is of and each step of it.
#[derive(Debug)]
struct Told {
    root: Span,
    about: BTreeMap<String, String>,
    steps: Vec<Span>,
}

impl Told {
    fn id(&self) -> String {
        self.root.trace_id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.steps.iter().map(|step| (step.start_time_unix_nano, &*step.name)).collect();
        names.sort_by_key(|(began, _)| *began);
        names.into_iter().map(|(_, name)| name).collect()
    }

    fn step(&self, name: &str) -> BTreeMap<String, String> {
        texts(&self.steps.iter().find(|step| step.name == name).unwrap().attributes)
    }
}

/// Every trace that a collector was told, by the file; asserts that each is whole and of this program.
fn told(collector: &Played, service: &str) -> BTreeMap<String, Told> {
    let mut spans = Vec::new();
    for asked in collector.asked() {
        assert_eq!((&*asked.method, &*asked.path), ("POST", "/v1/traces"));
        assert_eq!(asked.header("content-type"), Some("application/x-protobuf"));
        for resource in ExportTraceServiceRequest::decode(&*asked.bytes).unwrap().resource_spans {
            let of = texts(&resource.resource.unwrap().attributes);
            assert_eq!((&*of["service.name"], &*of["service.namespace"]), (service, "deltawave"));
            assert_eq!(of["service.version"], env!("CARGO_PKG_VERSION"));
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let (roots, steps): (Vec<_>, Vec<_>) = spans.into_iter().partition(|span| span.parent_span_id.is_empty());
    let mut found = BTreeMap::new();
    let mut seen = 0;
    for root in roots {
        assert_eq!(root.kind(), SpanKind::Consumer);
        let own = |step: &&Span| step.trace_id == root.trace_id;
        let steps: Vec<_> = steps.iter().filter(own).cloned().collect();
        seen += steps.len();
        for step in &steps {
            assert_eq!(step.parent_span_id, root.span_id, "{}", step.name);
            let within = step.start_time_unix_nano >= root.start_time_unix_nano
                && step.end_time_unix_nano <= root.end_time_unix_nano
                && step.start_time_unix_nano <= step.end_time_unix_nano;
            assert!(within, "{} is not within {}", step.name, root.name);
        }
        let about = texts(&root.attributes);
        assert!(found.insert(about["deltawave.file"].clone(), Told { root, about, steps }).is_none(), "told twice");
    }
    assert_eq!(seen, steps.len(), "steps of nothing");
    found
}

/// The trace ids that log lines of this message name, by the file.
fn logged(ended: &Ended, message: &str) -> BTreeMap<String, String> {
    let lines = ended.err.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines
        .filter(|line| line["message"].as_str().unwrap().contains(message))
        .map(|line| (text(&line["blob"]), text(&line["trace_id"])))
        .collect()
}

#[tokio::test]
async fn a_loader_tells_of_each_file_from_listing_to_ledger() {
    let (bench, collector) = (Bench::new().await, collector().await);
    bench.files.add_plain(0..2, 0..2, 100).await;
    let bad = bench.files.add(0, 5, vec![event(500, "no JSON"), user(501, 1, "insert", 1)]).await;
    let damaged = bench.files.name(1, 5);
    bench.files.put(&damaged, b"no Capture file".to_vec()).await;
    let loader = bench.loader(&["--once", "--log", "json", "--batch-rows", "80"]);
    let ended = run(traced(loader, &collector)).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);

    let told = told(&collector, "loader");
    let files: BTreeSet<_> =
        (0..2).flat_map(|p| (0..2).map(move |m| (p, m))).map(|(p, m)| bench.files.name(p, m)).collect();
    assert_eq!(told.len(), 6, "{:?}", told.keys());
    for file in &files {
        let told = &told[file];
        let wanted: BTreeSet<_> = ["list", "wait", "fetch", "decode", "write", "flush", "count", "note"].into();
        assert_eq!(told.names().into_iter().collect::<BTreeSet<_>>(), wanted);
        let order: Vec<_> = told.names().into_iter().filter(|name| !["write", "decode"].contains(name)).collect();
        assert_eq!(order, ["list", "wait", "fetch", "flush", "count", "note"]);
        assert_eq!((&*told.root.name, told.root.status.as_ref().unwrap().code), ("load file", 1));
        let partition = file.split('/').nth(2).unwrap();
        for (key, value) in [
            ("deltawave.partition", partition),
            ("deltawave.table", "user_event_log"),
            ("deltawave.records", "100"),
            ("deltawave.loaded", "100"),
            ("deltawave.rejected", "0"),
        ] {
            assert_eq!(told.about[key], value, "{file}: {key}");
        }
        assert!(told.about["deltawave.route"].ends_with("=user_event_log"), "{:?}", told.about);
        assert_eq!(told.step("decode")["deltawave.records"], "100");
        assert_eq!(told.step("fetch")["deltawave.bytes"], told.about["deltawave.bytes"]);
        assert_eq!(told.step("flush")["deltawave.files"], "6");
        let written = told.steps.iter().filter(|step| step.name == "write");
        let written: Vec<u64> =
            written.map(|step| texts(&step.attributes)["deltawave.records"].parse().unwrap()).collect();
        assert!(written.len() > 1 && written.iter().sum::<u64>() == 100, "in several batches: {written:?}");
    }
    assert_eq!((&*told[&bad].about["deltawave.rejected"], &*told[&bad].about["deltawave.loaded"]), ("1", "1"));
    let status = told[&damaged].root.status.as_ref().unwrap();
    assert!(status.code == 2 && status.message.starts_with("quarantined: "), "{status:?}");

    // The log leads to the trace.
    let mut ids = logged(&ended, "file loaded");
    ids.extend(logged(&ended, "file quarantined"));
    let wanted: BTreeMap<_, _> = told.iter().map(|(file, told)| (file.clone(), told.id())).collect();
    assert_eq!(ids, wanted);
    bench.passed().await;
}

#[tokio::test]
async fn a_capture_tells_of_each_file_and_takes_the_name_it_is_given() {
    let (broker, collector, home) = (broker(1), collector().await, tempfile::tempdir().unwrap());
    produce_plain(&broker.bootstrap_servers(), 30);
    let bootstrap = broker.bootstrap_servers();
    let flags = ["--window", "1", "--until-end", "--skip-empty", "--broker", &bootstrap, "--log", "json"];
    let capture = |home: &Path| {
        let mut capture = program(env!("CARGO_BIN_EXE_capture"), &flags);
        capture.env("DELTAWAVE_BLOB", home).env("OTEL_SERVICE_NAME", "nightly");
        traced(capture, &collector)
    };
    // OpenTelemetry's own way to have fewer, or none.
    let (elsewhere, mut none) = (tempfile::tempdir().unwrap(), capture(home.path()));
    none.env("OTEL_TRACES_SAMPLER", "always_off").env("DELTAWAVE_BLOB", elsewhere.path());
    assert_eq!(run(none).await.code, Some(0));
    assert!(collector.asked().is_empty());
    let ended = run(capture(home.path())).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let told = told(&collector, "nightly");
    let ids: BTreeMap<_, _> = told.iter().map(|(file, told)| (file.clone(), told.id())).collect();
    assert!(!ids.is_empty() && ids == logged(&ended, "captured"), "{ids:?}\n{}", ended.err);
    let records = told.values().map(|told| told.about["deltawave.records"].parse::<u64>().unwrap()).sum::<u64>();
    assert_eq!(records, 30);
    for told in told.values() {
        assert_eq!((&*told.root.name, told.names()), ("capture file", vec!["fill", "upload"]));
        assert_eq!(told.about["deltawave.partition"], "0");
    }
}

#[tokio::test]
async fn application_insights_is_told_by_its_connection_string() {
    const KEY: &str = "11111111-2222-3333-4444-555555555555";
    let bench = Bench::new().await;
    let file = bench.files.add(0, 0, (0..10).map(|number| crate::support::plain(0, number)).collect()).await;
    let insights = Played::https(|_: &Asked| {
        Answer::json(200, serde_json::json!({"itemsReceived": 9, "itemsAccepted": 9, "errors": []}))
    })
    .await;
    let tunnel = Tunnel::to(&[(".in.applicationinsights.azure.com", insights.port())]).await;
    let mut loader = bench.loader(&["--once", "--log-level", "trace"]);
    loader
        .env("HTTPS_PROXY", tunnel.url())
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("SSL_CERT_FILE", &Certificates::get().authority)
        .env(
            "APPLICATIONINSIGHTS_CONNECTION_STRING",
            format!(
                "InstrumentationKey={KEY};IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/"
            ),
        );
    let ended = run(loader).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!ended.err.contains(KEY), "{}", ended.err);
    let mut items: Vec<Value> = Vec::new();
    for asked in insights.asked() {
        assert_eq!((&*asked.path, asked.header("content-encoding")), ("/v2/track", Some("gzip")));
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*asked.bytes).read_to_string(&mut text).unwrap();
        items.extend(serde_json::from_str::<Vec<Value>>(&text).unwrap());
    }
    assert!(items.iter().all(|item| item["iKey"] == KEY && item["tags"]["ai.cloud.role"] == "deltawave.loader"));
    let of = |kind: &str| items.iter().filter(|item| item["data"]["baseType"] == kind).collect::<Vec<_>>();
    let (requests, steps) = (of("RequestData"), of("RemoteDependencyData"));
    let [request] = requests[..] else { panic!("{requests:?}") };
    let data = &request["data"]["baseData"];
    assert_eq!((&data["name"], &data["success"]), (&"load file".into(), &true.into()));
    assert_eq!(data["properties"]["deltawave.file"], file);
    assert_eq!(data["properties"]["deltawave.records"], "10");
    let names: BTreeSet<_> = steps.iter().map(|step| step["data"]["baseData"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["list", "wait", "fetch", "decode", "write", "flush", "count", "note"].into());
    for step in steps {
        assert_eq!(step["tags"]["ai.operation.id"], request["tags"]["ai.operation.id"]);
        assert_eq!(step["tags"]["ai.operation.parentId"], data["id"]);
    }
    bench.passed().await;
}

#[tokio::test]
async fn without_a_collector_nothing_changes_and_a_bad_one_stops_nobody() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..1, 0..1, 10).await;
    let off = run(bench.loader(&["--once", "--log", "json"])).await;
    assert!(off.code == Some(0) && !off.err.contains("trace"), "{}", off.err);

    let refusing = Played::http(|_: &Asked| Answer::text(403, "text/plain", "no".to_owned())).await;
    for (address, words) in [
        (
            format!("http://127.0.0.1:{}", refusing.port()),
            "traces cannot be sent to 127.0.0.1: it answers 403 Forbidden",
        ),
        ("http://127.0.0.1:1/hunter2".to_owned(), "traces cannot be sent to 127.0.0.1: "),
    ] {
        bench.files.add(0, if words.ends_with(": ") { 8 } else { 9 }, vec![event(900, "{}")]).await;
        let mut loader = bench.loader(&["--once"]);
        loader.env("OTEL_EXPORTER_OTLP_ENDPOINT", &address);
        let began = Instant::now();
        let ended = run(loader).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert_eq!(ended.err.matches(words).count(), 1, "{}", ended.err);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    for (name, value, words) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://hunter2@h", "is no address of a collector like http://localhost:4318"),
        ("APPLICATIONINSIGHTS_CONNECTION_STRING", "hunter2", "is no connection string (invalid format)"),
    ] {
        let mut loader = bench.loader(&["--once"]);
        loader.env(name, value);
        let ended = run(loader).await;
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains(words) && !ended.err.contains("hunter2"), "{}", ended.err);
        // Set to nothing is not set.
        let mut loader = bench.loader(&["--once"]);
        loader.env(name, "");
        assert_eq!(run(loader).await.code, Some(0));
    }
    bench.passed().await;
}
