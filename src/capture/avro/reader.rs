use std::io::{self, Read};
use std::ops::ControlFlow;

use super::codec::Codec;
use super::cursor::Undecodable;
use super::damage::{Damage, DamageKind, ReadError};
use super::header::{self, Header};
use super::plan::{Event, Plan};

/// What reading a file may hold in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// The largest record, in bytes, that is read. Event Hubs takes at most 1 MB, 20 MB on its dedicated tiers.
    pub record: usize,
    /// The largest snappy block, in bytes, packed or unpacked: snappy cannot be unpacked in a stream.
    pub snappy_block: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        ReadLimits { record: 32 << 20, snappy_block: 64 << 20 }
    }
}

/// Why a reader of events wants no more of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It has what it wanted; reading ends well.
    Enough,
    /// The event makes no sense to it, and so the file does not; reading ends as damaged, for this reason.
    Bad(String),
}

const HEADER_LIMIT: usize = 1 << 20;
const READ_SIZE: usize = 256 << 10;

/// Reads a file's events in order, each handed to `each`, until it breaks or the file ends.
///
/// An empty file (a header and no block) is a silent window, not an error. Memory is bounded by `limits`, whatever
/// sizes the file claims.
///
/// # Errors
/// [`ReadError::Source`] when the bytes could not be had; [`ReadError::Damage`] where the file is bad. All events
/// before that point were handed over: those of a damaged block up to the first bad record.
pub fn read_events(
    source: impl Read,
    limits: ReadLimits,
    mut each: impl FnMut(Event<'_>) -> ControlFlow<Stop>,
) -> Result<(), ReadError> {
    let mut input = Input::new(source);
    let header = read_header(&mut input)?;
    let mut window = Window::default();
    loop {
        let at = input.position();
        if !input.fill(1)? {
            return Ok(());
        }
        let damage = |kind| Damage { at, kind };
        let (count, size) = read_block_header(&mut input, at)?;
        let mut packed = Packed { input: &mut input, left: size };
        let flow = {
            let mut unpacked = unpack(&mut packed, header.codec, limits).map_err(&damage)?;
            read_block(&mut unpacked, &mut window, count, &header.plan, limits, &mut each)
        };
        match flow {
            Ok(ControlFlow::Break(())) => return Ok(()),
            Ok(ControlFlow::Continue(())) => {}
            Err(kind) => return Err(packed.explain(damage(kind))),
        }
        let rest = packed.left;
        if rest > 0 {
            return Err(packed.explain(damage(DamageKind::Record {
                index: count,
                reason: format!("its block has {rest} bytes more than its records"),
            })));
        }
        let at = input.position();
        if !input.fill(16)? {
            return Err(Damage { at, kind: DamageKind::Truncated("no sync marker after a block") }.into());
        }
        if input.buffered()[..16] != header.sync {
            return Err(Damage { at, kind: DamageKind::WrongSync }.into());
        }
        input.consume(16);
    }
}

fn read_header(input: &mut Input<impl Read>) -> Result<Header, ReadError> {
    let damage = |kind| ReadError::from(Damage { at: 0, kind });
    let mut wanted = 1;
    loop {
        let complete = input.fill(wanted)?;
        if input.buffered().is_empty() {
            return Err(damage(DamageKind::Truncated("it has no bytes at all")));
        }
        if let Some((header, length)) = header::parse(input.buffered()).map_err(damage)? {
            input.consume(length);
            return Ok(header);
        }
        if !complete {
            return Err(damage(DamageKind::Truncated("inside its header")));
        }
        wanted = input.buffered().len() + 1;
        if wanted > HEADER_LIMIT {
            return Err(damage(DamageKind::TooLarge { what: "the header", limit: HEADER_LIMIT }));
        }
    }
}

fn read_block_header(input: &mut Input<impl Read>, at: u64) -> Result<(u64, u64), ReadError> {
    let damage = |kind| ReadError::from(Damage { at, kind });
    // Two numbers of at most ten bytes each; near the end of the file fewer bytes may follow, which is fine.
    input.fill(20)?;
    let mut cursor = super::cursor::Cursor::new(input.buffered());
    let mut number = || {
        cursor.long().map_err(|error| match error {
            Undecodable::Short => damage(DamageKind::Truncated("inside a block's header")),
            Undecodable::Bad(reason) => damage(DamageKind::Header(reason)),
        })
    };
    let (count, size) = (number()?, number()?);
    let length = cursor.position();
    match (u64::try_from(count), u64::try_from(size)) {
        (Ok(claimed), Ok(bytes)) => {
            input.consume(length);
            Ok((claimed, bytes))
        }
        _ => Err(damage(DamageKind::BlockHeader { count, size })),
    }
}

/// Decodes a block's records out of a sliding window over its unpacked bytes.
fn read_block(
    unpacked: &mut Unpacked<'_>,
    window: &mut Window,
    count: u64,
    plan: &Plan,
    limits: ReadLimits,
    each: &mut impl FnMut(Event<'_>) -> ControlFlow<Stop>,
) -> Result<ControlFlow<()>, DamageKind> {
    window.clear();
    for index in 0..count {
        let taken = loop {
            match plan.decode(window.bytes()) {
                Ok((event, taken)) => match each(event) {
                    ControlFlow::Continue(()) => break taken,
                    ControlFlow::Break(Stop::Enough) => return Ok(ControlFlow::Break(())),
                    ControlFlow::Break(Stop::Bad(reason)) => return Err(DamageKind::Record { index, reason }),
                },
                Err(Undecodable::Bad(reason)) => return Err(DamageKind::Record { index, reason }),
                Err(Undecodable::Short) => {
                    if window.bytes().len() >= limits.record {
                        return Err(DamageKind::TooLarge { what: "a record", limit: limits.record });
                    }
                    if !window.refill(unpacked)? {
                        return Err(DamageKind::Record { index, reason: "it goes on past its block".to_owned() });
                    }
                }
            }
        };
        window.consume(taken);
    }
    if !window.bytes().is_empty() || window.refill(unpacked)? {
        return Err(DamageKind::Record {
            index: count,
            reason: "its block has more bytes than its records".to_owned(),
        });
    }
    Ok(ControlFlow::Continue(()))
}

/// The bytes of a block that are unpacked and not yet decoded.
#[derive(Default)]
struct Window {
    buffer: Vec<u8>,
    start: usize,
}

impl Window {
    fn clear(&mut self) {
        self.buffer.clear();
        self.start = 0;
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn consume(&mut self, length: usize) {
        self.start += length;
    }

    /// Adds at least one byte, and at least as many as are there, so that a large record costs few copies; false at
    /// the end of the block.
    fn refill(&mut self, unpacked: &mut Unpacked<'_>) -> Result<bool, DamageKind> {
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
        Ok(self.buffer.len() > before)
    }
}

struct Unpacked<'a> {
    reader: Box<dyn Read + 'a>,
    codec: Codec,
}

fn unpack<'a, R: Read>(
    packed: &'a mut Packed<'_, R>,
    codec: Codec,
    limits: ReadLimits,
) -> Result<Unpacked<'a>, DamageKind> {
    let failed = |error: io::Error| DamageKind::Decompress { codec, reason: error.to_string() };
    let reader: Box<dyn Read + 'a> = match codec {
        Codec::Null => Box::new(packed),
        Codec::Deflate => Box::new(flate2::read::DeflateDecoder::new(packed)),
        Codec::Zstandard => Box::new(zstd::stream::read::Decoder::new(packed).map_err(failed)?),
        Codec::Snappy => Box::new(io::Cursor::new(unpack_snappy(packed, limits.snappy_block)?)),
    };
    Ok(Unpacked { reader, codec })
}

