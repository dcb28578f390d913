//! Records of one route on their way to rows: unpacked, decoded, mapped.

use super::gzip::{is_packed, unpack};
use super::reader::Decoding;
use super::{Documents, Format, SchemaId, Undecodable, Wanted};
use crate::capture::Attributes;
use crate::rows::{Batch, Envelope, Mapper, Reject, Table, Unmapped};

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// So many rows, at least one.
    Rows(u32),
    /// Nothing, as its route wants it: a tombstone, a batch of none.
    Skipped,
}

/// Why a record is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It does not fit its format or its table.
    Reject(Reject),
    /// It names a schema of which nothing is known yet: ask for it, and push the record again.
    Schema(SchemaId),
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        Refusal::Reject(reject)
    }
}

/// Turns records into rows of one table.
#[derive(Debug)]
pub struct Rower {
    mapper: Mapper,
    decoding: Decoding,
    /// `None` where the body is the row.
    format: Option<Box<dyn Format>>,
    documents: Documents,
    unpacked: Vec<u8>,
    indexed: bool,
}

impl Rower {
    /// With no rows yet.
    pub fn new(table: &Table, decoding: &Decoding) -> Self {
        Rower {
            mapper: Mapper::new(table),
            format: decoding.decoder(Wanted::of(table)),
            decoding: decoding.clone(),
            documents: Documents::default(),
            unpacked: Vec::new(),
            indexed: table.is_indexed(),
        }
    }

    /// Whether what a record says beside its body matters.
    pub fn needs_attributes(table: &Table, decoding: &Decoding) -> bool {
        table.takes_attributes() || decoding.decoder(Wanted::all()).is_some_and(|format| format.needs_attributes())
    }

    /// Adds a record.
    ///
    /// # Errors
    /// When it does not fit its format or the table; it then leaves nothing behind.
    pub fn push(
        &mut self,
        envelope: Envelope<'_>,
        attributes: &Attributes<'_>,
        body: Option<&[u8]>,
    ) -> Result<Taken, Refusal> {
        let body = match body {
            Some(packed) if is_packed(packed) => {
                unpack(packed, &mut self.unpacked).map_err(Reject::Body)?;
                Some(&*self.unpacked)
            }
            body => body,
        };
        let Some(format) = &mut self.format else {
            return match self.mapper.push_with(envelope, attributes, self.decoding.unprefixed(body)) {
                Ok(()) => Ok(Taken::Rows(1)),
                Err(Reject::Tombstone) => Ok(Taken::Skipped),
                Err(reject) => Err(reject.into()),
            };
        };
        if self.mapper.skips_tombstones() && body.is_none_or(<[u8]>::is_empty) {
            return Ok(Taken::Skipped);
        }
        self.documents.clear();
        match format.decode(body, attributes, &mut self.documents) {
            Ok(()) if self.documents.is_empty() => return Ok(Taken::Skipped),
            Ok(()) => {}
            Err(Undecodable::Nothing) => return Ok(Taken::Skipped),
            Err(Undecodable::Bad(reason)) => return Err(Reject::Body(reason).into()),
            Err(Undecodable::Schema(id)) => return Err(Refusal::Schema(id)),
        }
        let rows = self.documents.len();
        if rows > 1 && !self.indexed {
            return Err(Reject::Several(rows).into());
        }
        let count = u32::try_from(rows).map_err(|_| Reject::Several(rows))?;
        self.mapper.push_all(envelope, attributes, self.documents.iter().map(str::as_bytes))?;
        Ok(Taken::Rows(count))
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.mapper.rows()
    }

    /// Bytes of the rows' literals so far.
    pub fn bytes(&self) -> usize {
        self.mapper.bytes()
    }

    /// Takes the rows out.
    pub fn take(&mut self) -> Batch {
        self.mapper.take()
    }

    /// How many values had no column and were not rescued, of all records so far.
    pub fn unmapped(&self) -> u64 {
        self.mapper.unmapped()
    }

    /// Which fields of loaded records had no column and were not rescued, and how often, since this was last asked.
    pub fn take_unmapped(&mut self) -> Unmapped {
        self.mapper.take_unmapped()
    }
}
