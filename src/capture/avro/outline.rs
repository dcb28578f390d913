use std::io::Read;

use apache_avro::Schema;
use apache_avro::schema::RecordField;

use super::codec::Codec;
use super::damage::{Damage, DamageKind, ReadError};
use super::input::Input;
use super::reader::{read_block_header, read_header, read_sync};

/// How a file is built, without a look at its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// How its blocks are compressed.
    pub codec: Codec,
    /// The name of its schema's record.
    pub record: String,
    /// The fields of a record, each with its type: `Body`, `null or bytes`.
    pub fields: Vec<(String, String)>,
    /// Its blocks that are whole.
    pub blocks: u64,
    /// Records that these say they have.
    pub records: u64,
    /// The most records that one of them says it has.
    pub most_records: u64,
    /// The bytes of the largest of them, as it stands in the file.
    pub most_bytes: u64,
    /// Bytes of the file up to the end of the last of them.
    pub bytes: u64,
}

/// Steps from block to block, and says how far that went well.
///
/// # Errors
/// In place of an outline when there is none, for the header is bad; beside it when the file is bad further on.
pub fn outline(source: impl Read) -> Result<(Outline, Option<ReadError>), ReadError> {
    let mut input = Input::new(source);
    let header = read_header(&mut input)?;
    let Schema::Record(record) = &header.schema else {
        return Err(Damage { at: 0, kind: DamageKind::OtherSchema("its schema is not a record".to_owned()) }.into());
    };
    let mut outline = Outline {
        codec: header.codec,
        record: record.name.to_string(),
        fields: record.fields.iter().map(|RecordField { name, schema, .. }| (name.clone(), word(schema))).collect(),
        blocks: 0,
        records: 0,
        most_records: 0,
        most_bytes: 0,
        bytes: input.position(),
    };
    let ended = loop {
        match step(&mut input, &header.sync) {
            Ok(None) => break None,
            Ok(Some((records, bytes))) => {
                outline.blocks += 1;
                outline.records = outline.records.saturating_add(records);
                outline.most_records = outline.most_records.max(records);
                outline.most_bytes = outline.most_bytes.max(bytes);
                outline.bytes = input.position();
            }
            Err(error) => break Some(error),
        }
    };
    Ok((outline, ended))
}

/// Steps over a block, and says how many records and bytes it has; `None` at the end of the file.
fn step(input: &mut Input<impl Read>, sync: &[u8; 16]) -> Result<Option<(u64, u64)>, ReadError> {
    let at = input.position();
    if !input.fill(1).map_err(ReadError::Source)? {
        return Ok(None);
    }
    let (records, bytes) = read_block_header(input, at)?;
    let mut left = bytes;
    while left > 0 {
        if !input.fill(1).map_err(ReadError::Source)? {
            return Err(Damage { at, kind: DamageKind::Truncated("inside a block") }.into());
        }
        let there = usize::try_from(left).map_or(input.buffered().len(), |left| left.min(input.buffered().len()));
        input.consume(there);
        left -= there as u64;
    }
    read_sync(input, sync)?;
    Ok(Some((records, bytes)))
}

/// A type in a few words.
fn word(schema: &Schema) -> String {
    match schema {
        Schema::Null => "null".to_owned(),
        Schema::Boolean => "boolean".to_owned(),
        Schema::Int => "int".to_owned(),
        Schema::Long => "long".to_owned(),
        Schema::Float => "float".to_owned(),
        Schema::Double => "double".to_owned(),
        Schema::Bytes => "bytes".to_owned(),
        Schema::String => "string".to_owned(),
        Schema::Map(map) => format!("map of {}", word(&map.types)),
        Schema::Array(array) => format!("array of {}", word(&array.items)),
        Schema::Union(union) => union.variants().iter().map(word).collect::<Vec<_>>().join(" or "),
        Schema::Record(record) => format!("record {}", record.name),
        _ => "another type".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FileWriter, OutgoingEvent};
    use super::*;
    use crate::capture::EnqueuedTime;

    /// Each record fills a block.
    fn file(records: i64) -> Vec<u8> {
        let mut writer = FileWriter::new(true).unwrap();
        for number in 0..records {
            let event = OutgoingEvent {
                sequence_number: number,
                offset: String::new(),
                enqueued_time: EnqueuedTime::parse("1/2/2026 3:04:05 AM").unwrap(),
                system_properties: Vec::new(),
                properties: Vec::new(),
                body: Some(vec![b'x'; 20_000]),
            };
            writer.append(event).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn blocks_are_counted_and_the_place_of_a_fault_is_told() {
        let whole = file(4);
        let (found, error) = outline(&whole[..]).unwrap();
        assert!(error.is_none(), "{error:?}");
        assert_eq!((found.codec, found.blocks, found.records, found.most_records), (Codec::Deflate, 4, 4, 1));
        assert_eq!(found.bytes, whole.len() as u64);
        assert!(found.fields.contains(&("Body".to_owned(), "null or bytes".to_owned())), "{:?}", found.fields);
        let (cut, error) = outline(&whole[..whole.len() - 20]).unwrap();
        assert_eq!(cut.blocks, 3);
        let Some(ReadError::Damage(damage)) = error else { panic!("{error:?}") };
        assert_eq!(damage.at, cut.bytes);
        assert!(matches!(outline(&b"Obj"[..]), Err(ReadError::Damage(Damage { at: 0, .. }))));
    }
}
