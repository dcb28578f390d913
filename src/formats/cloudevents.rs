//! `cloudevents`: CloudEvents 1.0 in JSON, one a record or several (structured and batched mode), or with its attributes
//! among the record's properties and its data as the body (binary mode; AMQP's and Kafka's names for them).
//!
//! The fields of `data` become the row; the event's attributes go into columns `ce_id`, `ce_source`, `ce_type` and so
//! on where the table has them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;

use super::{Documents, Format, Undecodable, Wanted};
use crate::capture::{Attributes, Property};
use crate::rows::object::{Object, Writer, not_json, text, utf8};

/// What attributes are called among properties: by AMQP's binding, in both of its forms, and by Kafka's.
const PREFIXES: [&str; 3] = ["cloudEvents:", "cloudEvents_", "ce_"];

/// The attributes that CloudEvents defines; others are extensions.
const DEFINED: [&str; 8] = ["specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema"];

/// Without these an event is none.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

#[derive(Debug)]
pub(super) struct CloudEvents {
    wanted: Wanted,
}

impl CloudEvents {
    pub(super) fn new(wanted: Wanted) -> Self {
        CloudEvents { wanted }
    }

    /// An event whose attributes are fields of the same object as its data.
    fn structured(&self, event: &str, out: &mut Documents) -> Result<(), String> {
        let event = Object::parse(event).map_err(|error| not_json(event, &error))?;
        check(|name| event.text(name))?;
        let attributes = || {
            let outside = |name: &str| name != "data" && name != "data_base64";
            event
                .0
                .iter()
                .filter(move |(name, value)| outside(name) && *value != "null")
                .map(|(name, value)| (&**name, Cow::Borrowed(*value)))
        };
        let json = event.text("datacontenttype").is_none_or(|kind| is_json(&kind));
        match (event.get("data"), event.text("data_base64")) {
            (Some(_), Some(_)) => Err("the event has both data and data_base64".to_owned()),
            // JSON in a text is what some SDKs make of bytes.
            (Some(data), None) => match text(data).filter(|text| json && text.trim_start().starts_with('{')) {
                Some(inner) if Object::parse(&inner).is_ok() => self.row(attributes(), Data::Json(&inner), out),
                _ => self.row(attributes(), Data::Json(data), out),
            },
            (None, Some(packed)) => {
                let bytes =
                    BASE64_STANDARD.decode(&*packed).map_err(|error| format!("data_base64 is no base64: {error}"))?;
                self.row(attributes(), data(&bytes, json), out)
            }
            (None, None) => self.row(attributes(), Data::None, out),
        }
    }

    fn row<'a>(
        &self,
        attributes: impl Iterator<Item = (&'a str, Cow<'a, str>)>,
        data: Data<'_>,
        out: &mut Documents,
    ) -> Result<(), String> {
        let fields = match data {
            Data::Json(value) if value.starts_with('{') => {
                Some(Object::parse(value).map_err(|error| not_json(value, &error))?)
            }
            _ => None,
        };
        out.with(|text| {
            let mut writer = Writer::new(text);
            let mut own = Vec::new();
            for (name, value) in attributes {
                let column = format!("ce_{}", name.to_ascii_lowercase());
                let defined = DEFINED.contains(&name);
                if self.wanted.has(&column) || (!defined && self.wanted.takes(&column)) {
                    writer.raw(&column, &value);
                    own.push(column);
                }
            }
            match (fields, data) {
                (Some(fields), _) => {
                    // The event's own attribute stands for what its data calls the same.
                    let fields = fields.0.into_iter().filter(|(name, _)| !own.iter().any(|other| other == name));
                    fields.for_each(|(name, value)| writer.raw(&name, value));
                }
                (None, Data::Json(value)) => writer.raw("data", value),
                (None, Data::Bytes(bytes)) => writer.text("data_base64", &BASE64_STANDARD.encode(bytes)),
                (None, Data::None) => {}
            }
            writer.end();
        });
        Ok(())
    }
}

/// What an event says.
#[derive(Clone, Copy)]
enum Data<'d> {
    None,
    Json(&'d str),
    Bytes(&'d [u8]),
}

/// Bytes are JSON where the event says so or does not say, and they are.
fn data(bytes: &[u8], json: bool) -> Data<'_> {
    match std::str::from_utf8(bytes) {
        Ok("") => Data::None,
        Ok(text) if json && serde_json::from_str::<&RawValue>(text).is_ok() => Data::Json(text.trim_ascii()),
        _ => Data::Bytes(bytes),
    }
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
}

fn check<'a>(get: impl Fn(&str) -> Option<Cow<'a, str>>) -> Result<(), String> {
    let lacking: Vec<_> = REQUIRED.into_iter().filter(|name| get(name).is_none_or(|text| text.is_empty())).collect();
    if !lacking.is_empty() {
        return Err(format!("it is no CloudEvent: it has no {}", lacking.join(", ")));
    }
    match get("specversion") {
        Some(version) if version != "1.0" => Err(format!("it is a CloudEvent of version {version}, not 1.0")),
        _ => Ok(()),
    }
}

