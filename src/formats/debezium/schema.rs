//! The schema that a converter puts beside its events: which fields are more than their JSON says.

use std::collections::HashMap;

use serde::Deserialize;

use crate::formats::conversion::Conversion;

/// Fields whose values are converted, by name.
pub(super) type Conversions = HashMap<String, Conversion>;

/// The last schema met: every event of a topic has the same one, until its table changes.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    last: Option<(String, Known)>,
}

#[derive(Debug, Default)]
struct Known {
    row: Conversions,
    before: Conversions,
    after: Conversions,
}

/// As Kafka Connect writes it.
#[derive(Debug, Default, Deserialize)]
struct Schema {
    #[serde(default)]
    fields: Vec<Schema>,
    #[serde(default)]
    field: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    parameters: Option<HashMap<String, String>>,
}

impl Schemas {
    /// Of an envelope: those of its `before` or `after`.
    pub(super) fn of_side(&mut self, schema: Option<&str>, side: &str) -> Option<&Conversions> {
        let known = self.known(schema?);
        Some(if side == "before" { &known.before } else { &known.after })
    }

    /// Of a row itself.
    pub(super) fn of_row(&mut self, schema: Option<&str>) -> Option<&Conversions> {
        Some(&self.known(schema?).row)
    }

    fn known(&mut self, text: &str) -> &Known {
        if self.last.as_ref().is_none_or(|(last, _)| last != text) {
            // What is no schema says of no field that it is more than its JSON.
            let schema: Schema = serde_json::from_str(text).unwrap_or_default();
            let side = |name: &str| {
                let found = schema.fields.iter().find(|field| field.field.as_deref() == Some(name));
                found.map(conversions).unwrap_or_default()
            };
            let known = Known { row: conversions(&schema), before: side("before"), after: side("after") };
            self.last = Some((text.to_owned(), known));
        }
        let (_, known) = self.last.get_or_insert_with(Default::default);
        known
    }
}

fn conversions(schema: &Schema) -> Conversions {
    let conversion = |field: &Schema| {
        let parameter = |name: &str| field.parameters.as_ref()?.get(name)?.parse().ok();
        let conversion = Conversion::of(field.name.as_deref()?, parameter("scale"))?;
        Some((field.field.clone()?, conversion))
    };
    schema.fields.iter().filter_map(conversion).collect()
}
