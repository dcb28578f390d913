//! `avro`: bodies in Avro by a schema registry: Confluent's wire format, or Azure Schema Registry's content type. The
//! record's fields are the row; logical types become what they mean.

mod datum;
mod node;
mod plan;

use std::collections::HashMap;
use std::sync::Arc;

use plan::Plan;

use super::framing::named;
use super::schemas::{SchemaId, SchemaKind, Schemas};
use super::{Documents, Format, Undecodable};
use crate::base::nature;
use crate::capture::Attributes;

#[derive(Debug)]
pub(super) struct Avro {
    schemas: Arc<Schemas>,
    plans: HashMap<SchemaId, Plan>,
}

impl Avro {
    pub(super) fn new(schemas: Arc<Schemas>) -> Self {
        Avro { schemas, plans: HashMap::new() }
    }
}

impl Format for Avro {
    fn decode(
        &mut self,
        body: Option<&[u8]>,
        attributes: &Attributes<'_>,
        out: &mut Documents,
    ) -> Result<(), Undecodable> {
        let body = body.ok_or_else(|| "body is null".to_owned())?;
        let Some((id, datum)) = named(body, attributes) else {
            let is = nature(body).map(|nature| format!(": it is {nature}")).unwrap_or_default();
            let lacks = "it is no Avro by a schema registry: it has neither Confluent's prefix nor a content type avro/binary+ID";
            return Err(Undecodable::Bad(format!("{lacks}{is}")));
        };
        if !self.plans.contains_key(&id) {
            let text = match self.schemas.get(&id) {
                None => return Err(Undecodable::Schema(id)),
                Some(known) => known?,
            };
            if text.kind != SchemaKind::Avro {
                return Err(Undecodable::Bad(format!("its schema {id} is {}, not Avro", text.kind)));
            }
            let plan = Plan::new(&text).map_err(|reason| format!("its schema {id} cannot be used: {reason}"))?;
            self.plans.insert(id.clone(), plan);
        }
        let plan = &self.plans[&id];
        let mut row = String::new();
        plan.write(datum, &mut row).map_err(|reason| format!("it is not what its schema {id} says: {reason}"))?;
        out.push(&row);
        Ok(())
    }

    fn needs_attributes(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
