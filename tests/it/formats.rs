//! Bodies that are more than one flat object, from Capture files to tables: batches, CloudEvents, Debezium's envelope,
//! compressed ones; and what records say beside their bodies.

use std::io::Write as _;
use std::path::Path;

use deltawave::capture::{OutgoingEvent, PropertyValue};
use deltawave::offline::{Parts, Serializers};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::loader::Bench;
use crate::support::cloud::{Answer, Asked, Played};
use crate::support::{event, quiet, run};

const KEY: &str = "event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp, \
     PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at)";

const INDEXED: &str = "event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp, event_index int, \
     PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at, event_index)";

fn gzip(body: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// With properties of producer and broker.
fn with(mut event: OutgoingEvent, properties: &[(&str, &str)], key: Option<&str>) -> OutgoingEvent {
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), PropertyValue::String((*value).to_owned()));
    event.properties = properties.iter().map(text).collect();
    event.system_properties = key.iter().map(|key| text(&("x-opt-partition-key", key))).collect();
    event
}

#[tokio::test]
async fn a_batch_is_as_many_rows_and_one_record() {
    let bench = Bench::new().await;
    bench.store.run(&format!("CREATE TABLE metrics (name varchar, value int, tenant varchar, {INDEXED})")).await;
    let files = bench.files.of_hub("metrics");
    let rows =
        |from: i64, count: i64| (from..from + count).map(|n| json!({"name": "m", "value": n})).collect::<Vec<_>>();
    let bad = json!({"records": [{"name": "ok", "value": 1}, {"name": "bad", "value": "x"}]});
    let events = vec![
        event(0, Value::from(rows(0, 3)).to_string()),
        event(1, json!({"records": rows(3, 2), "tenant": "t"}).to_string()),
        event(2, bad.to_string()),
        event(3, "[]"),
        event(4, gzip(&rows(5, 4).iter().map(|row| format!("{row}\n")).collect::<String>())),
        event(5, json!({"name": "one", "value": 9}).to_string()),
    ];
    files.add(0, 0, events).await;
    let more = (6..2006).map(|n| event(n, Value::from(rows(n, 1 + n % 4)).to_string())).collect();
    files.add(0, 1, more).await;
    let route = ["--route", "metrics=metrics,format=json-batch"];
    bench.once(&[&route[..], &["--batch-rows", "700"]].concat()).await;
    let first =
        "SELECT sequence_number, event_index, value, tenant FROM metrics WHERE sequence_number < 6 ORDER BY 1, 2";
    let row = |number: i64, index: i64, value: i64, tenant: &str| {
        vec![number.to_string(), index.to_string(), value.to_string(), tenant.to_owned()]
    };
    let mut wanted: Vec<_> = (0..3).map(|n| row(0, n, n, "NULL")).collect();
    wanted.extend((0..2).map(|n| row(1, n, n + 3, "t")));
    wanted.extend((0..4).map(|n| row(4, n, n + 5, "NULL")));
    wanted.push(row(5, 0, 9, "NULL"));
    assert_eq!(bench.store.rows(first).await, wanted);
    let rejected = bench.store.rows("SELECT sequence_number, reason FROM rejected_events").await;
    let reason = "row 2 of 2: field `value`: expected a whole number, found string `x`";
    assert_eq!(rejected, [["2", reason]]);
    let ledger = "SELECT records, loaded, table_rows, rejected, skipped FROM capture_files ORDER BY window_start";
    let made: i64 = (6..2006).map(|n| 1 + n % 4).sum();
    assert_eq!(
        bench.store.rows(ledger).await,
        [["6", "4", "10", "1", "1"], ["2000", "2000", &made.to_string(), "0", "0"]]
    );
    let report = bench.verify_files(0, &route).await;
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(0), "{report}");

    // A record of which a row is gone is as lost as one that is gone whole.
    bench.store.run("DELETE FROM metrics WHERE sequence_number = 7 AND event_index = 3").await;
    bench.store.run("DELETE FROM metrics WHERE sequence_number = 1000").await;
    let report = bench.verify_files(3, &route).await.to_string();
    assert!(report.contains("in neither metrics nor rejected_events"), "{report}");
    bench.store.run("DELETE FROM metrics WHERE sequence_number = 4 AND event_index = 0").await;
    let report = bench.verify_files(3, &route).await.to_string();
    assert!(report.contains("of some records not every row is there"), "{report}");
    let url = bench.files.url();
    let again = bench.deltawave("replay", &[&["--holes", "--blob", &url, "--settle", "0"], &route[..]].concat()).await;
    assert_eq!(again.code, Some(0), "{}{}", again.out, again.err);
    bench.verify_files(0, &route).await;
    assert_eq!(bench.store.count("metrics").await, 10 + made);
    bench.passed().await;
}

