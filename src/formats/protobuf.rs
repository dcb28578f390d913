//! `protobuf`: bodies in Protocol Buffers by a schema registry, in Confluent's wire format. The schema's text is compiled
//! when it is first met; the message's fields, as proto3's JSON mapping names them, are the row.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, FileDescriptor, MessageDescriptor, SerializeOptions};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::prepared::Prepared;
use super::schemas::{SchemaId, SchemaText};
use super::{Documents, Format, Undecodable};
use crate::base::nature;
use crate::capture::Attributes;

/// What the schema itself is called while it is compiled.
const MAIN: &str = "schema.proto";

#[derive(Debug)]
pub(super) struct Protobuf(Prepared<FileDescriptor>);

impl Protobuf {
    pub(super) fn new(prepared: Prepared<FileDescriptor>) -> Self {
        Protobuf(prepared)
    }
}

impl Format for Protobuf {
    fn decode(
        &mut self,
        body: Option<&[u8]>,
        attributes: &Attributes<'_>,
        out: &mut Documents,
    ) -> Result<(), Undecodable> {
        let body = body.ok_or_else(|| "body is null".to_owned())?;
        let Some(named) = self.0.of(body, attributes, compiled)? else {
            let is = nature(body).map(|nature| format!(": it is {nature}")).unwrap_or_default();
            return Err(Undecodable::Bad(format!("it is no Protobuf by a schema registry: it has no prefix{is}")));
        };
        if let SchemaId::Guid(guid) = &named.id {
            let reason = format!(
                "it names schema {guid} as Azure's registries do, and Protobuf is read in Confluent's wire format only"
            );
            return Err(Undecodable::Bad(reason));
        }
        let wrong = |reason: String| named.wrong(reason);
        let (path, message) = path(named.body).map_err(wrong)?;
        let descriptor = find(named.by, &path).map_err(wrong)?;
        let message = DynamicMessage::decode(descriptor, message).map_err(|error| wrong(error.to_string()))?;
        // Numbers keep all their digits as they are, and one that is 0 is no less there for not being sent.
        let options = SerializeOptions::new().stringify_64_bit_integers(false).skip_default_fields(false);
        let mut json = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut json);
        message.serialize_with_options(&mut serializer, &options).map_err(|error| wrong(error.to_string()))?;
        out.push(std::str::from_utf8(&json).map_err(|error| wrong(error.to_string()))?);
        Ok(())
    }

    fn needs_attributes(&self) -> bool {
        self.0.needs_attributes()
    }
}

/// Which message of its file it is, from the outermost inwards; a lone zero stands for the first.
fn path(body: &[u8]) -> Result<(Vec<usize>, &[u8]), String> {
    let mut rest = body;
    let count = index(&mut rest)?;
    if count == 0 {
        return Ok((vec![0], rest));
    }
    if count > 64 {
        return Err(format!("its message is nested {count} times"));
    }
    let indexes = (0..count).map(|_| index(&mut rest)).collect::<Result<_, _>>()?;
    Ok((indexes, rest))
}

/// A number in zigzag form.
fn index(rest: &mut &[u8]) -> Result<usize, String> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or("it ends before its message begins")?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let number = (value >> 1) as i64 ^ -((value & 1) as i64);
            return usize::try_from(number).map_err(|_| format!("message {number}"));
        }
    }
    Err("a number has more than 64 bits".to_owned())
}

fn find(file: &FileDescriptor, path: &[usize]) -> Result<MessageDescriptor, String> {
    let none = |index: usize| format!("its file has no message {index}");
    let (first, inner) = path.split_first().ok_or_else(|| none(0))?;
    let mut message = file.messages().nth(*first).ok_or_else(|| none(*first))?;
    for index in inner {
        let child = message.child_messages().nth(*index);
        message = child.ok_or_else(|| none(*index))?;
    }
    Ok(message)
}

/// The schema and those that it imports, by the names it imports them by.
struct Texts(HashMap<String, String>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.get(name) {
            Some(text) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

fn compiled(text: &SchemaText) -> Result<FileDescriptor, String> {
    let mut texts: HashMap<String, String> = text.references.iter().cloned().collect();
    texts.insert(MAIN.to_owned(), text.text.clone());
    let mut resolver = ChainFileResolver::new();
    resolver.add(Texts(texts));
    // The types that everybody may import.
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.open_file(MAIN).map_err(|error| error.to_string())?;
    compiler.descriptor_pool().get_file_by_name(MAIN).ok_or_else(|| "it has no file".to_owned())
}
