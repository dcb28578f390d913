use time::OffsetDateTime;

use super::*;
use crate::capture::{Attributes, EnqueuedTime, PartitionId, SequenceNumber};
use crate::rows::table::tests::{ENVELOPE_COLUMNS, columns, key};
use crate::rows::{Epoch, Unmapped};

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
    assert_eq!(mapper.take_unmapped(), Unmapped::from([("more".to_owned(), 1)]));
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
        ("", "body is not a JSON object: it is empty"),
        (" \n", "body is not a JSON object: it is blank"),
        ("Message 1", "body is not a JSON object: expected value"),
        ("[1]", "body is not a JSON object: invalid type: sequence, expected an object"),
        ("5", "body is not a JSON object: invalid type: integer `5`"),
        (r#"{"id":1"#, "body is not a JSON object: EOF"),
        (r#"{"id":1,"op":"insert","event_order":1} x"#, "body is not a JSON object: trailing characters"),
        (r#"{"id":1,"op":"insert"}"#, "field `event_order` is missing"),
        (r#"{"id":null,"op":"insert","event_order":1}"#, "field `id`: is null, but every record must have it"),
        (r#"{"id":"one","op":"insert","event_order":1}"#, "field `id`: expected a whole number, found string `one`"),
        (r#"{"id":"1.0","op":"insert","event_order":1}"#, "field `id`: expected a whole number, found string `1.0`"),
        (r#"{"id":"+1","op":"insert","event_order":1}"#, "field `id`: expected a whole number, found string `+1`"),
        (r#"{"id":"2147483648"}"#, "field `id`: 2147483648 is out of range for int"),
        (
            r#"{"event_order":"9223372036854775808"}"#,
            "field `event_order`: 9223372036854775808 is out of range for bigint",
        ),
        (r#"{"records":[{"a":1}],"b":2}"#, "none of its fields has a column: `records`, `b`"),
        (
            r#"{"ts":1769864645000}"#,
            "field `ts`: expected a time like 2026-01-31T23:59:59, found number 1769864645000; if it counts from 1970",
        ),
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
    for (body, nature) in [
        (&b"\x1f\x8b\x08"[..], "gzip-compressed"),
        (b"\xff\xfe{\0}\0", "UTF-16 (little-endian)"),
        (b"\0\0\0\0\x07\x02", "Avro by a schema registry (id 7)"),
        (b"{\"name\":\"Zo\xeb\"}", "not UTF-8 at byte 11"),
    ] {
        let reject = mapper.push(envelope(), Some(body)).unwrap_err().to_string();
        assert_eq!(reject, format!("body is not a JSON object: it is {nature}"));
    }
    let marked = format!("\u{feff}{good}");
    mapper.push(envelope(), Some(marked.as_bytes())).unwrap();
    assert_eq!(mapper.take().columns[0], "{1,1}");
}

#[test]
fn what_a_type_allows_is_kept_to() {
    let own = "price numeric(10,2),ts timestamp(0) without time zone,at timestamp(3) with time zone,\
               clock time(0) without time zone,code character varying(3),fixed character(2)";
    let mut mapper = mapper(own);
    let body = r#"{"price":"12.340","ts":"2026-01-31T23:59:59.000Z","at":"2026-01-31 10:00:00.123","clock":"23:59:59",
        "code":"äöü","fixed":"a"}"#;
    mapper.push(envelope(), Some(body.as_bytes())).unwrap();
    assert_eq!(
        mapper.take().columns[..6],
        [
            "{12.340}",
            r#"{"2026-01-31 23:59:59"}"#,
            r#"{"2026-01-31 10:00:00.123000+00:00"}"#,
            r#"{"23:59:59"}"#,
            r#"{"äöü"}"#,
            r#"{"a"}"#,
        ]
    );
    for (body, reason) in [
        (r#"{"price":12.345}"#, "field `price`: expected at most 2 decimal places, found `12.345`"),
        (r#"{"price":123456789.1}"#, "field `price`: `123456789.1` is out of range for numeric(10,2)"),
        (
            r#"{"ts":"2026-12-31T23:59:59.7Z"}"#,
            "field `ts`: expected at most 0 decimal places of a second, found `2026-12-31T23:59:59.7Z`",
        ),
        (r#"{"at":"2026-12-31T23:59:59.1234Z"}"#, "field `at`: expected at most 3 decimal places of a second"),
        (r#"{"clock":"23:59:59.6"}"#, "field `clock`: expected at most 0 decimal places of a second"),
        (r#"{"code":"abc "}"#, "field `code`: expected at most 3 characters, found 4"),
        (r#"{"fixed":"abc"}"#, "field `fixed`: expected at most 2 characters, found 3"),
    ] {
        assert_eq!(reject(&mut mapper, body).split_at_checked(reason.len()).map(|(start, _)| start), Some(reason));
    }
}

#[test]
fn arrays_are_fitted_element_by_element() {
    let own = "n integer[],t text[],d numeric(4,1)[],at timestamp without time zone[],j jsonb[],id uuid not null";
    let mut mapper = mapper(own);
    let body = r#"{"n":[1,null,-3],"t":["a,\"b\" {c}",null,"NULL",""],"d":["1.5",2],"at":["2026-01-02"],
        "j":[{"a":[1]},null],"id":"123E4567E89B12D3A456426614174000"}"#;
    mapper.push(envelope(), Some(body.as_bytes())).unwrap();
    mapper.push(envelope(), Some(br#"{"n":[],"t":null,"id":"{123e4567-e89b-12d3-a456-426614174001}"}"#)).unwrap();
    assert_eq!(
        mapper.take().columns[..6],
        [
            r#"{"{1,NULL,-3}","{}"}"#,
            r#"{"{\"a,\\\"b\\\" {c}\",NULL,\"NULL\",\"\"}",NULL}"#,
            r#"{"{1.5,2}",NULL}"#,
            r#"{"{\"2026-01-02 00:00:00\"}",NULL}"#,
            r#"{"{\"{\\\"a\\\":[1]}\",NULL}",NULL}"#,
            "{123e4567-e89b-12d3-a456-426614174000,123e4567-e89b-12d3-a456-426614174001}",
        ]
    );
    let id = r#""id":"123e4567-e89b-12d3-a456-426614174000""#;
    for (field, reason) in [
        (r#""n":[1,"x"]"#, "field `n`: element 2: expected a whole number, found string `x`"),
        (r#""n":[[1]]"#, "field `n`: element 1: expected a whole number, found an array"),
        (r#""n":1"#, "field `n`: expected an array, each of it a whole number, found number 1"),
        (r#""d":[1.25]"#, "field `d`: element 1: expected at most 1 decimal place, found `1.25`"),
        (r#""t":"a""#, "field `t`: expected an array, each of it a string, found a string of 1 bytes"),
    ] {
        assert_eq!(reject(&mut mapper, &format!("{{{field},{id}}}")), reason);
    }
    assert_eq!(reject(&mut mapper, r#"{"n":[1]}"#), "field `id` is missing, but every record must have it");
    let found = reject(&mut mapper, r#"{"id":"1"}"#);
    assert!(found.starts_with("field `id`: expected a uuid like"), "{found}");
}

#[test]
fn numbers_since_1970_are_moments_where_the_column_says_so() {
    let own = "ts timestamp without time zone,at timestamp(3) with time zone";
    let table = Table::new("t", columns(&format!("{own},{ENVELOPE_COLUMNS}")), &key(), &[]).unwrap();
    let table = table.with_epoch("ts", Epoch::Seconds).unwrap().with_epoch("at", Epoch::Milliseconds).unwrap();
    let mut mapper = Mapper::new(&table);
    for body in [
        r#"{"ts":1769864645,"at":1769864645123}"#,
        r#"{"ts":"1769864645.5","at":"1769864645000"}"#,
        r#"{"ts":"2026-01-31T13:04:05Z","at":"2026-01-31T13:04:05Z"}"#,
        r#"{"ts":-1,"at":null}"#,
    ] {
        mapper.push(envelope(), Some(body.as_bytes())).unwrap();
    }
    assert_eq!(
        mapper.take().columns[..2],
        [
            r#"{"2026-01-31 13:04:05","2026-01-31 13:04:05.500000","2026-01-31 13:04:05","1969-12-31 23:59:59"}"#,
            r#"{"2026-01-31 13:04:05.123000+00:00","2026-01-31 13:04:05+00:00","2026-01-31 13:04:05+00:00",NULL}"#,
        ]
    );
    for (body, reason) in [
        (r#"{"ts":1769864645000000}"#, "field `ts`: `1769864645000000` is out of range for timestamp"),
        (r#"{"at":1769864645000.5}"#, "field `at`: expected at most 3 decimal places of a second"),
        (r#"{"at":"soon"}"#, "field `at`: expected a time like 2026-01-31T23:59:59, found string `soon`"),
        (r#"{"at":{}}"#, "field `at`: expected a time like 2026-01-31T23:59:59, found `{}`"),
    ] {
        let found = reject(&mut mapper, body);
        assert!(found.starts_with(reason), "{body}: {found}");
    }
}

#[test]
fn a_batch_says_which_records_leave_a_default_to_the_store() {
    let mut catalog = columns(&format!("id integer,at timestamp without time zone not null,{ENVELOPE_COLUMNS}"));
    catalog[1].default = Some("now()".to_owned());
    let mut mapper = Mapper::new(&Table::new("t", catalog, &key(), &[]).unwrap());
    for body in [r#"{"id":1}"#, r#"{"id":2,"at":"2026-01-02"}"#] {
        mapper.push(envelope(), Some(body.as_bytes())).unwrap();
    }
    let found = reject(&mut mapper, r#"{"id":3,"at":null}"#);
    assert_eq!(found, "field `at`: is null, but every record must have it");
    let batch = mapper.take();
    assert_eq!((batch.columns.len(), batch.columns[1].as_str()), (7, r#"{NULL,"2026-01-02 00:00:00"}"#));
    assert_eq!(batch.columns[6], "{f,t}");
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
    assert_eq!(mapper.take_unmapped(), Unmapped::new());
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

#[test]
fn a_record_of_several_rows_is_whole_or_nothing() {
    let own = format!("{USER},event_index integer");
    let mut key = key();
    key.push("event_index".to_owned());
    let table = Table::new("t", columns(&format!("{own},{ENVELOPE_COLUMNS}")), &key, &[]).unwrap();
    let mut mapper = Mapper::new(&table);
    let good: [&[u8]; 3] = [br#"{"id":1,"x":1}"#, br#"{"id":2}"#, br#"{"id":3,"x":2,"y":0}"#];
    let nothing = Attributes::NOTHING;
    assert_eq!(mapper.push_all(envelope(), &nothing, good.into_iter()), Ok(()));
    let before = mapper.literals.clone();
    let bad: [&[u8]; 2] = [br#"{"id":4,"z":1}"#, br#"{"id":"x"}"#];
    let said = mapper.push_all(envelope(), &nothing, bad.into_iter()).unwrap_err().to_string();
    assert_eq!(said, "row 2 of 2: field `id`: expected a whole number, found string `x`");
    assert_eq!((mapper.literals.clone(), mapper.rows()), (before, 3));
    assert_eq!(mapper.take_unmapped(), Unmapped::from([("x".to_owned(), 2), ("y".to_owned(), 1)]));
    let batch = mapper.take();
    assert_eq!((batch.columns[0].as_str(), batch.columns[6].as_str()), ("{1,2,3}", "{0,1,2}"));
}

#[test]
fn a_field_that_is_to_get_a_column_is_told_before_anything_is_made_of_its_record() {
    let table = Table::new("t", columns(&format!("id integer,rescued jsonb,{ENVELOPE_COLUMNS}")), &key(), &[]).unwrap();
    let hopeless = std::sync::Arc::new(std::collections::BTreeSet::from(["hopeless".to_owned()]));
    let mut mapper = Mapper::new(&table.evolving(hopeless));
    assert_eq!(mapper.push(envelope(), Some(br#"{"id":1,"hopeless":1,"nothing":null}"#)), Ok(()));
    assert_eq!(mapper.push(envelope(), Some(br#"{"id":2,"new":[1]}"#)), Err(Reject::NewField("new".to_owned())));
    assert_eq!((mapper.rows(), mapper.take().columns[1].as_str()), (1, r#"{"{\"hopeless\":1}"}"#));
}
