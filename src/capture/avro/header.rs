use std::collections::HashMap;

use apache_avro::Schema;

use super::codec::Codec;
use super::cursor::{Cursor, Undecodable};
use super::damage::DamageKind;
use super::plan::Plan;

pub(super) const MAGIC: &[u8; 4] = b"Obj\x01";

/// A file's header: how to read what follows.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) codec: Codec,
    pub(super) plan: Plan,
    pub(super) schema: Schema,
    pub(super) sync: [u8; 16],
}

/// The header and its length in bytes; `None` while it is not all there.
pub(super) fn parse(data: &[u8]) -> Result<Option<(Header, usize)>, DamageKind> {
    let known = data.len().min(MAGIC.len());
    if data[..known] != MAGIC[..known] {
        return Err(DamageKind::WrongMagic);
    }
    match raw(data) {
        Err(Undecodable::Short) => Ok(None),
        Err(Undecodable::Bad(reason)) => Err(DamageKind::Header(reason)),
        Ok((meta, sync, length)) => Ok(Some((understand(&meta, sync)?, length))),
    }
}

type Meta<'a> = HashMap<&'a str, &'a [u8]>;

fn raw(data: &[u8]) -> Result<(Meta<'_>, [u8; 16], usize), Undecodable> {
    let mut cursor = Cursor::new(data);
    cursor.take(MAGIC.len())?;
    let mut meta = Meta::new();
    loop {
        let count = cursor.long()?;
        if count == 0 {
            break;
        }
        if count < 0 {
            cursor.long()?;
        }
        for _ in 0..count.unsigned_abs() {
            let key = cursor.string()?;
            meta.insert(key, cursor.bytes()?);
        }
    }
    let sync = cursor.take(16)?.try_into().map_err(|_| Undecodable::Short)?;
    Ok((meta, sync, cursor.position()))
}

fn understand(meta: &Meta<'_>, sync: [u8; 16]) -> Result<Header, DamageKind> {
    let text = |key: &str| {
        meta.get(key)
            .map(|value| std::str::from_utf8(value).map_err(|_| DamageKind::Header(format!("{key} is not UTF-8"))))
            .transpose()
    };
    let codec = text("avro.codec")?.unwrap_or("null").parse()?;
    let schema = text("avro.schema")?.ok_or_else(|| DamageKind::Header("it has no avro.schema".to_owned()))?;
    let schema =
        Schema::parse_str(schema).map_err(|error| DamageKind::Header(format!("its schema cannot be read: {error}")))?;
    let plan = Plan::new(&schema).map_err(DamageKind::OtherSchema)?;
    Ok(Header { codec, plan, schema, sync })
}
