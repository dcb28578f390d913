use crate::capture::{EnqueuedTime, SequenceNumber};

/// Records as they stood in their files, kept beside the rows made of them: should the store refuse a batch for its
/// data, they are split and mapped anew until the bad ones stand alone.
#[derive(Debug, Default)]
pub(super) struct Records {
    bodies: Vec<u8>,
    records: Vec<Stored>,
}

#[derive(Debug, Clone, Copy)]
struct Stored {
    file: usize,
    sequence_number: SequenceNumber,
    enqueued_time: EnqueuedTime,
    start: usize,
    /// `None` for a null body.
    length: Option<usize>,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// Which file of the group it stands in.
    pub(super) file: usize,
    pub(super) sequence_number: SequenceNumber,
    pub(super) enqueued_time: EnqueuedTime,
    pub(super) body: Option<&'a [u8]>,
}

impl Records {
    pub(super) fn push(&mut self, record: Record<'_>) {
        let start = self.bodies.len();
        let Record { file, sequence_number, enqueued_time, body } = record;
        self.bodies.extend_from_slice(body.unwrap_or_default());
        self.records.push(Stored { file, sequence_number, enqueued_time, start, length: body.map(<[u8]>::len) });
    }

    /// Takes them out, leaving room for as many again.
    pub(super) fn take(&mut self) -> Records {
        let bodies = Vec::with_capacity(self.bodies.len());
        let records = Vec::with_capacity(self.records.len());
        std::mem::replace(self, Records { bodies, records })
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bodies.len()
    }

    pub(super) fn get(&self, index: usize) -> Record<'_> {
        let Stored { file, sequence_number, enqueued_time, start, length } = self.records[index];
        let body = length.map(|length| &self.bodies[start..start + length]);
        Record { file, sequence_number, enqueued_time, body }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }
}
