//! `debezium`: change events as Debezium's connectors write them in JSON, with and without their schema.
//!
//! The row is what stands under `after`, for a delete what stands under `before`, or the record's key. Beside it go,
//! into columns that the table has, `op` (insert, update, delete), `source_ts`, `source_lsn` and `source_position`.

mod position;
mod schema;

use std::borrow::Cow;

use super::conversion::Conversion;
use schema::Schemas;

use super::{Documents, Format, Undecodable, Wanted};
use crate::capture::{Attributes, Property};
use crate::rows::object::{Object, Writer, not_json, utf8};

/// What the envelope gives; a row's own field of such a name is called `row_` and that.
const OP: &str = "op";
const SOURCE_TS: &str = "source_ts";
const SOURCE_LSN: &str = "source_lsn";
const SOURCE_POSITION: &str = "source_position";

#[derive(Debug)]
pub(super) struct Debezium {
    wanted: Wanted,
    schemas: Schemas,
    key_schemas: Schemas,
}

impl Debezium {
    pub(super) fn new(wanted: Wanted) -> Self {
        Debezium { wanted, schemas: Schemas::default(), key_schemas: Schemas::default() }
    }

    fn event(&mut self, text: &str, attributes: &Attributes<'_>, out: &mut Documents) -> Result<(), Undecodable> {
        let outer = Object::parse(text).map_err(|error| not_json(text, &error))?;
        // A converter that is told to adds the schema, and puts the envelope beside it.
        let enveloped = outer.raw("payload").filter(|_| outer.raw("schema").is_some());
        let (envelope, schema) = match enveloped {
            Some("null") => return Err(Undecodable::Nothing),
            Some(payload) => (Object::parse(payload).map_err(|error| not_json(payload, &error))?, outer.get("schema")),
            None => (outer, None),
        };
        let op = envelope.text("op").ok_or_else(|| {
            Undecodable::Bad(
                "it is no Debezium event: it has no `op`; where the connector unwraps its events, take format=json"
                    .to_owned(),
            )
        })?;
        let (op, side) = match &*op {
            "c" | "r" => ("insert", "after"),
            "u" => ("update", "after"),
            "d" => ("delete", "before"),
            "t" => return Err(Undecodable::Bad("it empties the table (op `t`), which is no row's change".to_owned())),
            "m" => return Err(Undecodable::Bad("it is a message (op `m`), which is no row's change".to_owned())),
            other => return Err(Undecodable::Bad(format!("its op is `{other}`, none of c, r, u, d"))),
        };
        let key;
        let (row, conversions) = match envelope.object(side) {
            Some(row) => (row, self.schemas.of_side(schema, side)),
            None if op == "delete" => {
                key = key_text(attributes)?;
                let (row, schema) = key_row(&key)?;
                (row, self.key_schemas.of_row(schema))
            }
            None => return Err(Undecodable::Bad(format!("it has no `{side}`"))),
        };
        out.with(|text| {
            let mut writer = Writer::new(text);
            for (name, value) in &row.0 {
                let column = match self.wanted.has(name) && is_ours(name) {
                    true => Cow::Owned(format!("row_{name}")),
                    false => Cow::Borrowed(&**name),
                };
                match conversions.and_then(|conversions| conversions.get(&**name)) {
                    Some(conversion) => writer.raw(&column, &conversion.apply(value)),
                    None => writer.raw(&column, value),
                }
            }
            around(&self.wanted, op, &envelope, &mut writer);
            writer.end();
        });
        Ok(())
    }
}

/// What the envelope says of the change.
fn around(wanted: &Wanted, op: &str, envelope: &Object<'_>, writer: &mut Writer<'_>) {
    if wanted.has(OP) {
        writer.text(OP, op);
    }
    let Some(source) = envelope.object("source") else { return };
    if wanted.has(SOURCE_TS) {
        let (number, conversion) = match (source.get("ts_us"), source.get("ts_ms")) {
            (Some(micros), _) => (micros, Conversion::Micros),
            (None, Some(millis)) => (millis, Conversion::Millis),
            (None, None) => ("null", Conversion::Millis),
        };
        // A moment, where a row's own may be of any zone.
        let at = conversion.apply(number);
        match at.strip_suffix('"') {
            Some(at) => writer.raw(SOURCE_TS, &format!("{at}Z\"")),
            None => writer.raw(SOURCE_TS, &at),
        }
    }
    if wanted.has(SOURCE_LSN)
        && let Some(lsn) = position::lsn(&source)
    {
        writer.raw(SOURCE_LSN, &lsn.to_string());
    }
    if wanted.has(SOURCE_POSITION)
        && let Some(position) = position::of(&source)
    {
        writer.text(SOURCE_POSITION, &position);
    }
}

fn is_ours(name: &str) -> bool {
    [OP, SOURCE_TS, SOURCE_LSN, SOURCE_POSITION].contains(&name)
}

/// The record's key, which is JSON too.
fn key_text(attributes: &Attributes<'_>) -> Result<String, String> {
    match attributes.key() {
        Some(key @ (Property::Text(_) | Property::Bytes(_))) => key
            .text()
            .map(str::to_owned)
            .ok_or_else(|| "it is a delete without `before`, and its key is no text".to_owned()),
        _ => Err("it is a delete without `before`, and the record has no key".to_owned()),
    }
}

/// The row that a key is, and its schema.
fn key_row(key: &str) -> Result<(Object<'_>, Option<&str>), String> {
    let no_object = |error| format!("it is a delete without `before`, and its key is no JSON object: {error}");
    let outer = Object::parse(key).map_err(no_object)?;
    match outer.raw("payload").filter(|_| outer.raw("schema").is_some()) {
        Some(payload) => Ok((Object::parse(payload).map_err(no_object)?, outer.get("schema"))),
        None => Ok((outer, None)),
    }
}

impl Format for Debezium {
    fn decode(
        &mut self,
        body: Option<&[u8]>,
        attributes: &Attributes<'_>,
        out: &mut Documents,
    ) -> Result<(), Undecodable> {
        // Behind a delete follows a record that tells a compacted topic to forget the key.
        match utf8(body.unwrap_or_default())?.trim_ascii() {
            "" | "null" => Err(Undecodable::Nothing),
            text => self.event(text, attributes, out),
        }
    }

    fn needs_attributes(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
