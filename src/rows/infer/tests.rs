use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use crate::rows::table::tests::{ENVELOPE_COLUMNS, columns, key};
use crate::rows::{CatalogColumn, Envelope, Mapper, Table};

const POSTGRES: Typing = Typing { numeric_digits: None, uuid: true };
const RISINGWAVE: Typing = Typing { numeric_digits: Some(28), uuid: false };

fn infer(typing: Typing, documents: &[Value]) -> Vec<Inferred> {
    let mut inference = Inference::new(typing);
    documents.iter().for_each(|document| inference.add(&document.to_string()).unwrap());
    inference.fields()
}

fn types(typing: Typing, values: &[&str]) -> String {
    let mut inference = Inference::new(typing);
    values.iter().for_each(|value| inference.add(&format!("{{\"f\":{value}}}")).unwrap());
    match inference.fields()[0].column {
        Some((kind, list)) => format!("{kind}{}", if list { "[]" } else { "" }),
        None => "none".to_owned(),
    }
}

#[test]
fn the_narrowest_type_that_takes_every_value_is_found() {
    for (values, wanted) in [
        (&["true", "null"][..], "boolean"),
        (&["1", "-7"], "int"),
        (&["1", "2147483648"], "bigint"),
        (&["1", "9223372036854775808"], "numeric"),
        (&["1.0"], "numeric"),
        (&["1", "2.5"], "numeric"),
        (&["1e400"], "numeric"),
        (&[r#""007""#], "varchar"),
        (&[r#""2026-01-31""#], "date"),
        (&[r#""2026-01-31""#, r#""2026-01-31T10:00:00""#], "timestamp"),
        (&[r#""2026-01-31T10:00:00Z""#], "timestamptz"),
        (&[r#""2026-01-31T10:00:00""#, r#""2026-01-31 10:00:00+01:00""#], "timestamptz"),
        (&[r#""23:59""#], "time"),
        (&[r#""23:59""#, r#""later""#], "varchar"),
        (&[r#""123e4567-e89b-12d3-a456-426614174000""#], "uuid"),
        (&[r#""123e4567e89b12d3a456426614174000""#], "varchar"),
        (&["1", r#""1""#], "jsonb"),
        (&["{}"], "jsonb"),
        (&["[]"], "jsonb"),
        (&["[1, null]", "[]"], "int[]"),
        (&["[1, 2.5]"], "numeric[]"),
        (&[r#"["a"]"#, r#"["2026-01-31"]"#], "varchar[]"),
        (&["[1, \"a\"]"], "jsonb"),
        (&["[[1]]"], "jsonb"),
        (&["[1]", "1"], "jsonb"),
        (&["null"], "none"),
        (&[r#""a\u0000""#], "none"),
    ] {
        assert_eq!(types(POSTGRES, values), wanted, "{values:?}");
    }
    assert_eq!(types(RISINGWAVE, &[r#""123e4567-e89b-12d3-a456-426614174000""#]), "varchar");
    assert_eq!(types(RISINGWAVE, &["12345678901234567890123456789"]), "double precision");
}

#[test]
fn what_was_seen_is_told_and_what_has_no_column_is_named() {
    let fields = infer(
        POSTGRES,
        &[json!({"a": 1, "b": null, "rescued": 7}), json!({"a": "x", "b": null}), json!({"event_hub": "mine"})],
    );
    let told: Vec<_> = fields.iter().map(|field| format!("{}: {}", field.name, field.evidence)).collect();
    assert_eq!(
        told,
        [
            "a: mixed: 1 whole number: 1, 1 text: \"x\"",
            "b: left out: never anything but null",
            "rescued: left out: the column of that name is the envelope's; 1 whole number: 7",
            "event_hub: left out: the column of that name is the envelope's; 1 text: \"mine\"",
        ]
    );
    assert_eq!((fields[0].documents, fields[1].nulls), (2, 2));
    let mut inference = Inference::new(POSTGRES);
    assert!(inference.add(r#"{"a":1,"a":2}"#).unwrap_err().contains("field `a` stands twice"));
    assert!(inference.add("[1]").unwrap_err().contains("is not a JSON object"));
    assert_eq!((inference.documents(), inference.fields().len()), (0, 0));
}

fn values() -> impl Strategy<Value = Vec<Value>> {
    let one = |strategy: BoxedStrategy<Value>| {
        prop::collection::vec(prop_oneof![4 => strategy, 1 => Just(Value::Null)], 1..6)
    };
    let number = any::<i64>().prop_map(Value::from);
    let small = (-100i64..100).prop_map(Value::from);
    let float = (-1e6f64..1e6).prop_map(Value::from);
    let day = (1i64..20_000).prop_map(|day| {
        let at = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(day);
        json!(at.date().to_string())
    });
    let moment = (1i64..2_000_000_000, any::<bool>()).prop_map(|(second, zoned)| {
        let at = EnqueuedTime::from_utc(time::OffsetDateTime::from_unix_timestamp(second).unwrap()).sql();
        json!(if zoned { format!("{at}+02:00") } else { at })
    });
    let text = "[a-z0-9: -]{0,8}".prop_map(Value::from);
    let scalar = prop_oneof![
        small,
        number,
        float,
        day,
        moment,
        text,
        any::<bool>().prop_map(Value::from),
        any::<u128>().prop_map(|id| json!(uuid::Uuid::from_u128(id).to_string())),
    ]
    .boxed();
    let list = prop::collection::vec(scalar.clone(), 0..4).prop_map(Value::from).boxed();
    let kinds = [
        (-100i64..100).prop_map(Value::from).boxed(),
        any::<i64>().prop_map(Value::from).boxed(),
        (-1e6f64..1e6).prop_map(Value::from).boxed(),
        any::<bool>().prop_map(Value::from).boxed(),
        scalar,
        list,
        Just(json!({"a": 1})).boxed(),
    ];
    (0..kinds.len()).prop_flat_map(move |kind| one(kinds[kind].clone()))
}

proptest! {
    /// For random documents: the table that is inferred takes every one of them, and none that is narrower does.
    #[test]
    fn the_inferred_table_takes_every_document_and_no_narrower_one_does(
        fields in prop::collection::vec(values(), 1..5),
        risingwave in any::<bool>(),
    ) {
        let typing = if risingwave { RISINGWAVE } else { POSTGRES };
        let documents: Vec<Value> = (0..fields.iter().map(Vec::len).max().unwrap_or(0)).map(|row| {
            let named = fields.iter().enumerate().filter_map(|(at, values)| Some((format!("f{at}"), values.get(row)?.clone())));
            Value::Object(named.collect::<Map<_, _>>())
        }).collect();
        let inferred = infer(typing, &documents);
        let mut catalog = columns(ENVELOPE_COLUMNS);
        for field in &inferred {
            let Some((kind, list)) = field.column else { continue };
            let data_type = match kind {
                ColumnType::Timestamp => "timestamp without time zone",
                ColumnType::TimestampTz => "timestamp with time zone",
                ColumnType::Time => "time without time zone",
                ColumnType::Integer => "integer",
                kind => kind.sql(),
            };
            catalog.push(CatalogColumn {
                name: field.name.clone(),
                data_type: format!("{data_type}{}", if list { "[]" } else { "" }),
                numeric_digits: typing.numeric_digits,
                ..CatalogColumn::default()
            });
        }
        let table = Table::new("t", catalog, &key(), &[]).unwrap();
        let mut mapper = Mapper::new(&table);
        for (number, document) in (0..).zip(&documents) {
            let envelope = Envelope {
                event_hub: "h",
                partition: PartitionId(0),
                sequence_number: SequenceNumber(number),
                enqueued_time: EnqueuedTime::from_utc(time::OffsetDateTime::UNIX_EPOCH),
            };
            // One that says nothing that has a column is none to be taken.
            let says = document.as_object().unwrap().iter().any(|(name, _)| table.fields().any(|column| column.name == *name));
            let pushed = mapper.push(envelope, Some(document.to_string().as_bytes()));
            prop_assert!(!says || pushed.is_ok(), "{document}: {pushed:?}");
        }
        let inference = Inference::new(typing);
        for (at, field) in inferred.iter().enumerate() {
            let Some((kind, list)) = field.column else { continue };
            let values: Vec<String> = documents.iter().filter_map(|document| document.get(&field.name)).filter(|value| !value.is_null()).map(Value::to_string).collect();
            let empty = values.iter().all(|value| value == "[]" || value.starts_with("[null"));
            for (candidate, of_list, column) in &inference.columns {
                if (candidate.kind(), *of_list) == (kind, list) {
                    break;
                }
                let takes_all = values.iter().all(|value| takes(*candidate, *of_list, column, value));
                prop_assert!(!takes_all || empty, "f{at}: {:?} is narrower than {kind} and takes {values:?}", column.kind);
            }
        }
    }
}
