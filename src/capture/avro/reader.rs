use std::cell::Cell;
use std::io::Read;
use std::ops::ControlFlow;

use super::READ_SIZE;
use super::block::Block;
use super::codec::Codec;
use super::cursor::Undecodable;
use super::damage::{Damage, DamageKind, ReadError};
use super::header::{self, Header};
use super::input::Input;
use super::limits::ReadLimits;
use super::plan::{Event, Plan};
use super::unpack::{Packed, Unpacked, Unpacker};

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
        let flow = if header.codec == Codec::Null {
            read_block(&mut packed, count, &header.plan, limits, &mut each)
        } else {
            let unpacked = unpacker.unpack(&mut packed).map_err(&damage)?;
            let mut block = window.over(unpacked, &allowance);
            read_block(&mut block, count, &header.plan, limits, &mut each)
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
        read_sync(&mut input, &header.sync)?;
    }
}

pub(super) fn read_header(input: &mut Input<impl Read>) -> Result<Header, ReadError> {
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

pub(super) fn read_block_header(input: &mut Input<impl Read>, at: u64) -> Result<(u64, u64), ReadError> {
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

/// Steps over the marker that ends a block.
pub(super) fn read_sync(input: &mut Input<impl Read>, sync: &[u8; 16]) -> Result<(), ReadError> {
    let at = input.position();
    if !input.fill(16).map_err(ReadError::Source)? {
        return Err(Damage { at, kind: DamageKind::Truncated("no sync marker after a block") }.into());
    }
    if input.buffered()[..16] != *sync {
        return Err(Damage { at, kind: DamageKind::WrongSync }.into());
    }
    input.consume(16);
    Ok(())
}

/// Decodes a block's records.
fn read_block(
    block: &mut impl Block,
    count: u64,
    plan: &Plan,
    limits: ReadLimits,
    each: &mut impl FnMut(Event<'_>) -> ControlFlow<Stop>,
) -> Result<ControlFlow<()>, DamageKind> {
    for index in 0..count {
        let taken = loop {
            match plan.decode(block.at_hand()) {
                Ok((event, taken)) => match each(event) {
                    ControlFlow::Continue(()) => break taken,
                    ControlFlow::Break(Stop::Enough) => return Ok(ControlFlow::Break(())),
                    ControlFlow::Break(Stop::Bad(reason)) => return Err(DamageKind::Record { index, reason }),
                },
                Err(Undecodable::Bad(reason)) => return Err(DamageKind::Record { index, reason }),
                Err(Undecodable::Short) => {
                    if block.at_hand().len() >= limits.record {
                        return Err(DamageKind::TooLarge { what: "a record", limit: limits.record as u64 });
                    }
                    if !block.more()? {
                        return Err(DamageKind::Record { index, reason: "it goes on past its block".to_owned() });
                    }
                }
            }
        };
        block.step(taken);
    }
    if !block.at_hand().is_empty() || block.more()? {
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
    /// Begins a block.
    fn over<'w>(&'w mut self, unpacked: Unpacked<'w>, allowance: &'w Allowance<'w>) -> Sliding<'w> {
        self.buffer.clear();
        self.start = 0;
        Sliding { window: self, unpacked, allowance }
    }
}

/// A window that slides over a block as it is unpacked.
struct Sliding<'w> {
    window: &'w mut Window,
    unpacked: Unpacked<'w>,
    allowance: &'w Allowance<'w>,
}

impl Block for Sliding<'_> {
    fn at_hand(&self) -> &[u8] {
        &self.window.buffer[self.window.start..]
    }

    fn step(&mut self, length: usize) {
        self.window.start += length;
    }

    fn more(&mut self) -> Result<bool, DamageKind> {
        let Window { buffer, start, unpacked } = &mut *self.window;
        buffer.drain(..*start);
        *start = 0;
        let before = buffer.len();
        self.unpacked.read(READ_SIZE.max(before), buffer)?;
        let read = buffer.len() - before;
        *unpacked += read as u64;
        self.allowance.check(*unpacked)?;
        Ok(read > 0)
    }
}

#[cfg(test)]
mod tests;
