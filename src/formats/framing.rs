//! How a record says which schema its body was written by.

use super::schemas::SchemaId;
use crate::capture::Attributes;

/// Where a message says what its body is.
const CONTENT_TYPE: [&str; 2] = ["content-type", "contentType"];

/// The schema's name and the body behind it: Confluent's prefix (a zero byte and the number), or Azure's content type
/// (`avro/binary+ID`, `application/json+ID`) beside the body; nothing for a body that names none.
pub(super) fn named<'b>(body: &'b [u8], attributes: &Attributes<'_>) -> Option<(SchemaId, &'b [u8])> {
    let maps = [&attributes.properties, &attributes.system];
    let kinds = maps.into_iter().flat_map(|map| CONTENT_TYPE.map(|name| map.text(name)));
    let guid = kinds.flatten().find_map(|kind| kind.rsplit_once('+').map(|(_, id)| id).filter(|id| is_guid(id)));
    if let Some(guid) = guid {
        return Some((SchemaId::Guid(guid.to_ascii_lowercase()), body));
    }
    let (first, rest) = body.split_first()?;
    let (id, rest) = rest.split_first_chunk::<4>()?;
    (*first == 0).then(|| (SchemaId::Number(u32::from_be_bytes(*id)), rest))
}

/// Thirty-two hexadecimal digits, with hyphens or without.
fn is_guid(text: &str) -> bool {
    let digits = text.bytes().filter(|byte| *byte != b'-');
    digits.clone().count() == 32 && digits.clone().all(|byte| byte.is_ascii_hexdigit())
}
