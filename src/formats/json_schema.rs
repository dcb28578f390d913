//! `json` with `validate=true`: JSON behind a schema registry's prefix, or beside Azure's content type, held against its
//! JSON Schema before it becomes a row.

use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;

use super::prepared::Prepared;
use super::schemas::SchemaText;
use super::{Documents, Format, Undecodable};
use crate::capture::Attributes;
use crate::rows::object::{not_json, utf8};

/// Faults of one record that are told.
const MOST_FAULTS: usize = 3;

#[derive(Debug)]
pub(super) struct JsonSchema(Prepared<Validator>);

impl JsonSchema {
    pub(super) fn new(prepared: Prepared<Validator>) -> Self {
        JsonSchema(prepared)
    }
}

impl Format for JsonSchema {
    fn decode(
        &mut self,
        body: Option<&[u8]>,
        attributes: &Attributes<'_>,
        out: &mut Documents,
    ) -> Result<(), Undecodable> {
        let body = body.ok_or_else(|| "body is null".to_owned())?;
        let Some(named) = self.0.of(body, attributes, validator)? else {
            return Err(Undecodable::Bad(
                "it names no schema to be held against: it has neither a schema registry's prefix nor a content type \
                 application/json+ID"
                    .to_owned(),
            ));
        };
        let text = utf8(named.body)?;
        let value: Value = serde_json::from_str(text).map_err(|error| not_json(text, &error))?;
        let mut faults = Vec::new();
        for fault in named.by.iter_errors(&value).take(MOST_FAULTS + 1) {
            let path = fault.instance_path().to_string();
            let path = if path.is_empty() { "the body".to_owned() } else { format!("`{path}`") };
            faults.push(format!("{path}: {fault}"));
        }
        if faults.len() > MOST_FAULTS {
            faults[MOST_FAULTS] = "…".to_owned();
        }
        if !faults.is_empty() {
            return Err(Undecodable::Bad(format!("it does not fit its schema {}: {}", named.id, faults.join("; "))));
        }
        out.push(text);
        Ok(())
    }

    fn needs_attributes(&self) -> bool {
        self.0.needs_attributes()
    }
}

fn validator(text: &SchemaText) -> Result<Validator, String> {
    let schema: Value = serde_json::from_str(&text.text).map_err(|error| error.to_string())?;
    let mut options = jsonschema::options().with_retriever(Others(text.references.clone()));
    if schema.get("$id").is_none() && !text.references.is_empty() {
        // So that what it names by a relative path has something to be relative to.
        options = options.with_base_uri("registry:///schema.json");
    }
    options.build(&schema).map_err(|error| error.to_string())
}

/// The schemas that one names, by those names: nothing is fetched from elsewhere.
struct Others(Vec<(String, String)>);

impl Retrieve for Others {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let wanted = uri.as_str();
        let named = |name: &str| wanted == name || wanted.strip_suffix(name).is_some_and(|rest| rest.ends_with('/'));
        let (_, text) = self
            .0
            .iter()
            .find(|(name, _)| named(name))
            .ok_or_else(|| format!("it names {wanted}, which the registry does not give with it"))?;
        Ok(serde_json::from_str(text)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::formats::schemas::{SchemaId, SchemaKind, Schemas};

    #[test]
    fn what_does_not_fit_is_told_with_its_path() {
        let schemas = Arc::new(Schemas::default());
        let text = SchemaText {
            kind: SchemaKind::Json,
            text:
                r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"$ref":"money.json"}},"required":["a"]}"#
                    .to_owned(),
            references: vec![(
                "money.json".to_owned(),
                r#"{"type":"object","properties":{"cents":{"minimum":0}}}"#.to_owned(),
            )],
        };
        schemas.put(SchemaId::Number(7), Ok(Arc::new(text)));
        let mut format = JsonSchema::new(Prepared::new(SchemaKind::Json, true, schemas));
        let mut decode = |json: &str| {
            let mut out = Documents::default();
            let body = [&[0, 0, 0, 0, 7][..], json.as_bytes()].concat();
            format.decode(Some(&body), &Attributes::default(), &mut out)?;
            Ok::<_, Undecodable>(out.iter().map(str::to_owned).collect::<Vec<_>>())
        };
        let good = r#"{"a": 1, "b": {"cents": 5}}"#;
        assert_eq!(decode(good).unwrap(), [good]);
        for (json, reason) in [
            (r#"{"a":"x"}"#, "it does not fit its schema 7: `/a`: \"x\" is not of type \"integer\""),
            (
                r#"{"a":1,"b":{"cents":-1}}"#,
                "it does not fit its schema 7: `/b/cents`: -1 is less than the minimum of 0",
            ),
            ("{}", "it does not fit its schema 7: the body: \"a\" is a required property"),
            ("{", "body is not JSON"),
        ] {
            let Err(Undecodable::Bad(said)) = decode(json) else { panic!("{json}") };
            assert!(said.starts_with(reason), "{said}");
        }
    }
}
