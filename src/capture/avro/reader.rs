use std::cell::Cell;
use std::io::Read;
use std::ops::ControlFlow;

use super::READ_SIZE;
use super::cursor::Undecodable;
use super::damage::{Damage, DamageKind, ReadError};
use super::header::{self, Header};
use super::input::Input;
use super::plan::{Event, Plan};
use super::unpack::{Packed, Unpacked, Unpacker};

/// What reading a file may hold in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// The largest record, in bytes, that is read. Event Hubs takes at most 1 MB, 20 MB on its dedicated tiers.
    pub record: usize,
    /// The largest snappy block, in bytes, packed or unpacked: snappy cannot be unpacked in a stream.
    pub snappy_block: usize,
    /// The bytes any file may unpack to. Past that only 200 times its own bytes, which no text is compressed to:
    /// a small file cannot keep us busy for ever.
    pub unpacked: u64,
}

impl Default for ReadLimits {
    fn default() -> Self {
        ReadLimits { record: 32 << 20, snappy_block: 64 << 20, unpacked: 1 << 30 }
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
/// A file that unpacks to more than so many times its own bytes was made to.
const MOST_UNPACKED: u64 = 200;

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
    let mut unpacker = Unpacker::new(header.codec, limits);
    loop {
        let at = input.position();
        if !input.fill(1).map_err(ReadError::Source)? {
            return Ok(());
        }
        let damage = |kind| Damage { at, kind };
        let (count, size) = read_block_header(&mut input, at)?;
        let left = Cell::new(size);
        let allowance = Allowance { any: limits.unpacked, end: input.position().saturating_add(size), left: &left };
        let mut packed = Packed::new(&mut input, &left);
        let flow = {
            let mut unpacked = unpacker.unpack(&mut packed).map_err(&damage)?;
            read_block(&mut unpacked, &mut window, count, &header.plan, limits, &allowance, &mut each)
        };
        match flow {
            Ok(ControlFlow::Break(())) => return Ok(()),
            Ok(ControlFlow::Continue(())) => {}
            Err(kind) => return Err(packed.explain(damage(kind))),
        }
        let rest = left.get();
        if rest > 0 {
            return Err(packed.explain(damage(DamageKind::Record {
                index: count,
                reason: format!("its block has {rest} bytes more than its records"),
            })));
        }
        let at = input.position();
        if !input.fill(16).map_err(ReadError::Source)? {
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
        let complete = input.fill(wanted).map_err(ReadError::Source)?;
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
            return Err(damage(DamageKind::TooLarge { what: "the header", limit: HEADER_LIMIT as u64 }));
        }
    }
}

fn read_block_header(input: &mut Input<impl Read>, at: u64) -> Result<(u64, u64), ReadError> {
    let damage = |kind| ReadError::from(Damage { at, kind });
    // Two numbers of at most ten bytes each; near the end of the file fewer bytes may follow, which is fine.
    input.fill(20).map_err(ReadError::Source)?;
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
    allowance: &Allowance<'_>,
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
                        return Err(DamageKind::TooLarge { what: "a record", limit: limits.record as u64 });
                    }
                    if !window.refill(unpacked, allowance)? {
                        return Err(DamageKind::Record { index, reason: "it goes on past its block".to_owned() });
                    }
                }
            }
        };
        window.consume(taken);
    }
    if !window.bytes().is_empty() || window.refill(unpacked, allowance)? {
        return Err(DamageKind::Record {
            index: count,
            reason: "its block has more bytes than its records".to_owned(),
        });
    }
    Ok(ControlFlow::Continue(()))
}

/// How much a file may unpack to, given how much of it was read.
struct Allowance<'a> {
    /// What any file may.
    any: u64,
    /// Where the block at hand ends in the file.
    end: u64,
    /// Bytes of the block that were not read yet: what it claims to have does not count.
    left: &'a Cell<u64>,
}

impl Allowance<'_> {
    fn check(&self, unpacked: u64) -> Result<(), DamageKind> {
        let limit = self.any.max(self.end.saturating_sub(self.left.get()).saturating_mul(MOST_UNPACKED));
        if unpacked > limit {
            return Err(DamageKind::TooLarge { what: "what the file unpacks to", limit });
        }
        Ok(())
    }
}

/// The bytes of a block that are unpacked and not yet decoded.
#[derive(Default)]
struct Window {
    buffer: Vec<u8>,
    start: usize,
    /// Bytes of the whole file that were unpacked.
    unpacked: u64,
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
    fn refill(&mut self, unpacked: &mut Unpacked<'_>, allowance: &Allowance<'_>) -> Result<bool, DamageKind> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let before = self.buffer.len();
        unpacked.read(READ_SIZE.max(before), &mut self.buffer)?;
        let read = self.buffer.len() - before;
        self.unpacked += read as u64;
        allowance.check(self.unpacked)?;
        Ok(read > 0)
    }
}

#[cfg(test)]
mod tests;
