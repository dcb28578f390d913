//! Schemas that bodies name and do not hold: what was learned of them, for all who decode a route's records.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// How a record names its schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SchemaId {
    /// As Confluent's format does, by a number.
    Number(u32),
    /// As Azure's content types do.
    Guid(String),
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaId::Number(number) => number.fmt(f),
            SchemaId::Guid(guid) => f.write_str(guid),
        }
    }
}

/// What a schema's text is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    /// Avro.
    Avro,
    /// Protocol Buffers.
    Protobuf,
    /// JSON Schema.
    Json,
}

impl fmt::Display for SchemaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SchemaKind::Avro => "Avro",
            SchemaKind::Protobuf => "Protobuf",
            SchemaKind::Json => "JSON Schema",
        })
    }
}

/// A schema as a registry gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaText {
    /// What it is written in.
    pub kind: SchemaKind,
    /// The text.
    pub text: String,
    /// Others that it names: by that name, those that others need before them.
    pub references: Vec<(String, String)>,
}

/// What is known of a schema: its text, or why there is none.
pub type Known = Result<Arc<SchemaText>, String>;

/// The schemas that a route's records have named so far.
#[derive(Debug, Default)]
pub struct Schemas(RwLock<HashMap<SchemaId, Known>>);

impl Schemas {
    /// What is known of one; nothing before anybody asked.
    pub fn get(&self, id: &SchemaId) -> Option<Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Notes what a registry says of one.
    pub fn put(&self, id: SchemaId, known: Known) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id, known);
    }

    /// Forgets those that no registry knew, so that they are asked for again.
    pub fn forget_unknown(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|_, known| known.is_ok());
    }
}
