//! A generated event as other systems would wrap it, and what it was before.

mod avro;

use std::io::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use avro::SCHEMA;

use super::event::{Event, Op};
use crate::settings::EventFormat;

/// How events are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Envelope {
    Json,
    Debezium,
    Cloudevents,
    /// By the schema that a registry knows by this number.
    Avro(u32),
}

impl Envelope {
    /// Appends the event. Nothing of it can fail: the sink is memory and every field is plain.
    pub(super) fn write(self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Envelope::Json => drop(serde_json::to_writer(out, event)),
            Envelope::Debezium => drop(write!(out, "{}", debezium(event))),
            Envelope::Cloudevents => drop(write!(out, "{}", cloudevent(event))),
            Envelope::Avro(schema) => avro::write(event, schema, out),
        }
    }
}

/// The event that was wrapped, by none of what a loader reads it with; nothing for what is no generated event.
pub fn unwrapped(payload: &[u8], format: EventFormat) -> Option<Event<'_>> {
    match format {
        EventFormat::Json => serde_json::from_slice(payload).ok(),
        EventFormat::Debezium => change(payload),
        EventFormat::Cloudevents => serde_json::from_slice(payload).ok().map(|Wrapped { data }| data),
        EventFormat::Avro => avro::read(payload),
    }
}

/// As Debezium's connector writes a change, the row under `after`, or under `before` of a delete.
fn debezium(event: &Event<'_>) -> Value {
    let Event { id, name, age, op, event_order, ts } = event;
    let row = json!({"id": id, "name": name, "age": age, "event_order": event_order, "ts": ts});
    let (code, before, after) = match op {
        Op::Insert => ("c", Value::Null, row),
        Op::Update => ("u", Value::Null, row),
        Op::Delete => ("d", row, Value::Null),
    };
    let millis = event_order / 1000;
    let source = json!({
        "connector": "deltawave", "name": "producer", "db": "demo", "schema": "public", "table": "users",
        "snapshot": "false", "ts_ms": millis, "ts_us": event_order, "lsn": event_order,
    });
    json!({"before": before, "after": after, "source": source, "op": code, "ts_ms": millis})
}

fn change(payload: &[u8]) -> Option<Event<'static>> {
    let change: Value = serde_json::from_slice(payload).ok()?;
    let (op, mut row) = match change["op"].as_str()? {
        "c" => (Op::Insert, change["after"].clone()),
        "u" => (Op::Update, change["after"].clone()),
        "d" => (Op::Delete, change["before"].clone()),
        _ => return None,
    };
    row.as_object_mut()?.insert("op".to_owned(), op.as_str().into());
    serde_json::from_value(row).ok()
}

/// As a CloudEvent in structured mode, the event as its data.
fn cloudevent(event: &Event<'_>) -> Value {
    json!({
        "specversion": "1.0",
        "id": event.event_order.to_string(),
        "source": "/deltawave/producer",
        "type": format!("user.{}", event.op.as_str()),
        "time": format!("{}Z", event.ts),
        "subject": event.id.to_string(),
        "datacontenttype": "application/json",
        "data": event,
    })
}

#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    data: Event<'a>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::capture::Attributes;
    use crate::formats::{Decoding, Reader, SchemaId, SchemaKind, SchemaText, Wanted};

    const ALL: [(Envelope, EventFormat); 4] = [
        (Envelope::Json, EventFormat::Json),
        (Envelope::Debezium, EventFormat::Debezium),
        (Envelope::Cloudevents, EventFormat::Cloudevents),
        (Envelope::Avro(70_000), EventFormat::Avro),
    ];

    fn events() -> impl Iterator<Item = Event<'static>> {
        Op::ALL.into_iter().map(|op| Event {
            id: u32::MAX,
            name: (op != Op::Delete).then(|| "Zoë".into()),
            age: 27,
            op,
            event_order: 1_763_880_000_000_000,
            ts: "2026-11-23T07:00:00".into(),
        })
    }

    #[test]
    fn what_the_formats_read_is_the_event() {
        let schema = SchemaText { kind: SchemaKind::Avro, text: SCHEMA.to_owned(), references: Vec::new() };
        for ((envelope, format), event) in ALL.into_iter().flat_map(|both| events().map(move |event| (both, event))) {
            let mut body = Vec::new();
            envelope.write(&event, &mut body);
            let decoding = Decoding::of(format.read_by());
            decoding.schemas.put(SchemaId::Number(70_000), Ok(Arc::new(schema.clone())));
            let mut reader = Reader::new(&decoding, Wanted::all());
            let rows = reader.read(Some(&body), &Attributes::NOTHING).unwrap();
            let rows: Vec<Value> = rows.map(|row| serde_json::from_str(row).unwrap()).collect();
            let wanted = serde_json::to_value(&event).unwrap();
            for (field, value) in wanted.as_object().unwrap() {
                assert_eq!(rows[0][field], *value, "{field} of {format:?}");
            }
        }
    }

    #[test]
    fn what_was_wrapped_is_known_again() {
        for ((envelope, format), event) in ALL.into_iter().flat_map(|both| events().map(move |event| (both, event))) {
            let mut body = Vec::new();
            envelope.write(&event, &mut body);
            assert_eq!(unwrapped(&body, format), Some(event));
            assert_eq!(unwrapped(b"{}", format), None);
            assert_eq!(unwrapped(&body[..body.len() - 1], format), None, "{format:?}");
        }
    }
}
