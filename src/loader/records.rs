use crate::capture::{Attributes, EnqueuedTime, SequenceNumber};

/// Records as they stood in their files, kept beside the rows made of them: should the store refuse a batch for its
/// data, they are split and mapped anew until the bad ones stand alone.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Bodies, and what else is kept of their records.
    bodies: Vec<u8>,
    records: Vec<Stored>,
    /// Of each, where anything is kept beside its body.
    beside: Vec<Beside>,
}

/// What is kept beside a body: where it begins behind it, and how long each of its parts is.
#[derive(Debug, Clone, Copy)]
struct Beside {
    attributes: Attributes<'static>,
    start: usize,
    lengths: [usize; 3],
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
    /// Nothing, where the route needs none of it.
    pub(super) attributes: Attributes<'a>,
}

impl Records {
    pub(super) fn push(&mut self, record: Record<'_>) {
        let start = self.bodies.len();
        let Record { file, sequence_number, enqueued_time, body, attributes } = record;
        self.bodies.extend_from_slice(body.unwrap_or_default());
        if !attributes.is_nothing() {
            // Those before had none.
            self.beside.resize(self.records.len(), Beside::NOTHING);
            let parts = [
                attributes.offset.unwrap_or_default().as_bytes(),
                attributes.system.data(),
                attributes.properties.data(),
            ];
            let start = self.bodies.len();
            parts.iter().for_each(|part| self.bodies.extend_from_slice(part));
            let attributes = attributes.with_data("", &[], &[]);
            self.beside.push(Beside { attributes, start, lengths: parts.map(<[u8]>::len) });
        }
        self.records.push(Stored { file, sequence_number, enqueued_time, start, length: body.map(<[u8]>::len) });
    }

    /// Takes them out, leaving room for as many again.
    pub(super) fn take(&mut self) -> Records {
        let bodies = Vec::with_capacity(self.bodies.len());
        let records = Vec::with_capacity(self.records.len());
        std::mem::replace(self, Records { bodies, records, beside: Vec::new() })
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
        let attributes = self.beside.get(index).map(|beside| beside.of(&self.bodies)).unwrap_or_default();
        Record { file, sequence_number, enqueued_time, body, attributes }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

impl Beside {
    const NOTHING: Beside = Beside { attributes: Attributes::NOTHING, start: 0, lengths: [0; 3] };

    fn of<'a>(&self, bodies: &'a [u8]) -> Attributes<'a> {
        let mut from = self.start;
        let [offset, system, properties] = self.lengths.map(|length| {
            from += length;
            &bodies[from - length..from]
        });
        // It was text when it was put there.
        self.attributes.with_data(std::str::from_utf8(offset).unwrap_or_default(), system, properties)
    }
}