#[tokio::test]
async fn a_table_that_cannot_tell_rows_apart_is_told() {
    let bench = Bench::new().await;
    bench.store.run(&format!("CREATE TABLE flat (a int, {KEY})")).await;
    let said = bench.fails(&["--route", "flat=flat,format=json-batch"]).await;
    assert!(
        said.contains("format=json-batch makes several rows of a record, and table `flat` has no event_index"),
        "{said}"
    );
    let ended = run(bench.loader(&["--once", "--route", "flat=flat,format=csv"])).await;
    assert!(ended.code == Some(2) && ended.err.contains("--route: `csv` is no format"), "{}", ended.err);
    let events = json!([
        {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"a": 1}},
        {"specversion": "1.0", "id": "2", "source": "/s", "type": "t", "data": {"a": 2}},
    ]);
    bench.files.of_hub("flat").add(0, 0, vec![event(0, events.to_string())]).await;
    bench.once(&["--route", "flat=flat,format=cloudevents", "--require", ""]).await;
    let reasons = bench.store.rows("SELECT reason FROM rejected_events").await;
    assert!(reasons[0][0].starts_with("it makes 2 rows, and the table has no event_index"), "{reasons:?}");
    bench.passed().await;
}

#[tokio::test]
async fn of_a_batch_that_the_store_refuses_the_other_records_are_loaded() {
    let bench = Bench::on_postgres().await;
    bench.store.run("CREATE DOMAIN small AS int CHECK (value < 10)").await;
    bench.store.run(&format!("CREATE TABLE checked (a small, {INDEXED})")).await;
    let body = |number: i64| match number {
        7 | 30 => r#"[{"a":1},{"a":10},{"a":2}]"#.to_owned(),
        _ => r#"[{"a":1},{"a":2}]"#.to_owned(),
    };
    bench.files.of_hub("checked").add(0, 0, (0..50).map(|number| event(number, body(number))).collect()).await;
    let route = ["--route", "checked=checked,format=json-batch"];
    bench.once(&route).await;
    assert_eq!(bench.store.count("checked").await, 96);
    let rejected = bench.store.rows("SELECT sequence_number FROM rejected_events ORDER BY 1").await;
    assert_eq!(rejected, [["7"], ["30"]]);
    bench.verify_files(0, &route).await;
    bench.passed().await;
}

