use serde_json::{Value, json};

use super::*;

fn decode_with(format: &mut Debezium, body: &Value) -> Result<Value, Undecodable> {
    let mut out = Documents::default();
    format.decode(Some(body.to_string().as_bytes()), &Attributes::default(), &mut out)?;
    let rows: Vec<_> = out.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(rows.len(), 1);
    Ok(rows.into_iter().next().unwrap())
}

fn decode(body: &Value) -> Result<Value, Undecodable> {
    decode_with(&mut Debezium::new(Wanted::all()), body)
}

fn reason(body: &Value) -> String {
    match decode(body) {
        Err(Undecodable::Bad(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_operation_has_its_row() {
    let source = json!({"ts_ms": 1_769_864_645_123_i64, "lsn": 24_023_128});
    let around = |op: &str, row: Value| {
        let mut row = row;
        row["op"] = op.into();
        row["source_ts"] = "2026-01-31T13:04:05.123000Z".into();
        row["source_lsn"] = 24_023_128.into();
        row["source_position"] = "00000000000024023128".into();
        row
    };
    for (op, before, after, name, row) in [
        ("c", json!(null), json!({"id": 1, "n": "a"}), "insert", json!({"id": 1, "n": "a"})),
        ("r", json!(null), json!({"id": 1, "n": null}), "insert", json!({"id": 1, "n": null})),
        ("u", json!({"id": 1, "n": "a"}), json!({"id": 1, "n": "b"}), "update", json!({"id": 1, "n": "b"})),
        ("d", json!({"id": 1, "n": "b"}), json!(null), "delete", json!({"id": 1, "n": "b"})),
    ] {
        let envelope = json!({"before": before, "after": after, "source": source, "op": op, "ts_ms": 1});
        assert_eq!(decode(&envelope).unwrap(), around(name, row.clone()));
        assert_eq!(decode(&json!({"schema": null, "payload": envelope})).unwrap(), around(name, row));
    }
}

#[test]
fn a_tombstone_is_nothing_and_what_is_no_change_is_told() {
    let mut format = Debezium::new(Wanted::all());
    for body in [None, Some(&b""[..]), Some(b" null ")] {
        let decoded = format.decode(body, &Attributes::default(), &mut Documents::default());
        assert_eq!(decoded, Err(Undecodable::Nothing), "{body:?}");
    }
    assert_eq!(decode(&json!({"schema": null, "payload": null})), Err(Undecodable::Nothing));
    assert!(reason(&json!({"id": 1})).contains("it has no `op`; where the connector unwraps"));
    assert!(reason(&json!({"op": "t"})).contains("it empties the table"));
    assert!(reason(&json!({"op": "x"})).contains("its op is `x`"));
    assert!(reason(&json!({"op": "c", "after": null})).contains("it has no `after`"));
    assert!(reason(&json!({"op": "d", "before": null})).contains("the record has no key"));
}

#[test]
fn a_rows_own_fields_of_the_envelopes_names_are_kept_apart() {
    let row = decode(&json!({"op": "c", "after": {"op": "mine", "source_ts": 7}})).unwrap();
    assert_eq!(row, json!({"row_op": "mine", "row_source_ts": 7, "op": "insert"}));
}

#[test]
fn types_that_are_more_than_their_json_become_what_they_mean() {
    let typed = |name: &str, kind: &str, parameters: Value| json!({"field": name, "type": "int64", "name": kind, "parameters": parameters});
    let fields = json!([
        {"field": "id", "type": "int32"},
        typed("day", "io.debezium.time.Date", json!(null)),
        typed("ms", "io.debezium.time.Timestamp", json!(null)),
        typed("us", "io.debezium.time.MicroTimestamp", json!(null)),
        typed("ns", "io.debezium.time.NanoTimestamp", json!(null)),
        typed("clock", "io.debezium.time.MicroTime", json!(null)),
        typed("price", "org.apache.kafka.connect.data.Decimal", json!({"scale": "2"})),
        typed("any", "io.debezium.data.VariableScaleDecimal", json!(null)),
        typed("doc", "io.debezium.data.Json", json!(null)),
        typed("zoned", "io.debezium.time.ZonedTimestamp", json!(null)),
    ]);
    let schema = json!({"type": "struct", "fields": [
        {"type": "struct", "fields": fields, "field": "before"},
        {"type": "struct", "fields": fields, "field": "after"},
    ]});
    let after = json!({
        "id": 1, "day": 20_484, "ms": 1_769_864_645_123_i64, "us": -1, "ns": 1_769_864_645_123_456_789_i64,
        "clock": 86_399_000_001_i64, "price": "BNI=", "any": {"scale": 3, "value": "BQ=="}, "doc": "{\"a\": [1]}",
        "zoned": "2026-01-31T13:04:05Z",
    });
    let mut format = Debezium::new(Wanted::all());
    let payload = json!({"op": "c", "after": after});
    let row = decode_with(&mut format, &json!({"schema": schema, "payload": payload})).unwrap();
    assert_eq!(
        row,
        json!({
            "id": 1, "day": "2026-01-31", "ms": "2026-01-31T13:04:05.123000", "us": "1969-12-31T23:59:59.999999",
            "ns": "2026-01-31T13:04:05.123456", "clock": "23:59:59.000001", "price": 12.34, "any": 0.005,
            "doc": {"a": [1]}, "zoned": "2026-01-31T13:04:05Z", "op": "insert",
        })
    );
    // What is out of a column's range is left for the column to refuse, and nulls are nulls.
    let payload = json!({"op": "c", "after": {"day": 2_147_483_647, "ms": i64::MAX, "price": null}});
    let row = decode_with(&mut format, &json!({"schema": schema, "payload": payload})).unwrap();
    assert_eq!(row, json!({"day": 2_147_483_647, "ms": i64::MAX, "price": null, "op": "insert"}));
}

#[test]
fn positions_sort_as_each_sources_changes_follow_each_other() {
    let position = |source: Value| {
        let row = decode(&json!({"op": "c", "after": {"id": 1}, "source": source})).unwrap();
        row["source_position"].as_str().unwrap_or_default().to_owned()
    };
    for ordered in [
        vec![json!({"lsn": 9}), json!({"lsn": 10}), json!({"lsn": 24_023_128_000_i64})],
        // An incremental snapshot's row, between the changes that it was read between.
        vec![
            json!({"lsn": 29_826_199, "sequence": "[\"29826064\",\"29826199\"]"}),
            json!({"lsn": null, "sequence": "[\"29826064\",\"29826200\"]", "snapshot": "incremental"}),
            json!({"lsn": 29_826_201, "sequence": "[\"29826200\",\"29826201\"]"}),
        ],
        vec![
            json!({"file": "mysql-bin.000009", "pos": 154, "row": 0}),
            json!({"file": "mysql-bin.000010", "pos": 4, "row": 0}),
            json!({"file": "mysql-bin.000010", "pos": 1154, "row": 0}),
            json!({"file": "mysql-bin.000010", "pos": 1154, "row": 1}),
        ],
        vec![
            json!({"commit_lsn": "00000027:00000ac0:0002", "change_lsn": null}),
            json!({"commit_lsn": "00000027:00000ac0:0002", "change_lsn": "00000027:00000ab8:0002", "event_serial_no": 1}),
            json!({"commit_lsn": "00000027:00000ac0:0002", "change_lsn": "00000027:00000ab8:0002", "event_serial_no": 2}),
            json!({"commit_lsn": "00000028:00000001:0001", "change_lsn": "00000027:00000001:0001"}),
        ],
    ] {
        let positions: Vec<_> = ordered.into_iter().map(position).collect();
        assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
    }
    assert_eq!(position(json!({"connector": "x"})), "");
}
