use apache_avro::types::Value as Datum;
use apache_avro::{Decimal, Schema};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use std::sync::Arc;

use crate::formats::schemas::{SchemaId, SchemaKind, SchemaText, Schemas};

fn schemas(id: u32, text: &str, references: &[&str]) -> Arc<Schemas> {
    let schemas = Arc::new(Schemas::default());
    let references = references.iter().map(|text| (String::new(), (*text).to_owned())).collect();
    let text = SchemaText { kind: SchemaKind::Avro, text: text.to_owned(), references };
    schemas.put(SchemaId::Number(id), Ok(Arc::new(text)));
    schemas
}

fn avro(schemas: Arc<Schemas>) -> Avro {
    Avro::new(Prepared::new(SchemaKind::Avro, false, schemas))
}

fn body(id: u32, schema: &str, datum: Datum) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    let mut body = vec![0];
    body.extend(id.to_be_bytes());
    let writer = apache_avro::writer::datum::GenericDatumWriter::builder(&schema).build().unwrap();
    writer.write_value(&mut body, datum).unwrap();
    body
}

fn decode(format: &mut Avro, body: &[u8]) -> Result<Value, Undecodable> {
    let mut out = Documents::default();
    format.decode(Some(body), &Attributes::default(), &mut out)?;
    let rows: Vec<_> = out.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(rows.len(), 1);
    Ok(rows.into_iter().next().unwrap())
}

const SCHEMA: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[
    {"name":"id","type":"long"},
    {"name":"note","type":["null","string"]},
    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
    {"name":"day","type":{"type":"int","logicalType":"date"}},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"local","type":{"type":"long","logicalType":"local-timestamp-millis"}},
    {"name":"clock","type":{"type":"int","logicalType":"time-millis"}},
    {"name":"code","type":{"type":"string","logicalType":"uuid"}},
    {"name":"raw","type":"bytes"},
    {"name":"ratio","type":"float"},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]}},
    {"name":"tags","type":{"type":"array","items":"string"}},
    {"name":"more","type":{"type":"map","values":"int"}},
    {"name":"parent","type":["null","Order"]}]}"#;

fn order(id: i64, parent: Datum) -> Datum {
    let field = |name: &str, datum: Datum| (name.to_owned(), datum);
    let union = |index, datum| Datum::Union(index, Box::new(datum));
    Datum::Record(vec![
        field("id", Datum::Long(id)),
        field("note", union(1, Datum::String("a \"b\"\n".to_owned()))),
        field("price", Datum::Decimal(Decimal::from(vec![0x04, 0xd2]))),
        field("day", Datum::Date(20_484)),
        field("at", Datum::TimestampMicros(1_769_864_645_123_456)),
        field("local", Datum::LocalTimestampMillis(1_769_864_645_123)),
        field("clock", Datum::TimeMillis(86_399_001)),
        field("code", Datum::Uuid(uuid::Uuid::from_u128(7))),
        field("raw", Datum::Bytes(vec![0, 255])),
        field("ratio", Datum::Float(0.1)),
        field("kind", Datum::Enum(1, "B".to_owned())),
        field("tags", Datum::Array(vec![Datum::String("x".to_owned()), Datum::String("y".to_owned())])),
        field("more", Datum::Map([("k".to_owned(), Datum::Int(-1))].into())),
        field("parent", parent),
    ])
}

#[test]
fn a_datum_becomes_json_and_logical_types_what_they_mean() {
    let nothing = || Datum::Union(0, Box::new(Datum::Null));
    let nested = order(9_007_199_254_740_993, Datum::Union(1, Box::new(order(2, nothing()))));
    let mut format = avro(schemas(7, SCHEMA, &[]));
    let row = decode(&mut format, &body(7, SCHEMA, nested)).unwrap();
    let plain = |id: i64, parent: Value| {
        json!({
            "id": id, "note": "a \"b\"\n", "price": 12.34, "day": "2026-01-31", "at": "2026-01-31T13:04:05.123456Z",
            "local": "2026-01-31T13:04:05.123000", "clock": "23:59:59.001000",
            "code": "00000000-0000-0000-0000-000000000007", "raw": "AP8=", "ratio": 0.1, "kind": "B", "tags": ["x", "y"],
            "more": {"k": -1}, "parent": parent,
        })
    };
    assert_eq!(row, plain(9_007_199_254_740_993, plain(2, Value::Null)));
}

#[test]
fn schemas_are_asked_for_and_what_does_not_fit_is_told() {
    let known = schemas(7, SCHEMA, &[]);
    let mut format = avro(Arc::clone(&known));
    assert_eq!(decode(&mut format, &[0, 0, 0, 1, 0, 2]), Err(Undecodable::Schema(SchemaId::Number(256))));
    known.put(SchemaId::Number(256), Err("the registry does not know schema 256".to_owned()));
    for (body, reason) in [
        (&[0, 0, 0, 1, 0, 2][..], "the registry does not know schema 256"),
        (&[0, 0, 0, 0, 7, 2], "it is not what its schema 7 says: field \"note\": it ends after 1 bytes"),
        (&[0, 0, 0, 0, 7, 2, 9], "it is not what its schema 7 says: field \"note\": branch -5 of a union of 2"),
        (b"{\"a\":1}", "it is no Avro by a schema registry"),
        (
            b"",
            "it is no Avro by a schema registry: it has neither Confluent's prefix nor a content type avro/binary+ID: it is empty",
        ),
    ] {
        let Err(Undecodable::Bad(said)) = decode(&mut format, body) else { panic!("{body:?}") };
        assert!(said.starts_with(reason), "{said}");
    }
    let mut other = avro(schemas(1, r#""string""#, &[]));
    assert!(
        matches!(decode(&mut other, &[0, 0, 0, 0, 1, 0]), Err(Undecodable::Bad(said)) if said.contains("it is no record"))
    );
}

#[test]
fn a_schema_that_names_others_is_read_with_them() {
    let money = r#"{"type":"record","name":"Money","namespace":"shop","fields":[{"name":"cents","type":"long"}]}"#;
    let main = r#"{"type":"record","name":"Paid","namespace":"shop","fields":[{"name":"sum","type":"Money"},{"name":"tip","type":["null","shop.Money"]}]}"#;
    let mut format = avro(schemas(3, main, &[money]));
    let row = decode(&mut format, &[0, 0, 0, 0, 3, 4, 2, 6]).unwrap();
    assert_eq!(row, json!({"sum": {"cents": 2}, "tip": {"cents": 3}}));
}

#[test]
fn a_schema_that_has_no_end_is_given_one() {
    let schema = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
    let mut format = avro(schemas(1, schema, &[]));
    let endless = [&[0, 0, 0, 0, 1][..], &[2; 5000]].concat();
    assert!(matches!(decode(&mut format, &endless), Err(Undecodable::Bad(said)) if said.contains("nested more than")));
}

proptest! {
    /// Whatever the bytes, they are told from what they are not, and nothing is believed of their length.
    #[test]
    fn bytes_that_are_none_do_no_harm(datum in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut format = avro(schemas(7, SCHEMA, &[]));
        let mut out = Documents::default();
        let body = [&[0, 0, 0, 0, 7][..], &datum].concat();
        if format.decode(Some(&body), &Attributes::default(), &mut out).is_ok() {
            for row in out.iter() {
                prop_assert!(serde_json::from_str::<Value>(row).is_ok(), "{}", row);
            }
        }
    }
}
