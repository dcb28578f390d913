use std::sync::LazyLock;

use apache_avro::types::Value;
use apache_avro::{DeflateSettings, Schema, Writer};

use crate::capture::time::EnqueuedTime;

/// The schema Capture embeds in its newer files: properties may also be null.
const SCHEMA: &str = r#"{"type":"record","name":"EventData","namespace":"Microsoft.ServiceBus.Messaging","fields":[
{"name":"SequenceNumber","type":"long"},
{"name":"Offset","type":"string"},
{"name":"EnqueuedTimeUtc","type":"string"},
{"name":"SystemProperties","type":{"type":"map","values":["long","double","string","bytes"]}},
{"name":"Properties","type":{"type":"map","values":["long","double","string","bytes","null"]}},
{"name":"Body","type":["null","bytes"]}]}"#;

static PARSED: LazyLock<Schema> =
    LazyLock::new(|| Schema::parse_str(SCHEMA).expect("the schema above is a constant that tests parse"));

/// One value in a record's property maps.
#[derive(Debug, Clone, PartialEq)]
pub enum PropertyValue {
    /// A whole number.
    Long(i64),
    /// A floating-point number.
    Double(f64),
    /// Text.
    String(String),
    /// Anything else.
    Bytes(Vec<u8>),
    /// Nothing; only among the application's own properties.
    Null,
}

/// A record to write.
#[derive(Debug, Clone, PartialEq)]
pub struct OutgoingEvent {
    /// The broker's number of the record.
    pub sequence_number: i64,
    /// The broker's opaque position of the record.
    pub offset: String,
    /// When the broker took it.
    pub enqueued_time: EnqueuedTime,
    /// What the broker says of it; never [`PropertyValue::Null`].
    pub system_properties: Vec<(String, PropertyValue)>,
    /// What its producer says of it.
    pub properties: Vec<(String, PropertyValue)>,
    /// The payload.
    pub body: Option<Vec<u8>>,
}

/// A record that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("record cannot be encoded as Capture's EventData")]
pub struct WriteError(#[source] Box<apache_avro::Error>);

impl From<apache_avro::Error> for WriteError {
    fn from(error: apache_avro::Error) -> Self {
        WriteError(Box::new(error))
    }
}

/// Writes one Capture file, handing out its bytes as they become final.
///
/// Nothing is stored here: the caller takes the bytes and puts them somewhere.
pub struct FileWriter {
    avro: Writer<'static, Vec<u8>>,
    handed_out: u64,
}

impl FileWriter {
    /// Starts a file, compressed by deflate or not at all: what Capture itself can be told to write.
    ///
    /// # Errors
    /// [`WriteError`] should Capture's own schema not be usable, which only a mistake in this module can cause.
    pub fn new(deflate: bool) -> Result<Self, WriteError> {
        let codec =
            if deflate { apache_avro::Codec::Deflate(DeflateSettings::default()) } else { apache_avro::Codec::Null };
        Ok(FileWriter { avro: Writer::with_codec(&PARSED, Vec::new(), codec)?, handed_out: 0 })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// When it does not fit Capture's schema: a null among the system properties. The file stays usable.
    pub fn append(&mut self, event: OutgoingEvent) -> Result<(), WriteError> {
        let record = Value::Record(vec![
            ("SequenceNumber".to_owned(), Value::Long(event.sequence_number)),
            ("Offset".to_owned(), Value::String(event.offset)),
            ("EnqueuedTimeUtc".to_owned(), Value::String(event.enqueued_time.to_string())),
            ("SystemProperties".to_owned(), map(event.system_properties)),
            ("Properties".to_owned(), map(event.properties)),
            (
                "Body".to_owned(),
                match event.body {
                    None => Value::Union(0, Box::new(Value::Null)),
                    Some(body) => Value::Union(1, Box::new(Value::Bytes(body))),
                },
            ),
        ]);
        self.avro.append_value(record)?;
        Ok(())
    }

    /// The file's size so far, in bytes, but for the block that is still open (about 16 KB before compression).
    pub fn size(&self) -> u64 {
        self.handed_out + self.avro.get_ref().len() as u64
    }

    /// The final bytes that were not taken yet.
    pub fn take(&mut self) -> Vec<u8> {
        let bytes = std::mem::take(self.avro.get_mut());
        self.handed_out += bytes.len() as u64;
        bytes
    }

    /// Ends the file and gives the bytes that were not taken yet; for an empty file that is its header.
    ///
    /// # Errors
    /// [`WriteError`] when the last block cannot be compressed.
    pub fn finish(self) -> Result<Vec<u8>, WriteError> {
        Ok(self.avro.into_inner()?)
    }
}

fn map(properties: Vec<(String, PropertyValue)>) -> Value {
    let value = |value| match value {
        PropertyValue::Long(number) => Value::Union(0, Box::new(Value::Long(number))),
        PropertyValue::Double(number) => Value::Union(1, Box::new(Value::Double(number))),
        PropertyValue::String(text) => Value::Union(2, Box::new(Value::String(text))),
        PropertyValue::Bytes(bytes) => Value::Union(3, Box::new(Value::Bytes(bytes))),
        PropertyValue::Null => Value::Union(4, Box::new(Value::Null)),
    };
    Value::Map(properties.into_iter().map(|(key, property)| (key, value(property))).collect())
}
