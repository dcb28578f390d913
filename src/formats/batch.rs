//! `json-batch`: an array of objects, objects one a line, or those under `records`, as Azure Monitor exports them.

use serde_json::value::RawValue;

use super::{Documents, Format, Undecodable};
use crate::capture::Attributes;
use crate::rows::object::{Object, Writer, not_json, utf8};

/// The field under which exporters put what they have gathered.
const RECORDS: &str = "records";

#[derive(Debug)]
pub(super) struct JsonBatch;

impl Format for JsonBatch {
    fn decode(
        &mut self,
        body: Option<&[u8]>,
        _attributes: &Attributes<'_>,
        out: &mut Documents,
    ) -> Result<(), Undecodable> {
        let text = utf8(body.ok_or_else(|| "body is null".to_owned())?)?;
        if text.trim_ascii().is_empty() {
            return Err(Undecodable::Bad(format!("body is {}", if text.is_empty() { "empty" } else { "blank" })));
        }
        for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
            each(value.map_err(|error| not_json(text, &error))?.get(), out)?;
        }
        Ok(())
    }
}

/// One value of the body: an array, or an object that is a row or has some.
fn each(value: &str, out: &mut Documents) -> Result<(), String> {
    match value.as_bytes().first() {
        Some(b'[') => {
            let rows: Vec<&RawValue> = serde_json::from_str(value).map_err(|error| not_json(value, &error))?;
            rows.iter().for_each(|row| out.push(row.get()));
        }
        // Most objects are rows, and need no second look.
        Some(b'{') if value.contains("\"records\"") => {
            let object = Object::parse(value).map_err(|error| not_json(value, &error))?;
            match object.get(RECORDS).filter(|records| records.starts_with('[')) {
                Some(records) => under_records(records, &object, out)?,
                None => out.push(value),
            }
        }
        _ => out.push(value),
    }
    Ok(())
}

/// What stands beside the records is said of each of them that does not say it itself.
fn under_records(records: &str, object: &Object<'_>, out: &mut Documents) -> Result<(), String> {
    let rows: Vec<&RawValue> = serde_json::from_str(records).map_err(|error| not_json(records, &error))?;
    let beside: Vec<_> = object.0.iter().filter(|(name, _)| name != RECORDS).collect();
    for row in rows {
        let own = if beside.is_empty() { None } else { Object::parse(row.get()).ok() };
        match own {
            None => out.push(row.get()),
            Some(own) => out.with(|text| {
                let mut writer = Writer::new(text);
                own.0.iter().for_each(|(name, value)| writer.raw(name, value));
                let lacking = beside.iter().filter(|(name, _)| own.raw(name).is_none());
                lacking.for_each(|(name, value)| writer.raw(name, value));
                writer.end();
            }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn decode(body: &str) -> Result<Vec<String>, Undecodable> {
        let mut out = Documents::default();
        JsonBatch.decode(Some(body.as_bytes()), &Attributes::default(), &mut out)?;
        Ok(out.iter().map(str::to_owned).collect())
    }

    #[test]
    fn rows_are_found_however_they_are_gathered() {
        let rows = [r#"{"a":1}"#, r#"{"a": "x]"}"#];
        for body in [
            format!("[{}, {}]", rows[0], rows[1]),
            format!("{}\n{}\n", rows[0], rows[1]),
            format!("\u{feff}{}\r\n\r\n{}", rows[0], rows[1]),
            format!("{{\"records\" : [{},{}]}}", rows[0], rows[1]),
            format!("[{}]\n[{}]", rows[0], rows[1]),
        ] {
            assert_eq!(decode(&body).unwrap(), rows, "{body}");
        }
        assert_eq!(decode(rows[0]).unwrap(), [rows[0]]);
        assert_eq!(decode("[]").unwrap(), [""; 0]);
        assert_eq!(decode(r#"{"records":7,"a":1}"#).unwrap(), [r#"{"records":7,"a":1}"#], "a field like any other");
    }

    #[test]
    fn what_stands_beside_the_records_is_said_of_each() {
        let rows = decode(r#"{"tenant":"t","records":[{"a":1},{"tenant":"own","a":2}],"n":null}"#).unwrap();
        assert_eq!(rows, [r#"{"a":1,"tenant":"t","n":null}"#, r#"{"tenant":"own","a":2,"n":null}"#]);
    }

    #[test]
    fn what_is_no_json_is_named() {
        for (body, reason) in [
            ("", "body is empty"),
            ("  \n", "body is blank"),
            ("{\"a\":1}\n{\"a\":", "body is not JSON: EOF while parsing"),
            ("H4sIAAAA", "body is not JSON: it is base64 of gzip"),
        ] {
            let Err(Undecodable::Bad(said)) = decode(body) else { panic!("{body}") };
            assert!(said.starts_with(reason), "{said}");
        }
        assert_eq!(
            JsonBatch.decode(None, &Attributes::default(), &mut Documents::default()),
            Err(Undecodable::Bad("body is null".to_owned()))
        );
    }

    proptest! {
        /// Whatever the objects say, each comes out as it went in, in order.
        #[test]
        fn nothing_is_lost_between_objects(rows in prop::collection::vec(("[a-z]{1,4}", "\\PC{0,12}", any::<i64>()), 0..8), lines in any::<bool>()) {
            let values: Vec<Value> = rows.iter().map(|(name, text, number)| json!({name: text, "n": number, "deep": [{"records": []}]})).collect();
            let body = if lines {
                values.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
            } else {
                Value::from(values.clone()).to_string()
            };
            prop_assume!(!body.is_empty());
            let found: Vec<Value> = decode(&body).unwrap().iter().map(|row| serde_json::from_str(row).unwrap()).collect();
            prop_assert_eq!(found, values);
        }
    }
}