/// Avro's snappy: one raw snappy block, then the CRC-32 of what it unpacks to, big-endian.
fn unpack_snappy<R: Read>(packed: &mut Packed<'_, R>, limit: usize) -> Result<Vec<u8>, DamageKind> {
    let bad = |reason: String| DamageKind::Decompress { codec: Codec::Snappy, reason };
    let too_large = DamageKind::TooLarge { what: "a snappy block", limit };
    if packed.left > limit as u64 {
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
struct Packed<'a, R> {
    input: &'a mut Input<R>,
    left: u64,
}

impl<R: Read> Read for Packed<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let wanted = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.input.read(&mut out[..wanted])?;
        self.left -= read as u64;
        Ok(read)
    }
}

impl<R: Read> Packed<'_, R> {
    /// What went wrong, seen from the file: bytes that were not to be had and a file that ends early show inside a
    /// block as nonsense, and that nonsense is not the reason.
    fn explain(self, damage: Damage) -> ReadError {
        match self.input.failure.take() {
            Some(error) => ReadError::Source(error),
            None if self.input.ended && self.left > 0 => {
                Damage { at: damage.at, kind: DamageKind::Truncated("inside a block") }.into()
            }
            None => damage.into(),
        }
    }
}

/// The file's bytes with their position.
struct Input<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    taken: u64,
    ended: bool,
    failure: Option<io::Error>,
}

impl<R: Read> Input<R> {
    fn new(source: R) -> Self {
        Input { source, buffer: Vec::new(), start: 0, taken: 0, ended: false, failure: None }
    }

    fn position(&self) -> u64 {
        self.taken
    }

    fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn consume(&mut self, length: usize) {
        self.start += length;
        self.taken += length as u64;
    }

    /// Sees to it that `wanted` bytes are buffered; false when the file ends before.
    fn fill(&mut self, wanted: usize) -> Result<bool, ReadError> {
        while self.buffered().len() < wanted {
            if self.start > 0 {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            let before = self.buffer.len();
            self.buffer.resize(before + READ_SIZE, 0);
            let read = read_some(&mut self.source, &mut self.buffer[before..]);
            self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
            if read.map_err(ReadError::Source)? == 0 {
                self.ended = true;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = if self.buffered().is_empty() {
            match read_some(&mut self.source, out) {
                Ok(0) if !out.is_empty() => {
                    self.ended = true;
                    0
                }
                Ok(read) => read,
                Err(error) => {
                    let told = io::Error::new(error.kind(), error.to_string());
                    self.failure = Some(error);
                    return Err(told);
                }
            }
        } else {
            let read = out.len().min(self.buffered().len());
            out[..read].copy_from_slice(&self.buffered()[..read]);
            self.start += read;
            read
        };
        self.taken += read as u64;
        Ok(read)
    }
}

fn read_some(source: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(out) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests;
