//! A block's bytes, unpacked as they are asked for.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

use super::block::Block;
use super::codec::Codec;
use super::damage::{Damage, DamageKind, ReadError};
use super::input::Input;
use super::limits::ReadLimits;

/// Unpacks one block after another.
pub(super) struct Unpacker {
    codec: Codec,
    limits: ReadLimits,
    /// Kept from block to block: blocks are small, and making a new one costs as much as unpacking them.
    inflate: Option<Decompress>,
}

impl Unpacker {
    pub(super) fn new(codec: Codec, limits: ReadLimits) -> Self {
        Unpacker { codec, limits, inflate: None }
    }

    pub(super) fn unpack<'a, R: Read>(&'a mut self, packed: &'a mut Packed<'_, R>) -> Result<Unpacked<'a>, DamageKind> {
        let codec = self.codec;
        let failed = |error: io::Error| DamageKind::Decompress { codec, reason: error.to_string() };
        let reader: Box<dyn Read + 'a> = match codec {
            Codec::Null => Box::new(packed),
            Codec::Deflate => {
                let state = self.inflate.get_or_insert_with(|| Decompress::new(false));
                state.reset(false);
                Box::new(Inflate { packed, state })
            }
            Codec::Zstandard => Box::new(zstd::stream::read::Decoder::with_buffer(packed).map_err(failed)?),
            Codec::Snappy => Box::new(io::Cursor::new(unpack_snappy(packed, self.limits.snappy_block)?)),
        };
        Ok(Unpacked { reader, codec })
    }
}

/// One block's unpacked bytes.
pub(super) struct Unpacked<'a> {
    reader: Box<dyn Read + 'a>,
    codec: Codec,
}

impl Unpacked<'_> {
    /// Appends the next bytes, at most `length`; fewer only at the end of the block.
    pub(super) fn read(&mut self, length: usize, out: &mut Vec<u8>) -> Result<(), DamageKind> {
        let read = self.reader.by_ref().take(length as u64).read_to_end(out);
        read.map(drop).map_err(|error| DamageKind::Decompress { codec: self.codec, reason: error.to_string() })
    }
}

struct Inflate<'a, P> {
    packed: P,
    state: &'a mut Decompress,
}

impl<P: BufRead> Read for Inflate<'_, P> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.packed.fill_buf()?;
            let flush = if input.is_empty() { FlushDecompress::Finish } else { FlushDecompress::None };
            let (ended, given) = (input.is_empty(), input.len());
            let (taken, made) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, out, flush).map_err(io::Error::other)?;
            let made = (self.state.total_out() - made) as usize;
            let taken = (self.state.total_in() - taken) as usize;
            if status == Status::StreamEnd {
                // Some writers cut off zlib's wrapper by hand and leave a part of its checksum behind.
                self.packed.consume(given);
                return Ok(made);
            }
            self.packed.consume(taken);
            if made > 0 || ended || out.is_empty() {
                return Ok(made);
            }
        }
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

/// The packed bytes of one block.
pub(super) struct Packed<'a, R> {
    input: &'a mut Input<R>,
    /// Shared with who bounds what is unpacked.
    left: &'a Cell<u64>,
}

impl<'a, R: Read> Packed<'a, R> {
    pub(super) fn new(input: &'a mut Input<R>, left: &'a Cell<u64>) -> Self {
        Packed { input, left }
    }

    /// What went wrong, seen from the file: bytes that were not to be had and a file that ends early show inside a
    /// block as nonsense, and that nonsense is not the reason.
    pub(super) fn explain(self, damage: Damage) -> ReadError {
        match self.input.take_failure() {
            Some(error) => ReadError::Source(error),
            None if self.input.ended() && self.left.get() > self.input.buffered().len() as u64 => {
                Damage { at: damage.at, kind: DamageKind::Truncated("inside a block") }.into()
            }
            None => damage.into(),
        }
    }
}

/// A block that is not compressed is decoded where it was read.
impl<R: Read> Block for Packed<'_, R> {
    fn at_hand(&self) -> &[u8] {
        let buffered = self.input.buffered();
        &buffered[..buffered.len().min(usize::try_from(self.left.get()).unwrap_or(usize::MAX))]
    }

    fn step(&mut self, length: usize) {
        self.consume(length);
    }

    fn more(&mut self) -> Result<bool, DamageKind> {
        let before = self.at_hand().len();
        if before as u64 >= self.left.get() {
            return Ok(false);
        }
        self.input.more().map_err(|error| DamageKind::Decompress { codec: Codec::Null, reason: error.to_string() })?;
        Ok(self.at_hand().len() > before)
    }
}

impl<R: Read> BufRead for Packed<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left.get() == 0 {
            return Ok(&[]);
        }
        let buffered = self.input.some()?;
        let length = buffered.len().min(usize::try_from(self.left.get()).unwrap_or(usize::MAX));
        Ok(&buffered[..length])
    }

    fn consume(&mut self, length: usize) {
        self.input.consume(length);
        self.left.set(self.left.get() - length as u64);
    }
}

impl<R: Read> Read for Packed<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}