/// The name of the attribute that a property is.
fn attribute(property: &str) -> Option<&str> {
    PREFIXES.into_iter().find_map(|prefix| property.strip_prefix(prefix))
}

impl Format for CloudEvents {
    fn decode(
        &mut self,
        body: Option<&[u8]>,
        attributes: &Attributes<'_>,
        out: &mut Documents,
    ) -> Result<(), Undecodable> {
        let found: Vec<(&str, Property<'_>)> =
            attributes.properties.iter().filter_map(|(name, value)| Some((attribute(name)?, value))).collect();
        if found.iter().any(|(name, _)| *name == "specversion") {
            let get = |name: &str| found.iter().find(|(other, _)| *other == name).and_then(|(_, value)| value.text());
            check(|name| get(name).map(Cow::Borrowed))?;
            // In this mode the content type is the message's own.
            let kind = attributes.properties.text("content-type").or_else(|| attributes.system.text("content-type"));
            let kind = kind.or_else(|| get("datacontenttype"));
            let data = data(body.unwrap_or_default(), kind.is_none_or(is_json));
            let values = found.iter().filter_map(|(name, value)| Some((*name, Cow::Owned(json(value)?))));
            return Ok(self.row(values, data, out)?);
        }
        let text = utf8(body.ok_or_else(|| "body is null".to_owned())?)?.trim_ascii();
        if !text.starts_with('[') {
            return Ok(self.structured(text, out)?);
        }
        let events: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| not_json(text, &error))?;
        for (number, event) in (1..).zip(&events) {
            self.structured(event.get(), out).map_err(|reason| match events.len() {
                1 => reason,
                of => format!("event {number} of {of}: {reason}"),
            })?;
        }
        Ok(())
    }

    fn needs_attributes(&self) -> bool {
        true
    }
}

/// A property as JSON.
fn json(value: &Property<'_>) -> Option<String> {
    Some(match value {
        Property::Null => return None,
        Property::Boolean(truth) => truth.to_string(),
        Property::Long(number) => number.to_string(),
        Property::Double(number) => serde_json::Value::from(*number).to_string(),
        Property::Text(text) => serde_json::Value::from(*text).to_string(),
        Property::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => serde_json::Value::from(text).to_string(),
            Err(_) => serde_json::Value::from(BASE64_STANDARD.encode(bytes)).to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn decode(body: &str) -> Result<Vec<Value>, Undecodable> {
        let mut out = Documents::default();
        CloudEvents::new(Wanted::all()).decode(Some(body.as_bytes()), &Attributes::default(), &mut out)?;
        Ok(out.iter().map(|row| serde_json::from_str(row).unwrap()).collect())
    }

    fn event(more: Value) -> Value {
        let mut event = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    }

    fn row(more: Value) -> Value {
        let mut row = json!({"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/s", "ce_type": "t"});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    }

    #[test]
    fn data_is_the_row_and_attributes_are_beside_it() {
        for (sent, made) in [
            (json!({"data": {"a": 1, "b": null}}), json!({"a": 1, "b": null})),
            (json!({"data": null, "subject": "x", "tenant": "t"}), json!({"ce_subject": "x", "ce_tenant": "t"})),
            (json!({"data": "plain"}), json!({"data": "plain"})),
            (json!({"data": "{\"a\":1}"}), json!({"a": 1})),
            (json!({"data": [1, 2]}), json!({"data": [1, 2]})),
            (json!({"data_base64": "eyJhIjoxfQ=="}), json!({"a": 1})),
            (
                json!({"data_base64": "AP8=", "datacontenttype": "image/png"}),
                json!({"data_base64": "AP8=", "ce_datacontenttype": "image/png"}),
            ),
            (json!({"data": {"ce_id": "not mine", "a": 1}}), json!({"a": 1})),
        ] {
            assert_eq!(decode(&event(sent).to_string()).unwrap(), [row(made)]);
        }
        let batch = json!([event(json!({"data": {"a": 1}})), event(json!({"data": {"a": 2}}))]);
        assert_eq!(decode(&batch.to_string()).unwrap(), [row(json!({"a": 1})), row(json!({"a": 2}))]);
        assert_eq!(decode("[]").unwrap(), [Value::Null; 0]);
    }

    #[test]
    fn what_is_no_event_is_told() {
        for (body, reason) in [
            (json!({"id": "1"}), "it is no CloudEvent: it has no specversion, source, type"),
            (event(json!({"specversion": "0.3"})), "it is a CloudEvent of version 0.3, not 1.0"),
            (event(json!({"data_base64": "?"})), "data_base64 is no base64"),
            (json!([event(json!({})), {"id": "1"}]), "event 2 of 2: it is no CloudEvent"),
        ] {
            let Err(Undecodable::Bad(said)) = decode(&body.to_string()) else { panic!("{body}") };
            assert!(said.starts_with(reason), "{said}");
        }
    }
}
