//! A record as text: a JSON object for programs, a line for people.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use crate::capture::{Event, Properties, Property};

/// All of a record. A body that is a JSON document stands as one, other text as a string, and bytes that are no text as
/// `{"base64": …}`.
pub(super) fn json(event: &Event<'_>) -> Value {
    let body = match event.body {
        None => Value::Null,
        Some(body) => match std::str::from_utf8(body) {
            Ok(text) => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            Err(_) => bytes(body),
        },
    };
    json!({
        "sequence_number": event.sequence_number,
        "enqueued_time": event.enqueued_time,
        "offset": event.attributes.offset,
        "key": event.attributes.key().map(value),
        "system_properties": object(&event.attributes.system),
        "properties": object(&event.attributes.properties),
        "body": body,
    })
}

fn object(properties: &Properties<'_>) -> Map<String, Value> {
    properties.iter().map(|(name, property)| (name.to_owned(), value(property))).collect()
}

fn value(property: Property<'_>) -> Value {
    match property {
        Property::Null => Value::Null,
        Property::Boolean(truth) => truth.into(),
        Property::Long(number) => number.into(),
        Property::Double(number) if number.is_finite() => number.into(),
        // JSON has no word for what is no number.
        Property::Double(number) => number.to_string().into(),
        Property::Text(text) => text.into(),
        Property::Bytes(found) => std::str::from_utf8(found).map_or_else(|_| bytes(found), Value::from),
    }
}

fn bytes(found: &[u8]) -> Value {
    json!({ "base64": BASE64_STANDARD.encode(found) })
}

/// Characters shown of a body.
const SHOWN: usize = 160;

/// A record on one line, whatever is in it.
pub(super) fn short(event: &Event<'_>) -> String {
    let mut line = format!("{}  {}", event.sequence_number, event.enqueued_time);
    if let Some(key) = event.attributes.key() {
        let _ = write!(line, "  key {}", cut(&key_text(key)));
    }
    let body = match event.body {
        None => "no body".to_owned(),
        Some([]) => "an empty body".to_owned(),
        Some(body) => match std::str::from_utf8(body) {
            Ok(text) => cut(text),
            Err(_) => format!("{} bytes: {}", body.len(), cut(&BASE64_STANDARD.encode(body))),
        },
    };
    line.push_str("  ");
    line.push_str(&body);
    line
}

/// A key as people read it.
pub(super) fn key_text(key: Property<'_>) -> String {
    match value(key) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// So many characters of a text, without any that would move a terminal's cursor.
fn cut(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '·' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() { format!("{shown}…") } else { shown }
}
