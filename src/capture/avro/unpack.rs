//! Blocks are decompressed as they are decoded: neither whole blocks nor whole files are held.

use std::cell::Cell;
use std::io::{self, Read};

use super::READ_SIZE;
use super::codec::Codec;
use super::damage::DamageKind;
use super::input::Packed;
use super::reader::ReadLimits;

/// The bytes of a block that are unpacked and not yet decoded.
#[derive(Default)]
pub(super) struct Window {
    buffer: Vec<u8>,
    start: usize,
}

impl Window {
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.start = 0;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
    }

    /// Adds at least one byte, and at least as many as are there, so that a large record costs few copies; false at
    /// the end of the block.
    pub(super) fn refill(&mut self, unpacked: &mut Unpacked<'_>) -> Result<bool, DamageKind> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let before = self.buffer.len();
        let wanted = READ_SIZE.max(before);
        unpacked
            .reader
            .by_ref()
            .take(wanted as u64)
            .read_to_end(&mut self.buffer)
            .map_err(|error| DamageKind::Decompress { codec: unpacked.codec, reason: error.to_string() })?;
        let read = self.buffer.len() - before;
        unpacked.count(read as u64)?;
        Ok(read > 0)
    }
}

/// How much of a file went in and came out.
#[derive(Clone, Copy)]
pub(super) struct Spent<'a> {
    /// Bytes the blocks before this one unpacked to.
    pub(super) unpacked: u64,
    /// Bytes of the file up to this block's end.
    pub(super) packed: u64,
    /// Bytes of this block that were not read yet.
    pub(super) left: &'a Cell<u64>,
}

/// A block's bytes as they were before they were compressed.
pub(super) struct Unpacked<'a> {
    reader: Box<dyn Read + 'a>,
    codec: Codec,
    spent: Spent<'a>,
    limit: u64,
}

/// A file that unpacks to more than so many times its own bytes was made to.
const MOST_UNPACKED: u64 = 200;

impl<'a> Unpacked<'a> {
    pub(super) fn new<R: Read>(
        packed: &'a mut Packed<'_, R>,
        codec: Codec,
        limits: ReadLimits,
        spent: Spent<'a>,
    ) -> Result<Self, DamageKind> {
        let failed = |error: io::Error| DamageKind::Decompress { codec, reason: error.to_string() };
        let reader: Box<dyn Read + 'a> = match codec {
            Codec::Null => Box::new(packed),
            Codec::Deflate => Box::new(flate2::read::DeflateDecoder::new(packed)),
            Codec::Zstandard => Box::new(zstd::stream::read::Decoder::new(packed).map_err(failed)?),
            Codec::Snappy => Box::new(io::Cursor::new(unpack_snappy(packed, limits.snappy_block)?)),
        };
        Ok(Unpacked { reader, codec, spent, limit: limits.unpacked })
    }

    /// What the file has unpacked to so far.
    pub(super) fn bytes(&self) -> u64 {
        self.spent.unpacked
    }

    fn count(&mut self, read: u64) -> Result<(), DamageKind> {
        self.spent.unpacked += read;
        let packed = self.spent.packed.saturating_sub(self.spent.left.get());
        let limit = self.limit.max(packed.saturating_mul(MOST_UNPACKED));
        if self.spent.unpacked > limit {
            return Err(DamageKind::TooLarge { what: "what the file unpacks to", limit });
        }
        Ok(())
    }
}

/// Avro's snappy: one raw snappy block, then the CRC-32 of what it unpacks to, big-endian.
fn unpack_snappy<R: Read>(packed: &mut Packed<'_, R>, limit: usize) -> Result<Vec<u8>, DamageKind> {
    let bad = |reason: String| DamageKind::Decompress { codec: Codec::Snappy, reason };
    let too_large = DamageKind::TooLarge { what: "a snappy block", limit: limit as u64 };
    if packed.left.get() > limit as u64 {
        return Err(too_large);
    }
    let mut block = Vec::new();
    packed.read_to_end(&mut block).map_err(|error| bad(error.to_string()))?;
    let (data, checksum) = block.split_last_chunk::<4>().ok_or_else(|| bad("it has no checksum".to_owned()))?;
    if snap::raw::decompress_len(data).map_err(|error| bad(error.to_string()))? > limit {
        return Err(too_large);
    }
    let unpacked = snap::raw::Decoder::new().decompress_vec(data).map_err(|error| bad(error.to_string()))?;
    if crc32fast::hash(&unpacked) != u32::from_be_bytes(*checksum) {
        return Err(bad("its checksum differs".to_owned()));
    }
    Ok(unpacked)
}
