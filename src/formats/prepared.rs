use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::Undecodable;
use super::framing::named;
use super::schemas::{SchemaId, SchemaKind, SchemaText, Schemas};
use crate::capture::Attributes;

/// What was made of the schemas that records have named, each once, to read their bodies by.
#[derive(Debug)]
pub(super) struct Prepared<T> {
    kind: SchemaKind,
    /// Whether a schema is named before the body only, whatever stands beside it.
    by_prefix: bool,
    schemas: Arc<Schemas>,
    made: HashMap<SchemaId, T>,
}

/// A body that names its schema.
#[derive(Debug)]
pub(super) struct Named<'p, 'b, T> {
    /// The schema.
    pub(super) id: SchemaId,
    /// What was made of it.
    pub(super) by: &'p T,
    /// What stands behind its name.
    pub(super) body: &'b [u8],
}

impl<T> Prepared<T> {
    /// Of schemas of that kind.
    pub(super) fn new(kind: SchemaKind, by_prefix: bool, schemas: Arc<Schemas>) -> Self {
        Prepared { kind, by_prefix, schemas, made: HashMap::new() }
    }

    /// Whether what a record says beside its body matters.
    pub(super) fn needs_attributes(&self) -> bool {
        !self.by_prefix
    }

    /// What a body is read by; nothing for one that names no schema.
    ///
    /// # Errors
    /// When nothing is known of the schema yet, there is none such, or it is of another kind or of no use.
    pub(super) fn of<'b>(
        &mut self,
        body: &'b [u8],
        attributes: &Attributes<'_>,
        make: impl FnOnce(&SchemaText) -> Result<T, String>,
    ) -> Result<Option<Named<'_, 'b, T>>, Undecodable> {
        let attributes = if self.by_prefix { &Attributes::NOTHING } else { attributes };
        let Some((id, body)) = named(body, attributes) else { return Ok(None) };
        if !self.made.contains_key(&id) {
            let text = match self.schemas.get(&id) {
                None => return Err(Undecodable::Schema(id)),
                Some(known) => known?,
            };
            if text.kind != self.kind {
                return Err(Undecodable::Bad(format!("its schema {id} is {}, not {}", text.kind, self.kind)));
            }
            let made = make(&text).map_err(|reason| format!("its schema {id} cannot be used: {reason}"))?;
            self.made.insert(id.clone(), made);
        }
        Ok(Some(Named { by: &self.made[&id], id, body }))
    }
}

impl<T> Named<'_, '_, T> {
    /// Why the body is none of its schema.
    pub(super) fn wrong(&self, reason: impl fmt::Display) -> Undecodable {
        Undecodable::Bad(format!("it is not what its schema {} says: {reason}", self.id))
    }
}
