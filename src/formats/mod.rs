//! Bodies that are more than one flat JSON object: each format makes JSON objects of them, which the mapper fits to the
//! table as it does any other. Pure: no network, no runtime.
//!
//! ```text
//! body, properties ─▶ gzip? ─▶ Format: 0, 1 or n objects ─▶ Mapper: 0, 1 or n rows
//! ```
//!
//! A record is loaded whole or rejected whole: none of its rows is left behind by another's fault.

mod avro;
mod batch;
mod cloudevents;
mod conversion;
mod debezium;
mod decimal;
mod documents;
mod framing;
mod gzip;
mod json_schema;
mod prepared;
mod protobuf;
mod reader;
mod rower;
mod schemas;
mod undecodable;
mod wanted;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use documents::Documents;
use prepared::Prepared;
pub use reader::{Decoding, Naming, Reader};
pub use rower::{Refusal, Rower, Taken};
pub use schemas::{Known, SchemaId, SchemaKind, SchemaText, Schemas};
pub use undecodable::Undecodable;
pub use wanted::Wanted;

use crate::capture::Attributes;

/// What a route's bodies are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum FormatName {
    /// One JSON object.
    #[default]
    Json,
    /// JSON objects: an array of them, one a line, or those under `records`.
    JsonBatch,
    /// CloudEvents 1.0, structured, batched or binary.
    CloudEvents,
    /// Debezium's envelope in JSON.
    Debezium,
    /// Avro by a schema registry.
    Avro,
    /// Protocol Buffers by a schema registry.
    Protobuf,
}

impl FormatName {
    /// All of them.
    pub const ALL: [FormatName; 6] = [
        FormatName::Json,
        FormatName::JsonBatch,
        FormatName::CloudEvents,
        FormatName::Debezium,
        FormatName::Avro,
        FormatName::Protobuf,
    ];

    /// As a route names it.
    pub const fn name(self) -> &'static str {
        match self {
            FormatName::Json => "json",
            FormatName::JsonBatch => "json-batch",
            FormatName::CloudEvents => "cloudevents",
            FormatName::Debezium => "debezium",
            FormatName::Avro => "avro",
            FormatName::Protobuf => "protobuf",
        }
    }

    /// Whether its bodies cannot be read without a schema registry; `validate` says whether JSON is held against its
    /// schema.
    pub const fn needs_registry(self, validate: bool) -> bool {
        match self {
            FormatName::Avro | FormatName::Protobuf => true,
            FormatName::Json => validate,
            _ => false,
        }
    }

    /// Whether a record may have several rows whatever its producer does.
    pub const fn makes_several(self) -> bool {
        matches!(self, FormatName::JsonBatch)
    }

    /// Whether there are records that make no rows and are not to be rejected.
    pub const fn skips(self) -> bool {
        matches!(self, FormatName::JsonBatch | FormatName::CloudEvents | FormatName::Debezium)
    }

    /// Whether a record makes no rows and is not to be rejected.
    pub fn makes_nothing(self, body: Option<&[u8]>, attributes: &Attributes<'_>) -> bool {
        match Reader::new(&Decoding::of(self), Wanted::all()).read(body, attributes) {
            Ok(documents) => documents.len() == 0,
            Err(undecodable) => undecodable == Undecodable::Nothing,
        }
    }
}

impl Decoding {
    /// What decodes a body; nothing where it is the row.
    fn decoder(&self, wanted: Wanted) -> Option<Box<dyn Format>> {
        Some(match self.format {
            FormatName::Json if self.validate => {
                Box::new(json_schema::JsonSchema::new(self.prepared(SchemaKind::Json)))
            }
            FormatName::Json => return None,
            FormatName::JsonBatch => Box::new(batch::JsonBatch),
            FormatName::CloudEvents => Box::new(cloudevents::CloudEvents::new(wanted)),
            FormatName::Debezium => Box::new(debezium::Debezium::new(wanted)),
            FormatName::Avro => Box::new(avro::Avro::new(self.prepared(SchemaKind::Avro))),
            FormatName::Protobuf => Box::new(protobuf::Protobuf::new(self.prepared(SchemaKind::Protobuf))),
        })
    }

    /// For what is read by schemas.
    fn prepared<T>(&self, kind: SchemaKind) -> Prepared<T> {
        let by_prefix = self.naming == Some(Naming::Prefix);
        Prepared::new(kind, by_prefix, Arc::clone(&self.schemas))
    }
}

impl fmt::Display for FormatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FormatName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        FormatName::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| {
            let names = FormatName::ALL.map(FormatName::name).join(", ");
            format!("`{text}` is no format; there are {names}")
        })
    }
}

/// Turns a record into JSON objects, each of which becomes a row.
pub trait Format: fmt::Debug + Send {
    /// Puts the record's objects among the documents, which are empty before.
    ///
    /// # Errors
    /// When the record is none of this format, or none that makes rows.
    fn decode(
        &mut self,
        body: Option<&[u8]>,
        attributes: &Attributes<'_>,
        out: &mut Documents,
    ) -> Result<(), Undecodable>;

    /// Whether it looks at what a record says beside its body.
    fn needs_attributes(&self) -> bool {
        false
    }
}