#[tokio::test]
async fn cloudevents_of_every_mode_become_rows() {
    let bench = Bench::new().await;
    let columns = "a int, ce_id varchar, ce_source varchar, ce_type varchar, ce_time timestamptz, ce_subject varchar";
    bench.store.run(&format!("CREATE TABLE events ({columns}, {INDEXED})")).await;
    let structured = |id: &str, a: i64| {
        json!({"specversion": "1.0", "id": id, "source": "/s", "type": "made", "time": "2026-01-31T10:00:00Z",
               "datacontenttype": "application/json", "traceparent": "00-1", "data": {"a": a}})
    };
    let binary =
        |prefix: &str| ["specversion", "id", "source", "type", "subject"].map(|name| format!("{prefix}{name}"));
    let binary = |number: i64, prefix: &str, body: &str| {
        let names = binary(prefix);
        let values = ["1.0", "b", "/s", "made", "thing"];
        let properties: Vec<_> =
            names.iter().map(String::as_str).zip(values).chain([("content-type", "application/json")]).collect();
        with(event(number, body), &properties, None)
    };
    let events = vec![
        event(0, structured("one", 1).to_string()),
        event(1, json!([structured("two", 2), structured("three", 3)]).to_string()),
        binary(2, "ce_", r#"{"a":4}"#),
        binary(3, "cloudEvents:", r#"{"a":5}"#),
        event(4, r#"{"a":6}"#),
    ];
    bench.files.of_hub("events").add(0, 0, events).await;
    let said = bench.once(&["--route", "events=events,format=cloudevents", "--require", ""]).await.err;
    assert!(said.contains("fields=\"ce_traceparent\"") || !said.contains("ce_traceparent"), "{said}");
    let rows = "SELECT sequence_number, event_index, a, ce_id, ce_source, ce_type, ce_time, ce_subject FROM events ORDER BY 1, 2";
    let at = "2026-01-31 10:00:00+00";
    let rows_of = bench.store.rows(rows).await;
    assert_eq!(
        rows_of,
        [
            ["0", "0", "1", "one", "/s", "made", at, "NULL"],
            ["1", "0", "2", "two", "/s", "made", at, "NULL"],
            ["1", "1", "3", "three", "/s", "made", at, "NULL"],
            ["2", "0", "4", "b", "/s", "made", "NULL", "thing"],
            ["3", "0", "5", "b", "/s", "made", "NULL", "thing"],
        ]
    );
    let rejected = bench.store.rows("SELECT sequence_number, reason FROM rejected_events").await;
    assert_eq!(rejected, [["4", "it is no CloudEvent: it has no specversion, id, source, type"]]);
    bench.passed().await;
}

#[tokio::test]
async fn debeziums_changes_become_rows_and_its_tombstones_are_skipped() {
    let bench = Bench::new().await;
    let columns = "id int, name varchar, op varchar, source_ts timestamptz, source_lsn bigint, source_position varchar";
    bench.store.run(&format!("CREATE TABLE people ({columns}, {KEY})")).await;
    let change = |op: &str, lsn: i64, before: Value, after: Value| {
        json!({"before": before, "after": after, "op": op, "source": {"lsn": lsn, "ts_ms": 1_769_864_645_000_i64}})
            .to_string()
    };
    let row = |id: i64, name: &str| json!({"id": id, "name": name});
    let key = r#"{"schema":{"type":"struct"},"payload":{"id":2}}"#;
    let mut tombstone = event(4, "");
    tombstone.body = None;
    let events = vec![
        event(0, change("r", 10, Value::Null, row(1, "Ann"))),
        event(1, change("c", 11, Value::Null, row(2, "Bob"))),
        event(2, change("u", 12, row(1, "Ann"), row(1, "Anna"))),
        with(event(3, change("d", 13, Value::Null, Value::Null)), &[], Some(key)),
        tombstone,
        event(5, change("t", 14, Value::Null, Value::Null)),
    ];
    bench.files.of_hub("people").add(0, 0, events).await;
    let route = ["--route", "people=people,format=debezium"];
    bench.once(&[&route[..], &["--require", "id,op"]].concat()).await;
    let rows =
        bench.store.rows("SELECT id, name, op, source_ts, source_lsn FROM people ORDER BY sequence_number").await;
    let at = "2026-01-31 13:04:05+00";
    assert_eq!(
        rows,
        [
            ["1", "Ann", "insert", at, "10"],
            ["2", "Bob", "insert", at, "11"],
            ["1", "Anna", "update", at, "12"],
            ["2", "NULL", "delete", at, "13"],
        ]
    );
    let rejected = bench.store.rows("SELECT sequence_number, reason FROM rejected_events").await;
    assert_eq!(rejected, [["5", "it empties the table (op `t`), which is no row's change"]]);
    assert_eq!(bench.store.rows("SELECT loaded, rejected, skipped FROM capture_files").await, [["4", "1", "1"]]);
    bench.verify_files(0, &route).await;
    bench.passed().await;
}

#[tokio::test]
async fn what_a_record_says_beside_its_body_has_columns() {
    let bench = Bench::new().await;
    let columns = "a int, event_key varchar, event_properties jsonb, event_offset varchar";
    bench.store.run(&format!("CREATE TABLE whole ({columns}, {KEY})")).await;
    bench.store.run(&format!("CREATE TABLE keyed (a int, event_key bytea, {KEY})")).await;
    let mut all = with(event(0, r#"{"a":1}"#), &[("text", "x\"y")], Some("k1"));
    all.properties.extend([
        ("long".to_owned(), PropertyValue::Long(i64::MAX)),
        ("double".to_owned(), PropertyValue::Double(0.5)),
        ("bytes".to_owned(), PropertyValue::Bytes(vec![0, 255])),
        ("null".to_owned(), PropertyValue::Null),
    ]);
    let mut binary = event(2, r#"{"a":3}"#);
    binary.system_properties = vec![("x-opt-partition-key".to_owned(), PropertyValue::Bytes(vec![0, 255]))];
    let events = vec![all, event(1, r#"{"a":2}"#), binary, with(event(3, r#"{"a":4}"#), &[("nul", "a\0b")], None)];
    for hub in ["whole", "keyed"] {
        bench.files.of_hub(hub).add(0, 0, events.clone()).await;
        bench.once(&["--route", &format!("{hub}={hub}"), "--require", ""]).await;
    }
    let rows = bench.store.rows("SELECT a, event_key, event_offset, event_properties FROM whole ORDER BY a").await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[0][..3], ["1", "k1", "0"]);
    let properties: Value = serde_json::from_str(&rows[0][3]).unwrap();
    let wanted = json!({"text": "x\"y", "long": i64::MAX, "double": 0.5, "bytes": "AP8=", "null": null,
                        "$system": {"x-opt-partition-key": "k1"}});
    assert_eq!(properties, wanted);
    assert_eq!(rows[1], ["2", "NULL", "64", "NULL"]);
    let rejected = "SELECT sequence_number, reason FROM rejected_events WHERE target = 'whole' ORDER BY 1";
    let rejected = bench.store.rows(rejected).await;
    assert!(
        rejected[0][1].starts_with("`event_key`: the key is invalid utf-8")
            && rejected[0][1].ends_with("make the column bytea"),
        "{rejected:?}"
    );
    assert!(rejected[1][1].starts_with("`event_properties`: property `nul` has a NUL character"), "{rejected:?}");
    let keys = bench.store.rows("SELECT a, event_key FROM keyed ORDER BY a").await;
    assert_eq!(keys, [["1", "\\x6b31"], ["2", "NULL"], ["3", "\\x00ff"], ["4", "NULL"]]);
    bench.passed().await;
}

#[tokio::test]
async fn events_of_the_official_sdk_become_rows() {
    let serializers = Serializers::get(&Parts::locate(), &quiet).await.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/serializers/cloudevents.cjs");
    let messages = serializers.run(&script, &["60"]).await.unwrap();
    let bench = Bench::new().await;
    let columns = "a int, text varchar, ce_id varchar, ce_source varchar, ce_type varchar, ce_time timestamptz, \
                   ce_subject varchar, ce_tenant varchar";
    bench.store.run(&format!("CREATE TABLE shop ({columns}, {KEY})")).await;
    let event_of = |(number, line): (i64, &str)| {
        let message: Value = serde_json::from_str(line).unwrap();
        let headers = message["headers"].as_object().unwrap();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        with(event(number, message["body"].as_str().unwrap()), &headers, None)
    };
    bench.files.of_hub("shop").add(0, 0, (0..).zip(messages.lines()).map(event_of).collect()).await;
    bench.once(&["--route", "shop=shop,format=cloudevents", "--require", ""]).await;
    assert_eq!(bench.store.count("rejected_events").await, 0);
    let rows = "SELECT a, text, ce_id, ce_source, ce_type, ce_time, ce_subject, ce_tenant FROM shop WHERE a IN (0, 1, 2) ORDER BY a";
    let row = |n: usize, subject: &str| {
        vec![
            n.to_string(),
            format!("ü {n}"),
            format!("e{n}"),
            "/shop".to_owned(),
            "order.changed".to_owned(),
            format!("2026-01-31 10:00:0{n}+00"),
            subject.to_owned(),
            "t".to_owned(),
        ]
    };
    assert_eq!(bench.store.rows(rows).await, [row(0, "order 0"), row(1, "NULL"), row(2, "order 2")]);
    assert_eq!(bench.store.rows("SELECT count(*), sum(a) FROM shop").await, [["60", "1770"]]);
    bench.passed().await;
}

/// The block of that language, and what follows it.
fn block<'t>(text: &'t str, language: &str) -> (&'t str, &'t str) {
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("no block of {language}"));
    rest.split_once("\n```").unwrap()
}

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

#[tokio::test]
async fn the_pages_example_of_each_format_is_true() {
    let page = page("formats.md");
    let (_, examples) = page.split_once("## An example of each").unwrap();
    for format in ["json-batch", "cloudevents", "debezium"] {
        let (_, example) = examples.split_once(&format!("### {format}\n")).unwrap();
        let (table, rest) = block(example, "sql");
        let (bodies, rest) = block(rest, "json");
        let (wanted, _) = block(rest, "text");
        let bench = Bench::new().await;
        bench.store.run(table).await;
        let events = (0..).zip(bodies.lines()).map(|(number, body)| event(number, body)).collect();
        bench.files.of_hub("example").add(0, 0, events).await;
        bench.once(&["--route", &format!("example=example,format={format}"), "--require", ""]).await;
        let index = if format == "json-batch" { ", event_index" } else { "" };
        assert_rows(&bench, format, wanted, index).await;
        bench.passed().await;
    }
}

/// Asserts that the example's table has just these rows, and nothing was rejected.
async fn assert_rows(bench: &Bench, format: &str, wanted: &str, index: &str) {
    let rejected = bench.store.rows("SELECT reason FROM rejected_events").await;
    assert!(rejected.is_empty(), "{format}: {rejected:?}");
    let mut lines = wanted.lines().map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    let columns = lines.next().unwrap().join(", ");
    let rows = bench.store.rows(&format!("SELECT {columns} FROM example ORDER BY sequence_number{index}")).await;
    assert_eq!(rows, lines.collect::<Vec<_>>(), "{format}");
}

/// A body as the page has it: hexadecimal digits, then JSON, if there is any.
fn body(line: &str) -> Vec<u8> {
    let (digits, json) = line.find('{').map_or((line, ""), |at| line.split_at(at));
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).chain(json.bytes()).collect()
}

#[tokio::test]
async fn the_pages_example_of_each_registry_format_is_true() {
    let page = page("formats.md");
    let (_, examples) = page.split_once("## Schema registries").unwrap();
    for (format, language, kind) in
        [("avro", "avro", "AVRO"), ("protobuf", "protobuf", "PROTOBUF"), ("json,validate=true", "jsonschema", "JSON")]
    {
        let (_, example) = examples.split_once(&format!("### {format}\n")).unwrap();
        let (schema, rest) = block(example, language);
        let (table, rest) = block(rest, "sql");
        let (bodies, rest) = block(rest, "hex");
        let (wanted, _) = block(rest, "text");
        let known = json!({"schema": schema, "schemaType": kind});
        let registry = Played::http(move |asked: &Asked| match asked.path.as_str() {
            "/schemas/ids/1" => Answer::json(200, known.clone()),
            _ => Answer::json(404, json!({"error_code": 40403, "message": "Schema not found"})),
        })
        .await;
        let bench = Bench::new().await;
        bench.store.run(table).await;
        let events = (0..).zip(bodies.lines()).map(|(number, line)| event(number, body(line))).collect();
        bench.files.of_hub("example").add(0, 0, events).await;
        let route = format!("example=example,format={format},registry=http://127.0.0.1:{}", registry.port());
        bench.once(&["--route", &route, "--require", ""]).await;
        assert_rows(&bench, format, wanted, "").await;
        bench.passed().await;
    }
}

#[tokio::test]
async fn the_example_of_the_page_of_tables_is_true() {
    let page = page("tables.md");
    let (_, example) = page.split_once("## An example\n").unwrap();
    let (table, rest) = block(example, "sql");
    let (bodies, rest) = block(rest, "json");
    let (wanted, _) = block(rest, "text");
    let bench = Bench::new().await;
    bench.store.run(table).await;
    let events: Vec<_> = (0..).zip(bodies.lines()).map(|(number, body)| event(number, body)).collect();
    bench.files.of_hub("orders").add(0, 0, events).await;
    bench.once(&["--route", "orders=orders", "--require", "order_no"]).await;
    let rows =
        bench.store.rows("SELECT order_no, customer, total, placed, rescued FROM orders ORDER BY order_no").await;
    let row = |line: &str| -> Vec<String> {
        line.split('|')
            .take(5)
            .map(|cell| if cell.trim().is_empty() { "NULL".to_owned() } else { cell.trim().to_owned() })
            .collect()
    };
    let (told, rejected) = wanted.split_once("\n\n").unwrap();
    assert_eq!(rows, told.lines().skip(2).map(row).collect::<Vec<_>>());
    let reasons = bench.store.rows("SELECT reason FROM rejected_events").await;
    assert!(rejected.contains(&reasons[0][0]), "{reasons:?}");
    // And the table is what `deltawave table` makes of the bodies that fit it.
    bench.store.run("DROP TABLE orders").await;
    let good = (0..).zip(bodies.lines().take(2)).map(|(number, body)| event(number, body)).collect();
    bench.files.of_hub("again").add(0, 0, good).await;
    let blob = bench.files.url();
    let made = bench.deltawave("table", &["orders", "--hub", "again", "--blob", &blob, "--apply", "--yes"]).await;
    assert_eq!(made.code, Some(0), "{}{}", made.out, made.err);
    bench.once(&["--route", "again=orders", "--require", "order_no"]).await;
    assert_eq!(bench.store.rows("SELECT order_no, customer, placed, coupon FROM orders ORDER BY 1").await.len(), 2);
    bench.passed().await;
}
