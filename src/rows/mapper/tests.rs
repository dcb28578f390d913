use time::OffsetDateTime;

use super::*;
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use crate::rows::table::tests::{ENVELOPE_COLUMNS, columns, key};

const USER: &str = "id integer,name character varying,age integer,op character varying,event_order bigint,ts timestamp without time zone";

fn mapper(own: &str) -> Mapper {
    let required = ["id", "op", "event_order"].map(str::to_owned);
    Mapper::new(&Table::new("t", columns(&format!("{own},{ENVELOPE_COLUMNS}")), &key(), &required).unwrap())
}

fn envelope() -> Envelope<'static> {
    Envelope {
        event_hub: "user-events",
        partition: PartitionId(2),
        sequence_number: SequenceNumber(77),
        enqueued_time: EnqueuedTime::from_utc(OffsetDateTime::UNIX_EPOCH),
    }
}

fn reject(mapper: &mut Mapper, body: &str) -> String {
    let before = mapper.literals.clone();
    let reason = mapper.push(envelope(), Some(body.as_bytes())).unwrap_err().to_string();
    assert_eq!(mapper.literals, before, "a rejected record left something behind");
    reason
}

#[test]
fn a_record_becomes_a_row() {
    let mut mapper = mapper(USER);
    let body = br#"{"id":1,"name":"Al \"x\" \u00e9","age":27,"op":"update","event_order":1763880000000000,"ts":"2026-11-23T07:00:00"}"#;
    mapper.push(envelope(), Some(body)).unwrap();
    // Another order of fields, a null, a missing one and an unknown one.
    let body = br#"{"more":{"a":[1]},"ts":null,"op":"delete","event_order":2,"name":null,"id":2}"#;
    mapper.push(envelope(), Some(body)).unwrap();
    assert_eq!(mapper.rows(), 2);
    assert_eq!(mapper.take_unmapped(), 1);
    let batch = mapper.take();
    assert_eq!(batch.rows, 2);
    assert_eq!(
        batch.columns,
        [
            "{1,2}",
            r#"{"Al \"x\" é",NULL}"#,
            "{27,NULL}",
            r#"{"update","delete"}"#,
            "{1763880000000000,2}",
            r#"{"2026-11-23 07:00:00",NULL}"#,
            r#"{"user-events","user-events"}"#,
            "{2,2}",
            "{77,77}",
            r#"{"1970-01-01 00:00:00","1970-01-01 00:00:00"}"#,
        ]
    );
    assert_eq!(mapper.take().columns[0], "{}");
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let mut mapper = mapper(USER);
    let good = r#"{"id":1,"op":"insert","event_order":1}"#;
    mapper.push(envelope(), Some(good.as_bytes())).unwrap();
    assert_eq!(mapper.push(envelope(), None), Err(Reject::NullBody));
    for (body, reason) in [
        ("", "body is not a JSON object: EOF"),
        ("Message 1", "body is not a JSON object: expected value"),
        ("[1]", "body is not a JSON object: invalid type: sequence, expected an object"),
        ("5", "body is not a JSON object: invalid type: integer `5`"),
        (r#"{"id":1"#, "body is not a JSON object: EOF"),
        (r#"{"id":1,"op":"insert","event_order":1} x"#, "body is not a JSON object: trailing characters"),
        (r#"{"id":1,"op":"insert"}"#, "field `event_order` is missing"),
        (r#"{"id":null,"op":"insert","event_order":1}"#, "field `id`: is null, but every record must have it"),
        (r#"{"id":"1","op":"insert","event_order":1}"#, "field `id`: expected a whole number, found string `1`"),
        (r#"{"id":1.5,"op":"insert","event_order":1}"#, "field `id`: expected a whole number, found number 1.5"),
        (r#"{"id":2147483648,"op":"insert","event_order":1}"#, "field `id`: 2147483648 is out of range for int"),
        (
            r#"{"id":1,"op":"insert","event_order":9223372036854775808}"#,
            "field `event_order`: 9223372036854775808 is out of range",
        ),
        (r#"{"id":1,"name":{"a":1}}"#, "field `name`: expected a string, found an object"),
        (r#"{"id":1,"name":true}"#, "field `name`: expected a string, found true"),
        (r#"{"id":1,"name":"a\u0000b"}"#, "field `name`: has a NUL character"),
        (
            r#"{"id":1,"ts":"yesterday"}"#,
            "field `ts`: expected a time like 2026-01-31T23:59:59, found string `yesterday`",
        ),
        (r#"{"id":1,"id":2}"#, "field `id`: stands twice"),
    ] {
        let found = reject(&mut mapper, body);
        assert!(found.starts_with(reason), "{body}: {found}");
    }
    let long = format!(r#"{{"id":"{}"}}"#, "é".repeat(1 << 20));
    assert!(reject(&mut mapper, &long).len() < 250);
    assert_eq!(
        mapper.push(envelope(), Some(b"\xff{}")).unwrap_err().to_string().split(':').next(),
        Some("body is not a JSON object")
    );
    assert_eq!(mapper.take().columns[0], "{1}");
}

#[test]
fn every_type_takes_what_fits_it() {
    let own = "b boolean,s smallint,r real,d double precision,n numeric,day date,clock time without time zone,at timestamp with time zone,j jsonb,raw bytea";
    let mut mapper = mapper(own);
    let body =
        br#"{"b":true,"s":-5.0,"r":1,"d":0.1,"n":123456789012345678901234567890.10,"day":"2026-01-31","clock":"01:02",
        "at":"2026-01-31T01:00:00+01:00","j":{"k": [1, "\\u0000"]},"raw":"AP8="}"#;
    mapper.push(envelope(), Some(body)).unwrap();
    assert_eq!(
        mapper.take().columns[..10],
        [
            "{t}",
            "{-5}",
            "{1e0}",
            "{1e-1}",
            "{123456789012345678901234567890.10}",
            r#"{"2026-01-31"}"#,
            r#"{"01:02:00"}"#,
            r#"{"2026-01-31 00:00:00+00:00"}"#,
            r#"{"{\"k\": [1, \"\\\\u0000\"]}"}"#,
            r#"{"\\x00ff"}"#,
        ]
    );
    for (body, reason) in [
        (r#"{"b":1}"#, "field `b`: expected true or false, found number 1"),
        (r#"{"s":40000}"#, "field `s`: 40000 is out of range for smallint"),
        (r#"{"r":1e39}"#, "field `r`: 1e39 is out of range for real"),
        (r#"{"n":"NaN"}"#, "field `n`: expected a number, or a string of one, found `\"NaN\"`"),
        (r#"{"j":"\u0000"}"#, "field `j`: has a NUL character"),
        (r#"{"raw":"%"}"#, "field `raw`: expected base64"),
    ] {
        let found = reject(&mut mapper, body);
        assert!(found.starts_with(reason), "{body}: {found}");
    }
}

#[test]
fn fields_without_a_column_are_rescued_where_the_table_has_room() {
    let mut mapper = mapper("id integer,rescued jsonb");
    mapper.push(envelope(), Some(br#"{"id":1,"x \"y\"":[1, {}],"z":null}"#)).unwrap();
    mapper.push(envelope(), Some(br#"{"id":2}"#)).unwrap();
    assert_eq!(mapper.take_unmapped(), 0);
    assert_eq!(mapper.take().columns[1], r#"{"{\"x \\\"y\\\"\":[1, {}],\"z\":null}",NULL}"#);
}

#[test]
fn what_neighbours_share_is_written_for_each_of_them() {
    let mut mapper = mapper("id integer,ts timestamp without time zone,at timestamp with time zone");
    for (body, fits) in [
        (r#"{"id":1,"ts":"2026-01-02","at":"2026-01-02"}"#, true),
        (r#"{"id":2,"ts":"2026-01-02","at":"2026-01-02"}"#, true),
        (r#"{"id":3,"ts":"2026-01-02","at":"never"}"#, false),
        (r#"{"id":4,"ts":"2026-01-02T01:00:00","at":"2026-01-02"}"#, true),
        (r#"{"id":5,"ts":"2026-01-02","at":null}"#, true),
    ] {
        assert_eq!(mapper.push(envelope(), Some(body.as_bytes())).is_ok(), fits, "{body}");
    }
    let other = Envelope {
        event_hub: "a \"b\"",
        enqueued_time: EnqueuedTime::parse("1/2/2026 3:04:05 AM").unwrap(),
        ..envelope()
    };
    mapper.push(other, Some(br#"{"id":6}"#)).unwrap();
    assert_eq!(
        mapper.take().columns[..4],
        [
            "{1,2,4,5,6}",
            r#"{"2026-01-02 00:00:00","2026-01-02 00:00:00","2026-01-02 01:00:00","2026-01-02 00:00:00",NULL}"#,
            r#"{"2026-01-02 00:00:00+00:00","2026-01-02 00:00:00+00:00","2026-01-02 00:00:00+00:00",NULL,NULL}"#,
            r#"{"user-events","user-events","user-events","user-events","a \"b\""}"#,
        ]
    );
    // The first of a new batch has no one before it.
    mapper.push(envelope(), Some(br#"{"id":7,"ts":"2026-01-02"}"#)).unwrap();
    assert_eq!(mapper.take().columns[1], r#"{"2026-01-02 00:00:00"}"#);
}
