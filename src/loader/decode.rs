//! Files become batches of rows, each batch with the records it was made of.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::error::LoadError;
use super::fetch::Source;
use super::live::{Common, Prints};
use super::records::{Record, Records};
use super::unmapped::UnmappedFields;
use crate::azure::blob::BlobError;
use crate::base::killpoint::{Side, Step, pass};
use crate::capture::{EnqueuedTime, ReadError, ReadLimits, SequenceNumber, Stop, read_events};
use crate::ledger::{Contents, FileVersion, Outcome, Span};
use crate::rows::{Batch, Envelope, Mapper, Reject, Table};

/// When a batch is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchLimits {
    pub(super) rows: usize,
    /// Of literals and of record bodies, each.
    pub(super) bytes: usize,
}

/// Rows ready to be written, and records that are none. Made only by decoding.
pub(super) struct Decoded {
    pub(super) batch: Batch,
    /// What each row was made of, in order.
    pub(super) records: Records,
    pub(super) rejected: Records,
    /// Why, in the order of `rejected`.
    pub(super) reasons: Vec<String>,
    /// Fields of the rows' records that had no column.
    pub(super) unmapped: u64,
}

/// How decoding one file ended.
pub(super) enum FileEnd {
    /// All of it that can be read was handed on.
    Read(Contents),
    /// It was gone or replaced when it was to be read.
    Gone(BlobError),
    /// It was refused; perhaps it alone.
    Refused(BlobError),
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// A row, or a rejected record.
    Kept,
    /// Nothing, as its route wants it.
    Skipped,
}

/// Decodes one file after another into batches that may span files.
pub(super) struct Decoder {
    hub: String,
    table: String,
    mapper: Mapper,
    records: Records,
    rejected: Records,
    reasons: Vec<String>,
    limits: BatchLimits,
    read_limits: ReadLimits,
    unmapped: Arc<UnmappedFields>,
    /// Who wants to know what records look like, if anybody does.
    live: Option<Arc<Common>>,
    out: mpsc::Sender<Decoded>,
}

impl Decoder {
    pub(super) fn new(
        hub: &str,
        table: &Table,
        limits: BatchLimits,
        unmapped: &Arc<UnmappedFields>,
        live: Option<&Arc<Common>>,
        out: mpsc::Sender<Decoded>,
    ) -> Self {
        Decoder {
            hub: hub.to_owned(),
            table: table.name().to_owned(),
            mapper: Mapper::new(table),
            records: Records::default(),
            rejected: Records::default(),
            reasons: Vec::new(),
            limits,
            read_limits: ReadLimits::default(),
            unmapped: Arc::clone(unmapped),
            live: live.cloned(),
            out,
        }
    }

    /// Decodes the group's file number `index`. Blocks: for threads that may.
    ///
    /// # Errors
    /// When the file's bytes are not to be had, or nobody takes the batches any more.
    pub(super) fn decode(
        &mut self,
        index: usize,
        file: &FileVersion,
        mut source: Source,
    ) -> Result<FileEnd, LoadError> {
        let mut contents = Contents { span: None, records: 0, skipped: 0, unmapped: 0, outcome: Outcome::Loaded };
        let mut time: (String, Option<EnqueuedTime>) = (String::new(), None);
        let mut abandoned = false;
        let mut prints = self.live.is_some().then(Prints::default);
        let unmapped = self.mapper.unmapped();
        pass(Side::Before, Step::Decoded);
        let result = read_events(&mut source, self.read_limits, |event| {
            // Neighbours nearly always share their second.
            let enqueued_time = match time.1 {
                Some(parsed) if time.0 == event.enqueued_time => parsed,
                _ => match EnqueuedTime::parse(event.enqueued_time) {
                    Ok(parsed) => {
                        time = (event.enqueued_time.to_owned(), Some(parsed));
                        parsed
                    }
                    Err(error) => return ControlFlow::Break(Stop::Bad(format!("EnqueuedTimeUtc {error}"))),
                },
            };
            let sequence_number = SequenceNumber(event.sequence_number);
            contents.records += 1;
            contents.span = Some(Span::include(contents.span, sequence_number));
            let record = Record { file: index, sequence_number, enqueued_time, body: event.body };
            if let Some(prints) = &mut prints {
                prints.add(sequence_number, enqueued_time, event.body);
            }
            contents.skipped += u64::from(self.push(record, file) == Taken::Skipped);
            if self.is_full() && self.hand_on().is_err() {
                abandoned = true;
                return ControlFlow::Break(Stop::Enough);
            }
            ControlFlow::Continue(())
        });
        if abandoned {
            return Err(LoadError::Stopped);
        }
        match result {
            Ok(()) => {}
            Err(ReadError::Damage(damage)) => {
                contents.outcome = Outcome::Quarantined { reason: damage.to_string(), at: Some(damage.at) };
            }
            Err(ReadError::Source(_)) => {
                return match source.take_failure() {
                    Some(LoadError::Blob(error @ (BlobError::NoBlob { .. } | BlobError::Changed { .. }))) => {
                        Ok(FileEnd::Gone(error))
                    }
                    Some(LoadError::Blob(error)) if error.may_be_its_own() => Ok(FileEnd::Refused(error)),
                    error => Err(error.unwrap_or(LoadError::Broken("reading a file"))),
                };
            }
        }
        contents.unmapped = self.mapper.unmapped() - unmapped;
        pass(Side::After, Step::Decoded);
        if let (Some(live), Some(prints)) = (&self.live, prints) {
            live.decoded(&file.blob, prints);
        }
        Ok(FileEnd::Read(contents))
    }

    /// Hands on what is left after the last file.
    ///
    /// # Errors
    /// When nobody takes it any more.
    pub(super) fn finish(mut self) -> Result<(), LoadError> {
        self.hand_on()
    }

    fn push(&mut self, record: Record<'_>, file: &FileVersion) -> Taken {
        let envelope = Envelope {
            event_hub: &self.hub,
            partition: file.name.partition,
            sequence_number: record.sequence_number,
            enqueued_time: record.enqueued_time,
        };
        match self.mapper.push(envelope, record.body) {
            Ok(()) => self.records.push(record),
            Err(Reject::Tombstone) => return Taken::Skipped,
            Err(reject) => {
                self.rejected.push(record);
                self.reasons.push(reject.to_string());
            }
        }
        Taken::Kept
    }

    fn is_full(&self) -> bool {
        let BatchLimits { rows, bytes } = self.limits;
        self.mapper.rows() >= rows
            || self.mapper.bytes() >= bytes
            || self.records.bytes() >= bytes
            || self.rejected.len() >= rows
            || self.rejected.bytes() >= bytes
    }

    fn hand_on(&mut self) -> Result<(), LoadError> {
        if self.records.len() + self.rejected.len() == 0 {
            return Ok(());
        }
        let unmapped = self.mapper.take_unmapped();
        let decoded = Decoded {
            batch: self.mapper.take(),
            records: self.records.take(),
            rejected: self.rejected.take(),
            reasons: std::mem::take(&mut self.reasons),
            unmapped: unmapped.values().sum(),
        };
        self.unmapped.add(&self.table, unmapped);
        self.out.blocking_send(decoded).map_err(|_| LoadError::Stopped)
    }
}
