//! A generated event as other systems would wrap it.

use std::io::Write as _;

use serde_json::{Value, json};

use super::event::{Event, Op};
use crate::settings::EventFormat;

/// Appends the event in that format. Nothing of it can fail: the sink is memory and every field is plain.
pub(super) fn write(event: &Event<'_>, format: EventFormat, out: &mut Vec<u8>) {
    match format {
        EventFormat::Json => drop(serde_json::to_writer(out, event)),
        EventFormat::Debezium => drop(write!(out, "{}", debezium(event))),
        EventFormat::Cloudevents => drop(write!(out, "{}", cloudevent(event))),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Attributes;
    use crate::formats::{Decoding, FormatName, Reader, Wanted};

    #[test]
    fn what_the_formats_read_is_the_event() {
        for op in Op::ALL {
            let name = (op != Op::Delete).then(|| "Zoë".into());
            let ts = "2026-11-23T07:00:00".into();
            let event = Event { id: 7, name, age: 27, op, event_order: 1_763_880_000_000_000, ts };
            for (format, read) in
                [(EventFormat::Debezium, FormatName::Debezium), (EventFormat::Cloudevents, FormatName::CloudEvents)]
            {
                let mut body = Vec::new();
                write(&event, format, &mut body);
                let mut reader = Reader::new(&Decoding::of(read), Wanted::all());
                let rows = reader.read(Some(&body), &Attributes::NOTHING).unwrap();
                let rows: Vec<Value> = rows.map(|row| serde_json::from_str(row).unwrap()).collect();
                let wanted = serde_json::to_value(&event).unwrap();
                for (field, value) in wanted.as_object().unwrap() {
                    assert_eq!(rows[0][field], *value, "{field} of {format:?}");
                }
            }
        }
    }
}
