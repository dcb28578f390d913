//! One body on its way into the columns' literals, field by field.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::column::Column;
use super::field::{Again, Fit, has_nul};
use super::list::List;
use super::literal::ArrayLiteral;
use super::strangers::Strangers;
use super::table::Role;

/// A table's columns as records fill them.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) by_name: HashMap<String, usize>,
    pub(super) columns: Vec<Column>,
    pub(super) roles: Vec<Role>,
    /// Whether fields without a column are kept.
    pub(super) rescues: bool,
    /// The columns that the store fills in where a record says nothing of them.
    pub(super) defaulted: Vec<usize>,
    /// Which columns the record at hand has filled.
    pub(super) seen: Vec<bool>,
    /// How many.
    pub(super) filled: usize,
    /// Which column the n-th field belonged to in the record before: producers keep their order.
    pub(super) guess: Vec<Option<usize>>,
    /// Per column, the text that was fitted last and the element it became: neighbours share their times.
    pub(super) again: Vec<Again>,
    pub(super) strangers: Strangers,
    /// If a value without a column makes a record none: the fields of which that is not so.
    pub(super) hopeless: Option<Arc<BTreeSet<String>>>,
}

impl Fields {
    /// Whether the record at hand has fields, and the table no place for any of them.
    pub(super) fn says_nothing(&self) -> bool {
        self.filled == 0 && !self.rescues && !self.by_name.is_empty() && self.strangers.of_row() > 0
    }

    fn find(&mut self, position: usize, name: &str) -> Option<usize> {
        if let Some(Some(index)) = self.guess.get(position)
            && self.columns[*index].name == name
        {
            return Some(*index);
        }
        let found = self.by_name.get(name).copied();
        if self.guess.len() <= position && position < 1024 {
            self.guess.resize(position + 1, None);
        }
        if let Some(guess) = self.guess.get_mut(position) {
            *guess = found;
        }
        found
    }
}

/// One body on its way into the literals.
pub(super) struct Row<'m> {
    pub(super) fields: &'m mut Fields,
    pub(super) literals: &'m mut [ArrayLiteral],
    pub(super) failed: &'m mut Option<String>,
    pub(super) rescued: &'m mut Option<String>,
    /// A field that is to get a column.
    pub(super) new_field: &'m mut Option<String>,
}

impl Row<'_> {
    pub(super) fn read<'de>(
        self,
        mut json: serde_json::Deserializer<impl serde_json::de::Read<'de>>,
    ) -> serde_json::Result<()> {
        json.deserialize_map(self)?;
        json.end()
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut position = 0;
        while let Some(key) = map.next_key_seed(Key { fields: self.fields, position })? {
            position += 1;
            match key {
                Found::Column(index) => {
                    let column = &self.fields.columns[index];
                    let out = &mut self.literals[index];
                    let fitted = if std::mem::replace(&mut self.fields.seen[index], true) {
                        Err(A::Error::custom("stands twice in the body"))
                    } else {
                        self.fields.filled += 1;
                        if column.list {
                            map.next_value_seed(List { column, out })
                        } else {
                            let again = &mut self.fields.again[index];
                            map.next_value_seed(Fit { column, element: false, out, again })
                        }
                    };
                    if fitted.is_err() {
                        *self.failed = Some(column.name.clone());
                    }
                    fitted?;
                }
                Found::New(name) => {
                    let value: &RawValue = map.next_value()?;
                    if value.get() != "null" {
                        *self.new_field = Some(name);
                        return Err(A::Error::custom("has no column"));
                    }
                    self.fields.strangers.met(&name);
                }
                Found::Rescue(name) => {
                    let value: &RawValue = map.next_value()?;
                    if has_nul(value.get()) {
                        *self.failed = Some(name);
                        return Err(A::Error::custom("has a NUL character, which no SQL JSON can hold"));
                    }
                    let object = self.rescued.get_or_insert_default();
                    object.push(if object.is_empty() { '{' } else { ',' });
                    object.push_str(&serde_json::Value::from(name).to_string());
                    object.push(':');
                    object.push_str(value.get());
                }
                Found::Nothing => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

enum Found {
    Column(usize),
    Rescue(String),
    /// It is to get a column, should it say anything.
    New(String),
    Nothing,
}

/// Finds a field's column without making a text of its name.
struct Key<'f> {
    fields: &'f mut Fields,
    position: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Found, E> {
        Ok(match self.fields.find(self.position, name) {
            Some(index) => Found::Column(index),
            None if self.fields.hopeless.as_ref().is_some_and(|hopeless| !hopeless.contains(name)) => {
                Found::New(name.to_owned())
            }
            None if self.fields.rescues => Found::Rescue(name.to_owned()),
            None => {
                self.fields.strangers.met(name);
                Found::Nothing
            }
        })
    }
}
