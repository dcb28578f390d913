use super::node::Node;

/// Why a datum could not be decoded from the bytes at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undecodable {
    /// It goes on past the end of the bytes: with more of them it may be fine.
    Short,
    /// It is wrong whatever follows.
    Bad(String),
}

/// Decodes Avro's primitives from a slice, borrowing from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Cursor { data, position: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn long(&mut self) -> Result<i64, Undecodable> {
        // Lengths, counts and branches nearly always have one byte.
        if let Some(byte) = self.data.get(self.position).filter(|byte| **byte < 0x80) {
            self.position += 1;
            return Ok(i64::from(byte >> 1) ^ -i64::from(byte & 1));
        }
        let mut value = 0u64;
        for shift in (0..).step_by(7) {
            let byte = *self.data.get(self.position).ok_or(Undecodable::Short)?;
            self.position += 1;
            if shift == 63 && byte > 1 {
                return Err(Undecodable::Bad("a number has more than 64 bits".to_owned()));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Undecodable> {
        let end = self.position.checked_add(length).ok_or(Undecodable::Short)?;
        let slice = self.data.get(self.position..end).ok_or(Undecodable::Short)?;
        self.position = end;
        Ok(slice)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Undecodable> {
        let length = self.length()?;
        self.take(length)
    }

    pub(super) fn string(&mut self) -> Result<&'a str, Undecodable> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Undecodable::Bad("a string is not UTF-8".to_owned()))
    }

    pub(super) fn branch(&mut self, branches: usize) -> Result<usize, Undecodable> {
        let index = self.long()?;
        usize::try_from(index)
            .ok()
            .filter(|index| *index < branches)
            .ok_or_else(|| Undecodable::Bad(format!("branch {index} of a union of {branches}")))
    }

    pub(super) fn skip(&mut self, node: &Node) -> Result<(), Undecodable> {
        match node {
            Node::Fixed(length) => self.take(*length).map(drop),
            Node::Long => self.long().map(drop),
            Node::Bytes => self.bytes().map(drop),
            Node::Union(branches) => {
                let branch = self.branch(branches.len())?;
                self.skip(&branches[branch])
            }
            Node::Record(fields) => fields.iter().try_for_each(|field| self.skip(field)),
            Node::Array(item) => self.skip_blocks(|cursor| cursor.skip(item)),
            Node::Map(value) => self.skip_blocks(|cursor| {
                cursor.bytes()?;
                cursor.skip(value)
            }),
        }
    }

    /// Arrays and maps come in counted runs that end with an empty one; a negative count is followed by a byte size.
    fn skip_blocks(&mut self, item: impl Fn(&mut Self) -> Result<(), Undecodable>) -> Result<(), Undecodable> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.bytes()?;
                continue;
            }
            for _ in 0..count {
                let before = self.position;
                item(self)?;
                if self.position == before {
                    return Err(Undecodable::Bad(format!("{count} items without a byte")));
                }
            }
        }
    }

    fn length(&mut self) -> Result<usize, Undecodable> {
        let length = self.long()?;
        usize::try_from(length).map_err(|_| Undecodable::Bad(format!("a length of {length}")))
    }
}
