//! Which columns documents need: for every field the narrowest type whose every value the mapper takes. The mapper
//! itself is asked, value by value, so that the two cannot differ.

use std::collections::HashMap;

use serde::de::DeserializeSeed as _;
use serde_json::value::RawValue;

use super::candidate::{CANDIDATES, Candidate};
use super::column::{Column, ColumnType, Limit};
use super::evidence::Evidence;
use super::field::{Again, Fit};
use super::list::List;
use super::literal::ArrayLiteral;
use super::object::Object;
use super::table::is_reserved;

/// What a store's types are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Typing {
    /// How many digits its `numeric` keeps, if not all.
    pub numeric_digits: Option<i64>,
    /// Whether it has `uuid`.
    pub uuid: bool,
}

/// A field, and the column it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Inferred {
    /// Its name.
    pub name: String,
    /// The column's type, and whether it is an array of it; `None` for a field that gets no column.
    pub column: Option<(ColumnType, bool)>,
    /// Documents that have it.
    pub documents: u64,
    /// Those of them in which it is null.
    pub nulls: u64,
    /// What was seen, for people.
    pub evidence: String,
}

/// Fields that are told apart: past so many a table has no room for columns.
const MOST_FIELDS: usize = 1000;

/// Gathers what documents say.
#[derive(Debug)]
pub struct Inference {
    columns: Vec<(Candidate, bool, Column)>,
    fields: Vec<Field>,
    by_name: HashMap<String, usize>,
    documents: u64,
    /// Fields past [`MOST_FIELDS`].
    others: u64,
}

#[derive(Debug)]
struct Field {
    name: String,
    /// Those of the columns that took every value so far, a bit each.
    fits: u32,
    evidence: Evidence,
}

impl Inference {
    /// Of a store's types, with no documents yet.
    pub fn new(typing: Typing) -> Self {
        let candidates = CANDIDATES.into_iter().filter(|candidate| typing.uuid || *candidate != Candidate::Uuid);
        let columns: Vec<_> = candidates
            .flat_map(|candidate| [(candidate, false), (candidate, true)])
            .filter(|(candidate, list)| !(*list && *candidate == Candidate::Jsonb))
            .map(|(candidate, list)| (candidate, list, column(candidate.kind(), list, typing)))
            .collect();
        Inference { columns, fields: Vec::new(), by_name: HashMap::new(), documents: 0, others: 0 }
    }

    /// Adds a document.
    ///
    /// # Errors
    /// When it is none that makes a row: no object, or one with a field twice. It then leaves nothing behind.
    pub fn add(&mut self, document: &str) -> Result<(), String> {
        let object = Object::parse(document).map_err(|error| format!("is not a JSON object: {error}"))?;
        let mut names: Vec<&str> = object.0.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("field `{}` stands twice", twice[0]));
        }
        self.documents += 1;
        for (name, value) in &object.0 {
            let Some(index) = self.index(name) else {
                self.others += 1;
                continue;
            };
            let Inference { columns, fields, .. } = self;
            let field = &mut fields[index];
            field.evidence.add(value);
            if *value == "null" {
                continue;
            }
            for (at, (candidate, list, column)) in columns.iter().enumerate() {
                let bit = 1 << at;
                if field.fits & bit != 0 && !takes(*candidate, *list, column, value) {
                    field.fits &= !bit;
                }
            }
        }
        Ok(())
    }

    /// Documents added.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// How often there were fields beyond those that a table has room for.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// The fields, in the order in which they were first met.
    pub fn fields(&self) -> Vec<Inferred> {
        self.fields.iter().map(|field| self.inferred(field)).collect()
    }

    fn index(&mut self, name: &str) -> Option<usize> {
        if let Some(index) = self.by_name.get(name) {
            return Some(*index);
        }
        if self.fields.len() >= MOST_FIELDS {
            return None;
        }
        let fits = u32::MAX >> (32 - self.columns.len());
        self.fields.push(Field { name: name.to_owned(), fits, evidence: Evidence::default() });
        self.by_name.insert(name.to_owned(), self.fields.len() - 1);
        Some(self.fields.len() - 1)
    }

    fn inferred(&self, field: &Field) -> Inferred {
        let Field { name, fits, evidence } = field;
        let narrowest = self.columns.iter().enumerate().find(|(at, _)| fits & (1 << at) != 0);
        let narrowest = narrowest.map(|(_, (candidate, list, _))| (candidate.kind(), *list));
        // Nothing is known of what empty arrays hold.
        let narrowest = narrowest.map(|(kind, list)| match list && !evidence.has_elements() {
            true => (ColumnType::Jsonb, false),
            false => (kind, list),
        });
        let (column, why) = match narrowest {
            _ if is_reserved(name) => (None, "left out: the column of that name is the envelope's"),
            _ if evidence.is_only_null() => (None, "left out: never anything but null"),
            None => (None, "left out: no column takes all of its values"),
            Some(_) if name.is_empty() || name.contains('\0') => (None, "left out: no column can be called so"),
            Some(found) => (Some(found), ""),
        };
        let seen = evidence.text(column == Some((ColumnType::Jsonb, false)));
        let told = [why, &seen].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
        Inferred {
            name: name.clone(),
            column,
            documents: evidence.documents(),
            nulls: evidence.nulls(),
            evidence: told,
        }
    }
}

fn column(kind: ColumnType, list: bool, typing: Typing) -> Column {
    let limit = match (kind, typing.numeric_digits) {
        (ColumnType::Numeric, Some(digits)) => Limit::Significant(digits),
        _ => Limit::None,
    };
    Column {
        name: String::new(),
        kind,
        limit,
        list,
        cast: None,
        epoch: None,
        not_null: false,
        required: false,
        default: None,
    }
}

/// Whether the mapper takes the value, and the type is one of its own form.
fn takes(candidate: Candidate, list: bool, column: &Column, value: &str) -> bool {
    let form = match list {
        false => candidate.is_form_of(value),
        true => {
            let elements = value.starts_with('[').then(|| serde_json::from_str::<Vec<&RawValue>>(value).ok()).flatten();
            let is_form = |element: &&RawValue| element.get() == "null" || candidate.is_form_of(element.get());
            elements.is_some_and(|elements| elements.iter().all(is_form))
        }
    };
    form && fits(column, value)
}

/// Whether the mapper takes the value.
fn fits(column: &Column, value: &str) -> bool {
    let (mut out, mut again) = (ArrayLiteral::default(), Again::default());
    let mut json = serde_json::Deserializer::from_str(value);
    match column.list {
        true => List { column, out: &mut out }.deserialize(&mut json).is_ok(),
        false => Fit { column, element: false, out: &mut out, again: &mut again }.deserialize(&mut json).is_ok(),
    }
}

#[cfg(test)]
mod tests;
