//! A file's bytes as they come, and those of one block among them.

use std::cell::Cell;
use std::io::{self, Read};

use super::READ_SIZE;
use super::damage::{Damage, DamageKind, ReadError};

/// The packed bytes of one block.
pub(super) struct Packed<'a, R> {
    pub(super) input: &'a mut Input<R>,
    pub(super) left: &'a Cell<u64>,
}

impl<R: Read> Read for Packed<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let wanted = out.len().min(usize::try_from(self.left.get()).unwrap_or(usize::MAX));
        let read = self.input.read(&mut out[..wanted])?;
        self.left.set(self.left.get() - read as u64);
        Ok(read)
    }
}

impl<R: Read> Packed<'_, R> {
    /// What went wrong, seen from the file: bytes that were not to be had and a file that ends early show inside a
    /// block as nonsense, and that nonsense is not the reason.
    pub(super) fn explain(self, damage: Damage) -> ReadError {
        match self.input.failure.take() {
            Some(error) => ReadError::Source(error),
            None if self.input.ended && self.left.get() > 0 => {
                Damage { at: damage.at, kind: DamageKind::Truncated("inside a block") }.into()
            }
            None => damage.into(),
        }
    }
}

/// The file's bytes with their position.
pub(super) struct Input<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    taken: u64,
    ended: bool,
    failure: Option<io::Error>,
}

impl<R: Read> Input<R> {
    pub(super) fn new(source: R) -> Self {
        Input { source, buffer: Vec::new(), start: 0, taken: 0, ended: false, failure: None }
    }

    pub(super) fn position(&self) -> u64 {
        self.taken
    }

    pub(super) fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
        self.taken += length as u64;
    }

    /// Sees to it that `wanted` bytes are buffered; false when the file ends before.
    pub(super) fn fill(&mut self, wanted: usize) -> Result<bool, ReadError> {
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
