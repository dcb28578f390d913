//! Whether a field can name rows, or order their events.

use crate::rows::{ColumnType, Inferred};

/// What a field is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It names a row.
    Key,
    /// It orders a row's events.
    Order,
    /// It says what is a delete.
    Delete,
}

impl Use {
    const fn flag(self) -> &'static str {
        match self {
            Use::Key => "--key",
            Use::Order => "--order",
            Use::Delete => "--delete-when",
        }
    }
}

/// The longest example that is shown.
const LONGEST: usize = 200;

/// Why a field is not fit for it, with counts and an example.
pub(super) fn unfit(name: &str, of: Use, fields: &[Inferred], documents: u64, sample: &[String]) -> Option<String> {
    let flag = of.flag();
    let Some(field) = fields.iter().find(|field| field.name == name) else {
        let known: Vec<_> = fields.iter().take(20).map(|field| format!("`{}`", field.name)).collect();
        return Some(format!("{flag}: no row of the sample has a field `{name}`; they have {}", known.join(", ")));
    };
    let Some((kind, list)) = field.column else {
        return Some(format!("{flag}: `{name}` is {}", field.evidence));
    };
    if of == Use::Delete {
        return None;
    }
    let lacking = documents - field.documents;
    if lacking + field.nulls > 0 {
        let example = sample.iter().find(|document| lacks(document, name)).map(|document| excerpt(document));
        return Some(format!(
            "{flag}: `{name}` lacks in {lacking} and is null in {} of {documents} rows of the sample, such as {}",
            field.nulls,
            example.unwrap_or_default()
        ));
    }
    let ordered = !list && !matches!(kind, ColumnType::Jsonb | ColumnType::Json | ColumnType::Boolean);
    let names = !list && !matches!(kind, ColumnType::Jsonb | ColumnType::Json | ColumnType::Double);
    match of {
        Use::Order if !ordered => Some(format!(
            "{flag}: `{name}` would be {}{}, which has no order: {}",
            kind.sql(),
            if list { "[]" } else { "" },
            field.evidence
        )),
        Use::Key if !names => Some(format!(
            "{flag}: `{name}` would be {}{}, by which no row can be told from another: {}",
            kind.sql(),
            if list { "[]" } else { "" },
            field.evidence
        )),
        _ => None,
    }
}

fn lacks(document: &str, name: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(document)
        .is_ok_and(|value| value.get(name).is_none_or(|value| value.is_null()))
}

fn excerpt(document: &str) -> String {
    match document.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &document[..end]),
        None => document.to_owned(),
    }
}
