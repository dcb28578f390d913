//! A generated event in Avro, in Confluent's wire format.

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::producer::event::{Event, Op, TIME};

/// What events look like.
pub(in crate::producer) const SCHEMA: &str = include_str!("event.avsc");

static PARSED: LazyLock<Schema> =
    LazyLock::new(|| Schema::parse_str(SCHEMA).expect("the schema is a constant that tests parse"));
static WRITER: LazyLock<GenericDatumWriter<'static>> = LazyLock::new(|| {
    GenericDatumWriter::builder(&PARSED).build().expect("the schema names nothing that it does not tell")
});

/// Appends the event behind its schema's number.
pub(super) fn write(event: &Event<'_>, schema: u32, out: &mut Vec<u8>) {
    let field = |name: &str, value| (name.to_owned(), value);
    let (number, op) = match event.op {
        Op::Insert => (0, Op::Insert),
        Op::Update => (1, Op::Update),
        Op::Delete => (2, Op::Delete),
    };
    let record = Value::Record(vec![
        field("id", Value::Long(event.id.into())),
        field(
            "name",
            match &event.name {
                None => Value::Union(0, Box::new(Value::Null)),
                Some(name) => Value::Union(1, Box::new(Value::String(name.clone().into_owned()))),
            },
        ),
        field("age", Value::Int(event.age.cast_signed())),
        field("op", Value::Enum(number, op.as_str().to_owned())),
        field("event_order", Value::Long(event.event_order)),
        field("ts", Value::LocalTimestampMillis(millis(&event.ts).unwrap_or_default())),
    ]);
    out.push(0);
    out.extend(schema.to_be_bytes());
    // The sink is memory, and the record is what the schema says.
    let _ = WRITER.write_value(out, record);
}

/// What an event was before it was written so.
pub(super) fn read(body: &[u8]) -> Option<Event<'static>> {
    let mut datum = body.strip_prefix(&[0])?.get(4..)?;
    let reader = GenericDatumReader::builder(&PARSED).build().ok()?;
    let Value::Record(fields) = reader.read_value(&mut datum).ok()? else { return None };
    let mut fields = fields.into_iter().map(|(_, value)| value);
    let mut next = || fields.next();
    let Value::Long(id) = next()? else { return None };
    let name = match next()? {
        Value::Union(_, name) => match *name {
            Value::String(name) => Some(name.into()),
            _ => None,
        },
        _ => return None,
    };
    let Value::Int(age) = next()? else { return None };
    let Value::Enum(_, op) = next()? else { return None };
    let Value::Long(event_order) = next()? else { return None };
    let Value::LocalTimestampMillis(ts) = next()? else { return None };
    Some(Event {
        id: u32::try_from(id).ok()?,
        name,
        age: u32::try_from(age).ok()?,
        op: Op::ALL.into_iter().find(|known| known.as_str() == op)?,
        event_order,
        ts: text(ts)?.into(),
    })
}

fn millis(ts: &str) -> Option<i64> {
    let at = PrimitiveDateTime::parse(ts, TIME).ok()?;
    Some(at.assume_utc().unix_timestamp() * 1000)
}

fn text(millis: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(millis.div_euclid(1000)).ok()?.format(TIME).ok()
}
