use std::sync::Arc;

use super::gzip::{is_packed, unpack};
use super::{Documents, Format, FormatName, Schemas, Undecodable, Wanted};
use crate::capture::Attributes;

/// How records of a registry name their schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// By a prefix of the body, as Confluent's.
    Prefix,
    /// By a content type beside the body, as Azure's.
    ContentType,
}

/// How a route's bodies are decoded.
#[derive(Debug, Clone, Default)]
pub struct Decoding {
    /// What they are.
    pub format: FormatName,
    /// Whether JSON is held against its schema.
    pub validate: bool,
    /// How they name their schema, where there is a registry. A prefix may stand before JSON then.
    pub naming: Option<Naming>,
    /// The schemas that bodies have named.
    pub schemas: Arc<Schemas>,
}

impl Decoding {
    /// Of bodies that need nothing else.
    pub fn of(format: FormatName) -> Self {
        Decoding { format, ..Decoding::default() }
    }

    /// A body of JSON without the prefix that may stand before it.
    pub(super) fn unprefixed<'b>(&self, body: Option<&'b [u8]>) -> Option<&'b [u8]> {
        match body {
            // No JSON begins so.
            Some([0, rest @ ..]) if self.naming.is_some() && self.format == FormatName::Json && !self.validate => {
                Some(rest.get(4..).unwrap_or(rest))
            }
            body => body,
        }
    }
}

/// Turns records into documents, for whoever has no table for them.
#[derive(Debug)]
pub struct Reader {
    decoding: Decoding,
    format: Option<Box<dyn Format>>,
    documents: Documents,
    unpacked: Vec<u8>,
}

impl Reader {
    /// Of such bodies.
    pub fn new(decoding: &Decoding, wanted: Wanted) -> Self {
        let format = decoding.decoder(wanted);
        Reader { decoding: decoding.clone(), format, documents: Documents::default(), unpacked: Vec::new() }
    }

    /// A record's documents. Those of plain JSON are not looked into.
    ///
    /// # Errors
    /// When it is none of its format, or makes no rows.
    pub fn read(
        &mut self,
        body: Option<&[u8]>,
        attributes: &Attributes<'_>,
    ) -> Result<impl ExactSizeIterator<Item = &str>, Undecodable> {
        let body = match body {
            Some(packed) if is_packed(packed) => {
                unpack(packed, &mut self.unpacked)?;
                Some(&*self.unpacked)
            }
            body => body,
        };
        self.documents.clear();
        match &mut self.format {
            Some(format) => format.decode(body, attributes, &mut self.documents)?,
            None => match self.decoding.unprefixed(body) {
                None | Some([]) => return Err(Undecodable::Nothing),
                Some(body) => self.documents.push(crate::rows::object::utf8(body)?),
            },
        }
        Ok(self.documents.iter())
    }
}
