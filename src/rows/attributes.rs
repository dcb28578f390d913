//! What a record says beside its body, as elements of the columns that take it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::column::{Column, ColumnType};
use super::literal::ArrayLiteral;
use super::reject::Reject;
use super::table::Role;
use crate::capture::{Attributes, Properties, Property};

/// Where what the broker says stands among what the producer says.
const SYSTEM: &str = "$system";

/// The elements of the record at hand, which all of its rows share; empty where the table has no such column.
#[derive(Debug, Default)]
pub(super) struct Attributed {
    pub(super) key: String,
    pub(super) properties: String,
    pub(super) offset: String,
}

impl Attributed {
    /// Makes them anew.
    pub(super) fn set(
        &mut self,
        columns: &[Column],
        roles: &[Role],
        attributes: &Attributes<'_>,
    ) -> Result<(), Reject> {
        for (column, role) in columns.iter().zip(roles) {
            let mut literal = ArrayLiteral::default();
            let wrong = |reason: String| Reject::Attribute { column: column.name.clone(), reason };
            let element = match role {
                Role::EventKey => {
                    push_key(attributes.key(), column.kind, &mut literal).map_err(wrong)?;
                    &mut self.key
                }
                Role::EventProperties => {
                    match object(attributes).map_err(wrong)? {
                        Some(object) => literal.push_text(&object),
                        None => literal.push_null(),
                    }
                    &mut self.properties
                }
                Role::EventOffset => {
                    match attributes.offset {
                        Some(offset) if !literal.push_text_without_nul(offset) => return Err(wrong(NUL.to_owned())),
                        Some(_) => {}
                        None => literal.push_null(),
                    }
                    &mut self.offset
                }
                _ => continue,
            };
            literal.last_since(1).clone_into(element);
        }
        Ok(())
    }
}

const NUL: &str = "has a NUL character, which no SQL text can hold";

fn push_key(key: Option<Property<'_>>, kind: ColumnType, out: &mut ArrayLiteral) -> Result<(), String> {
    let text = match key {
        None | Some(Property::Null) => {
            out.push_null();
            return Ok(());
        }
        Some(Property::Text(text)) => text.to_owned(),
        Some(Property::Bytes(bytes)) if kind == ColumnType::Bytea => {
            out.push_bytes(bytes);
            return Ok(());
        }
        Some(Property::Bytes(bytes)) => {
            std::str::from_utf8(bytes).map_err(|error| format!("the key is {error}: make the column bytea"))?.to_owned()
        }
        Some(Property::Boolean(truth)) => truth.to_string(),
        Some(Property::Long(number)) => number.to_string(),
        Some(Property::Double(number)) => number.to_string(),
    };
    if kind == ColumnType::Bytea {
        out.push_bytes(text.as_bytes());
    } else if !out.push_text_without_nul(&text) {
        return Err(NUL.to_owned());
    }
    Ok(())
}

/// All of it as a JSON object; nothing where there is nothing.
fn object(attributes: &Attributes<'_>) -> Result<Option<String>, String> {
    let mut system = String::new();
    fields(&attributes.system, &mut system)?;
    let mut all = String::new();
    fields(&attributes.properties, &mut all)?;
    if !system.is_empty() {
        let comma = if all.is_empty() { "" } else { "," };
        // A text takes whatever is written to it.
        let _ = write!(all, "{comma}\"{SYSTEM}\":{{{system}}}");
    }
    Ok((!all.is_empty()).then(|| format!("{{{all}}}")))
}

fn fields(properties: &Properties<'_>, out: &mut String) -> Result<(), String> {
    for (name, value) in properties.iter() {
        // So that no producer can stand in the broker's place.
        let own = if name == SYSTEM { "$$system" } else { name };
        let value = match value {
            Property::Null => serde_json::Value::Null,
            Property::Boolean(truth) => truth.into(),
            Property::Long(number) => number.into(),
            // JSON has no word for what is no number.
            Property::Double(number) if !number.is_finite() => number.to_string().into(),
            Property::Double(number) => number.into(),
            Property::Text(text) => text.into(),
            Property::Bytes(bytes) => BASE64_STANDARD.encode(bytes).into(),
        };
        if own.contains('\0') || value.as_str().is_some_and(|text| text.contains('\0')) {
            return Err(format!("property `{}` {NUL}", name.replace('\0', "␀")));
        }
        let comma = if out.is_empty() { "" } else { "," };
        let _ = write!(out, "{comma}{}:{value}", serde_json::Value::from(own));
    }
    Ok(())
}
