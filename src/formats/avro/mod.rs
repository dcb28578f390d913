//! `avro`: bodies in Avro by a schema registry: Confluent's wire format, or Azure Schema Registry's content type. The
//! record's fields are the row; logical types become what they mean.

mod datum;
mod node;
mod plan;

use plan::Plan;

use super::prepared::Prepared;
use super::{Documents, Format, Undecodable};
use crate::base::nature;
use crate::capture::Attributes;

#[derive(Debug)]
pub(super) struct Avro(Prepared<Plan>);

impl Avro {
    pub(super) fn new(prepared: Prepared<Plan>) -> Self {
        Avro(prepared)
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
        let Some(named) = self.0.of(body, attributes, Plan::new)? else {
            let is = nature(body).map(|nature| format!(": it is {nature}")).unwrap_or_default();
            let lacks = "it is no Avro by a schema registry: it has neither Confluent's prefix nor a content type avro/binary+ID";
            return Err(Undecodable::Bad(format!("{lacks}{is}")));
        };
        let mut row = String::new();
        named.by.write(named.body, &mut row).map_err(|reason| named.wrong(reason))?;
        out.push(&row);
        Ok(())
    }

    fn needs_attributes(&self) -> bool {
        self.0.needs_attributes()
    }
}

#[cfg(test)]
mod tests;
