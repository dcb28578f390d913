//! How fast one core makes rows of bodies of each format, as a ratio to plain JSON of the same rows.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use apache_avro::Schema;
use apache_avro::types::Value as Datum;
use apache_avro::writer::datum::GenericDatumWriter;
use deltawave::capture::{Attributes, EnqueuedTime, PartitionId, SequenceNumber};
use deltawave::formats::{Decoding, FormatName, Rower, SchemaId, SchemaKind, SchemaText};
use deltawave::rows::{CatalogColumn, Envelope, Table};
use deltawave::store::default_columns;
use serde_json::json;

use super::Outcome;
use super::report::{Report, median};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Records of each format
    #[arg(long, default_value_t = 300_000)]
    records: u32,
    /// Runs, of which the median counts
    #[arg(long, default_value_t = 3)]
    repeat: usize,
}

/// Different bodies, taken in turn.
const BODIES: u32 = 1000;

const AVRO: &str = r#"{"type":"record","name":"User","fields":[{"name":"id","type":"int"},
    {"name":"name","type":["null","string"]},{"name":"age","type":"int"},{"name":"op","type":"string"},
    {"name":"event_order","type":"long"},{"name":"ts","type":{"type":"long","logicalType":"timestamp-micros"}}]}"#;

const PROTOBUF: &str = "syntax = \"proto3\"; message User { int32 id = 1; string name = 2; int32 age = 3; string op = 4; \
     int64 event_order = 5; string ts = 6; }";

pub fn run(args: &Args) -> Outcome<Report> {
    let table = table()?;
    let mut report = Report::default();
    let mut plain = 0.0;
    for format in FormatName::ALL {
        let decoding = Decoding::of(format);
        let bodies: Vec<Vec<u8>> = (0..BODIES).map(|n| body(format, n)).collect::<Outcome<_>>()?;
        for (kind, text) in [(SchemaKind::Avro, AVRO), (SchemaKind::Protobuf, PROTOBUF)] {
            if (format == FormatName::Avro) == (kind == SchemaKind::Avro) {
                let text = SchemaText { kind, text: text.to_owned(), references: Vec::new() };
                decoding.schemas.put(SchemaId::Number(1), Ok(Arc::new(text)));
            }
        }
        let mut rates = Vec::new();
        for _ in 0..args.repeat {
            let mut rower = Rower::new(&table, &decoding);
            let (began, mut rows) = (Instant::now(), 0_u64);
            for number in 0..args.records {
                let envelope = Envelope {
                    event_hub: "user-events",
                    partition: PartitionId(0),
                    sequence_number: SequenceNumber(i64::from(number)),
                    enqueued_time: EnqueuedTime::from_utc(time::OffsetDateTime::UNIX_EPOCH),
                };
                let body = &bodies[(number % BODIES) as usize];
                rower
                    .push(envelope, &Attributes::NOTHING, Some(body))
                    .map_err(|refusal| format!("{format}: {refusal:?}"))?;
                if rower.rows() >= 10_000 {
                    rows += black_box(rower.take()).rows as u64;
                }
            }
            rows += rower.take().rows as u64;
            rates.push(rows as f64 / began.elapsed().as_secs_f64());
        }
        let rate = median(&rates);
        if format == FormatName::Json {
            plain = rate;
        }
        report
            .note(format!("{format}: rows a second of one core"), format!("{:.0}, {:.2} of json", rate, rate / plain));
    }
    Ok(report)
}

fn table() -> Outcome<Table> {
    let mut columns = default_columns();
    columns.push(CatalogColumn::new("event_index", "integer"));
    let key: Vec<_> = columns[6..].iter().map(|column| column.name.clone()).collect();
    Ok(Table::new("t", columns, &key, &[])?)
}

fn body(format: FormatName, n: u32) -> Outcome<Vec<u8>> {
    let (name, order, ts) = (format!("user {n}"), 1_763_880_000_000_000_i64 + i64::from(n), "2026-11-23T07:00:00");
    let row = json!({"id": n, "name": name, "age": n % 90, "op": "update", "event_order": order, "ts": ts});
    let framed = |datum: Vec<u8>| [&[0, 0, 0, 0, 1][..], &datum].concat();
    Ok(match format {
        FormatName::Json => row.to_string().into(),
        // Ten rows each, as an exporter gathers them.
        FormatName::JsonBatch => json!({"records": vec![row; 10]}).to_string().into(),
        FormatName::CloudEvents => {
            json!({"specversion": "1.0", "id": n.to_string(), "source": "/s", "type": "t", "data": row})
                .to_string()
                .into()
        }
        FormatName::Debezium => {
            let source = json!({"connector": "postgresql", "ts_ms": order / 1000, "lsn": order, "table": "users"});
            json!({"before": null, "after": row, "source": source, "op": "u", "ts_ms": order / 1000}).to_string().into()
        }
        FormatName::Avro => {
            let schema = Schema::parse_str(AVRO)?;
            let field = |name: &str, datum: Datum| (name.to_owned(), datum);
            let datum = Datum::Record(vec![
                field("id", Datum::Int(i32::try_from(n)?)),
                field("name", Datum::Union(1, Box::new(Datum::String(name)))),
                field("age", Datum::Int(i32::try_from(n % 90)?)),
                field("op", Datum::String("update".to_owned())),
                field("event_order", Datum::Long(order)),
                field("ts", Datum::TimestampMicros(order)),
            ]);
            framed(GenericDatumWriter::builder(&schema).build()?.write_value_to_vec(datum)?)
        }
        FormatName::Protobuf => {
            let mut message = vec![0];
            let varint = |field: u8, mut value: u64, out: &mut Vec<u8>| {
                out.push(field << 3);
                while value >= 0x80 {
                    out.push((value as u8) | 0x80);
                    value >>= 7;
                }
                out.push(value as u8);
            };
            let text = |field: u8, value: &str, out: &mut Vec<u8>| {
                out.extend([field << 3 | 2, value.len() as u8]);
                out.extend(value.as_bytes());
            };
            varint(1, n.into(), &mut message);
            text(2, &name, &mut message);
            varint(3, (n % 90).into(), &mut message);
            text(4, "update", &mut message);
            varint(5, order.unsigned_abs(), &mut message);
            text(6, ts, &mut message);
            framed(message)
        }
    })
}
