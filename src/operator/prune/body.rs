//! Whether a body that is no row is of a key.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// What a rejected record's body says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OfKey {
    Yes,
    No,
    /// It has no such name, or is no object, and holds the value somewhere.
    Perhaps,
}

/// Whether a body has this value under this name, as a number or a text.
pub(super) fn of_key(body: &[u8], name: &str, value: &str) -> OfKey {
    let text = String::from_utf8_lossy(body);
    match serde_json::from_str::<Fields>(&text) {
        Ok(Fields(fields)) if fields.iter().any(|(field, found)| field == name && is(found, value)) => OfKey::Yes,
        Ok(Fields(fields)) if fields.iter().any(|(field, _)| field == name) => OfKey::No,
        _ if text.contains(value) => OfKey::Perhaps,
        _ => OfKey::No,
    }
}

fn is(found: &Value, value: &str) -> bool {
    match found {
        Value::String(text) => text == value,
        Value::Number(number) => {
            number.to_string() == value || value.parse::<f64>().is_ok_and(|value| number.as_f64() == Some(value))
        }
        _ => false,
    }
}

/// All of an object's fields, also those that stand twice: that may be why it was rejected.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_of_a_key_if_its_object_says_so() {
        for (body, of) in [
            (r#"{"id":4711,"name":7}"#, OfKey::Yes),
            (r#"{"id":"4711"}"#, OfKey::Yes),
            (r#"{"id":4711.0}"#, OfKey::Yes),
            (r#"{"id":4711,"id":5}"#, OfKey::Yes),
            (r#"{"id":5,"name":"4711"}"#, OfKey::No),
            (r#"{"user":{"id":4711}}"#, OfKey::Perhaps),
            ("4711,Ann", OfKey::Perhaps),
            ("nothing", OfKey::No),
        ] {
            assert_eq!(of_key(body.as_bytes(), "id", "4711"), of, "{body}");
        }
        assert_eq!(of_key(b"{\"id\":4711,\"name\":\"\xff\"}", "id", "4711"), OfKey::Yes);
        assert_eq!(of_key("{\"name\":\"M\\u00fcller\"}".as_bytes(), "name", "Müller"), OfKey::Yes);
    }
}
