use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::found::Forgotten;
use crate::capture::{EnqueuedTime, SequenceNumber};
use crate::loader::Reread;
use crate::operator::verify::error::VerifyError;
use crate::rows::{Batch, Column, Elements, Rank, Table, value};
use crate::settings::StateSettings;

/// The newest event of every key, as the files have it. All in memory, or of a sample of the keys.
pub(super) struct Newest {
    settings: StateSettings,
    /// What the rows are rows of, and where in them key, order and deletes stand.
    shape: Option<Shape>,
    rows: HashMap<Vec<Rank>, Event>,
    /// Only keys whose hash is not above this are kept.
    threshold: u64,
}

/// Where in a table's rows to look.
pub(super) struct Shape {
    pub(super) table: Table,
    key: Vec<usize>,
    order: Vec<usize>,
    delete: Option<(usize, String)>,
    index: Option<usize>,
}

/// An event of a key.
pub(super) struct Event {
    pub(super) version: Version,
    pub(super) deleted: bool,
    /// What the batch has of it, element by element, one behind the other.
    elements: Box<str>,
    ends: Box<[u32]>,
}

/// What events of a key follow each other by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) Vec<Rank>, pub(super) EnqueuedTime, pub(super) SequenceNumber, pub(super) Rank);

impl Newest {
    pub(super) fn of(settings: &StateSettings) -> Self {
        Newest { settings: settings.clone(), shape: None, rows: HashMap::new(), threshold: u64::MAX }
    }

    /// How many keys there are, deleted ones included.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether keys were left out.
    pub(super) fn is_sample(&self) -> bool {
        self.threshold != u64::MAX
    }

    /// What the rows are rows of, and the events; `None` of no rows.
    pub(super) fn into_parts(self) -> Option<(Shape, HashMap<Vec<Rank>, Event>)> {
        Some((self.shape?, self.rows))
    }

    /// Takes the events of a batch.
    ///
    /// # Errors
    /// When the table has no such columns, or ones whose order only the store knows.
    pub(super) fn take(&mut self, rows: &Reread<'_>, forgotten: &Forgotten) -> Result<(), VerifyError> {
        if self.shape.as_ref().is_none_or(|shape| shape.table != *rows.table) {
            self.shape = Some(Shape::of(rows.table, &self.settings)?);
        }
        let Some(shape) = &self.shape else { return Ok(()) };
        let columns = rows.table.columns();
        let literals: Vec<Vec<&str>> =
            rows.batch.columns.iter().map(|literal| Elements::of(literal).collect()).collect();
        let rank = |column: usize, row: usize| Rank::of(columns[column].kind, value(literals[column][row]).as_deref());
        for row in 0..rows.batch.rows {
            let key: Vec<_> = shape.key.iter().map(|column| rank(*column, row)).collect();
            if key.contains(&Rank::Null) || hash(&key) > self.threshold {
                continue;
            }
            let origin = rows.origin(row);
            if forgotten.has(&origin) {
                continue;
            }
            let order = shape.order.iter().map(|column| rank(*column, row)).collect();
            let index = shape.index.map_or(Rank::Null, |column| rank(column, row));
            let version = Version(order, origin.at, origin.number, index);
            if self.rows.get(&key).is_some_and(|event| event.version >= version) {
                continue;
            }
            let is_delete = |(column, wanted): &(usize, String)| {
                value(literals[*column][row]).is_some_and(|found| {
                    Rank::of(columns[*column].kind, Some(&found)) == Rank::of(columns[*column].kind, Some(wanted))
                })
            };
            let deleted = shape.delete.as_ref().is_some_and(is_delete);
            let elements = literals.iter().map(|elements| elements[row]);
            self.rows.insert(key, Event::new(version, deleted, elements));
        }
        while self.settings.keys.is_some_and(|most| self.rows.len() > most.saturating_mul(2)) {
            self.threshold /= 2;
            self.rows.retain(|key, _| hash(key) <= self.threshold);
        }
        Ok(())
    }
}

/// The same of a key in every run.
fn hash(key: &[Rank]) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

impl Shape {
    fn of(table: &Table, settings: &StateSettings) -> Result<Shape, VerifyError> {
        let StateSettings { rowing, .. } = settings;
        let wrong = |reason: String| VerifyError::State { table: table.name().to_owned(), reason };
        let find = |name: &str| {
            let at = table.columns().iter().position(|column| column.name == name);
            at.ok_or_else(|| wrong(format!("it has no column `{name}`")))
        };
        let checked = |name: &String, fits: fn(crate::rows::ColumnType) -> bool, what: &str| {
            let at = find(name)?;
            let Column { kind, list, .. } = &table.columns()[at];
            if *list || !fits(*kind) {
                return Err(wrong(format!("only the store knows {what} of `{name}`, which is {}", kind.sql())));
            }
            Ok(at)
        };
        let key = rowing.key.iter().map(|name| checked(name, Rank::names, "which values are equal"));
        let order = rowing.order.iter().map(|name| checked(name, Rank::orders, "the order"));
        let delete = match &rowing.delete_when {
            Some((name, value)) => Some((find(name)?, value.clone())),
            None => None,
        };
        Ok(Shape {
            key: key.collect::<Result<_, _>>()?,
            order: order.collect::<Result<_, _>>()?,
            delete,
            index: if table.is_indexed() { Some(find("event_index")?) } else { None },
            table: table.clone(),
        })
    }

    /// The names and types of what is ranked: the key, then the order.
    pub(super) fn ranked(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().chain(&self.order).map(|at| &self.table.columns()[*at])
    }

    /// How many of these are the key's.
    pub(super) fn key_columns(&self) -> usize {
        self.key.len()
    }

    /// A row's key as values.
    pub(super) fn key_of(&self, event: &Event) -> Vec<String> {
        let values = self.key.iter().map(|at| value(event.element(*at)).unwrap_or_default().into_owned());
        values.collect()
    }
}

impl Event {
    fn new<'a>(version: Version, deleted: bool, parts: impl Iterator<Item = &'a str>) -> Self {
        let (mut elements, mut ends) = (String::new(), Vec::new());
        for element in parts {
            elements.push_str(element);
            ends.push(u32::try_from(elements.len()).unwrap_or(u32::MAX));
        }
        Event { version, deleted, elements: elements.into(), ends: ends.into() }
    }

    fn element(&self, at: usize) -> &str {
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.elements[from as usize..self.ends[at] as usize]
    }
}

/// A batch of events again.
pub(super) fn batch(events: &[&Event]) -> Batch {
    let columns = events.first().map_or(0, |event| event.ends.len());
    let literal = |at: usize| {
        let elements: Vec<_> = events.iter().map(|event| event.element(at)).collect();
        format!("{{{}}}", elements.join(","))
    };
    Batch { columns: (0..columns).map(literal).collect(), rows: events.len() }
}
