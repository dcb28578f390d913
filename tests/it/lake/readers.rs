//! What others read of a table is what a store has of the same records.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::bench::LakeBench;
use crate::support::{event, postgres_store, run};

/// Each column's name, its type in PostgreSQL and in Delta.
const COLUMNS: [(&str, &str, &str); 20] = [
    ("id", "bigint", "long"),
    ("a_boolean", "boolean", "boolean"),
    ("a_small", "smallint", "short"),
    ("an_int", "integer", "integer"),
    ("a_real", "real", "float"),
    ("a_double", "double precision", "double"),
    ("a_numeric", "numeric(38,10)", "decimal(38,10)"),
    ("a_money", "numeric(9,2)", "decimal(9,2)"),
    ("a_text", "varchar", "string"),
    ("größe名", "varchar", "string"),
    ("a_day", "date", "date"),
    ("a_moment", "timestamptz", "timestamp"),
    ("a_naive", "timestamp", "timestamp_ntz"),
    ("a_time", "time", "string:time"),
    ("a_doc", "jsonb", "string:jsonb"),
    ("a_uuid", "uuid", "string:uuid"),
    ("some_bytes", "bytea", "binary"),
    ("some_texts", "varchar[]", "array:string"),
    ("some_numbers", "bigint[]", "array:long"),
    ("some_days", "date[]", "array:date"),
];

fn records() -> Vec<Value> {
    let nulls = json!({"id": 0});
    let explicit: Value = COLUMNS
        .iter()
        .skip(1)
        .map(|(name, ..)| ((*name).to_owned(), Value::Null))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let low = json!({
        "id": i64::MIN, "a_boolean": false, "a_small": i16::MIN, "an_int": i32::MIN, "a_real": -3.4e38, "a_double": -1.7976931348623157e308,
        "a_numeric": "-9999999999999999999999999999.9999999999", "a_money": "-9999999.99", "a_text": "", "größe名": "ß\u{1f600}\"\\ \n\t",
        "a_day": "0001-01-01", "a_moment": "0001-01-01T00:00:00Z", "a_naive": "0001-01-01T00:00:00", "a_time": "00:00:00",
        "a_doc": {"a": [1, 2.50, null, "x\\y"], "ü": {}}, "a_uuid": "00000000-0000-0000-0000-000000000000",
        "some_bytes": "", "some_texts": [], "some_numbers": [i64::MIN, null, i64::MAX], "some_days": ["0001-01-01", "9999-12-31"],
    });
    let high = json!({
        "id": i64::MAX, "a_boolean": true, "a_small": i16::MAX, "an_int": i32::MAX, "a_real": 3.4e38, "a_double": 5e-324,
        "a_numeric": "9999999999999999999999999999.9999999999", "a_money": 0.10, "a_text": "NULL", "größe名": "{a,b}",
        "a_day": "9999-12-31", "a_moment": "9999-12-31T23:59:59.999999Z", "a_naive": "9999-12-31T23:59:59.999999", "a_time": "23:59:59.999999",
        "a_doc": [], "a_uuid": "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "some_bytes": BASE64_STANDARD.encode((0..=255).collect::<Vec<u8>>()), "some_texts": ["a,b", "\"q\"", "NULL", null, "", "名"],
        "some_numbers": [], "some_days": [null],
    });
    let plain = json!({
        "id": 7, "a_boolean": true, "a_small": -1, "an_int": 0, "a_real": 0.1, "a_double": 0.1, "a_numeric": 1e3, "a_money": 12.5,
        "a_text": "Zoë", "größe名": "x", "a_day": "2024-02-29", "a_moment": "2026-01-31T23:59:59.5+05:30", "a_naive": "1969-12-31T23:59:59.999999",
        "a_time": "12:30", "a_doc": "text", "a_uuid": "123e4567-e89b-12d3-a456-426614174000", "some_bytes": "aGk=",
        "some_texts": ["x"], "some_numbers": [1], "some_days": ["2026-01-31"],
    });
    vec![nulls, explicit, low, high, plain]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_is_what_a_store_has_of_the_same_record() {
    let store = postgres_store().await.initialised().await;
    let list: Vec<_> = COLUMNS.iter().map(|(name, kind, _)| format!("\"{name}\" {kind}")).collect();
    let envelope = "event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp";
    let key = "PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at)";
    store.run(&format!("CREATE TABLE every_type ({}, {envelope}, {key})", list.join(", "))).await;
    let casts: Vec<_> = COLUMNS
        .iter()
        .map(|(name, kind, _)| match kind.strip_suffix("[]") {
            Some(_) => format!("array_to_json(\"{name}\")::varchar"),
            None => format!("\"{name}\"::varchar"),
        })
        .collect();
    let select = format!("SELECT {} FROM every_type ORDER BY sequence_number", casts.join(", "));
    for bench in [LakeBench::new().await, LakeBench::in_directory().await] {
        store.run("DELETE FROM every_type; DELETE FROM capture_files").await;
        // Made by another's hand, with column mapping of none.
        let columns: Vec<_> = COLUMNS.iter().map(|(name, _, kind)| json!([name, kind])).collect();
        bench.ensure_container().await;
        bench.ask("create.py", json!({"columns": columns})).await;
        let events = (0..).zip(records()).map(|(number, body)| event(number, body.to_string())).collect();
        bench.files.add(0, 0, events).await;
        let routes = format!("user-events=every_type,{}", bench.route());
        let mut loader = bench.loader(&["--once", "--require", "", "--route", &routes]);
        loader.env("DELTAWAVE_STORE_URL", store.url());
        let ended = run(loader).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert_eq!(store.count("rejected_events").await, 0, "{}", ended.err);
        let rows = store.rows(&select).await;
        assert_eq!(rows.len(), 5);
        let kinds: Vec<_> = COLUMNS.iter().map(|(name, kind, _)| json!([name, kind])).collect();
        let equal = bench.ask("equal.py", json!({"columns": kinds, "rows": rows})).await;
        assert_eq!(equal, json!({"deltalake": 100, "duckdb": 100}));
    }
    store.passed().await;
}
