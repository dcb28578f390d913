use std::io::{self, Read};

use super::READ_SIZE;

/// The file's bytes with their position.
pub(super) struct Input<R> {
    source: R,
    /// Room for bytes, of which those from `start` to `end` are read and not yet consumed.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    taken: u64,
    ended: bool,
    failure: Option<io::Error>,
}

impl<R: Read> Input<R> {
    pub(super) fn new(source: R) -> Self {
        Input { source, buffer: Vec::new(), start: 0, end: 0, taken: 0, ended: false, failure: None }
    }

    pub(super) fn position(&self) -> u64 {
        self.taken
    }

    pub(super) fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
        self.taken += length as u64;
    }

    /// Sees to it that `wanted` bytes are buffered; false when the file ends before.
    pub(super) fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        while self.buffered().len() < wanted {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.buffer.len() < self.end + READ_SIZE {
                self.buffer.resize(self.end + READ_SIZE, 0);
            }
            let read = read_some(&mut self.source, &mut self.buffer[self.end..])?;
            self.end += read;
            if read == 0 {
                self.ended = true;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Some bytes, as many as are at hand; none only at the end of the file.
    pub(super) fn some(&mut self) -> io::Result<&[u8]> {
        if self.buffered().is_empty() {
            self.fill_in_block(1)?;
        }
        Ok(self.buffered())
    }

    /// More bytes than are at hand, twice as many if the file has them.
    pub(super) fn more(&mut self) -> io::Result<()> {
        self.fill_in_block((2 * self.buffered().len()).max(1))
    }

    fn fill_in_block(&mut self, wanted: usize) -> io::Result<()> {
        self.fill(wanted).map(drop).map_err(|error| {
            let told = io::Error::new(error.kind(), error.to_string());
            self.failure = Some(error);
            told
        })
    }

    /// Whether the source has no more bytes.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Why the source last failed inside a block.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
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
