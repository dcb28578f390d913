//! Files become batches of rows, each batch with the records it was made of.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::error::LoadError;
use super::fetch::Source;
use super::live::{Common, Prints};
use super::records::{Record, Records};
use super::registrar::Registrar;
use super::unmapped::UnmappedFields;
use crate::azure::blob::BlobError;
use crate::base::killpoint::{Side, Step, pass};
use crate::capture::{Attributes, EnqueuedTime, ReadError, ReadLimits, SequenceNumber, Stop, read_events};
use crate::formats::{Decoding, Refusal, Rower, Taken};
use crate::ledger::{Contents, FileVersion, Outcome, Span};
use crate::rows::{Batch, Envelope, Reject, Table};

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
    /// What the rows were made of, in order.
    pub(super) records: Records,
    /// How many rows each of them made, where any made more than one.
    pub(super) rows: Vec<u32>,
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

impl FileEnd {
    /// What was in it, if it was read.
    pub(super) fn records(&self) -> Option<u64> {
        match self {
            FileEnd::Read(contents) => Some(contents.records),
            FileEnd::Gone(_) | FileEnd::Refused(_) => None,
        }
    }
}

/// Decodes one file after another into batches that may span files.
pub(super) struct Decoder {
    hub: String,
    table: String,
    rower: Rower,
    /// Who is asked for schemas, if bodies name any.
    registrar: Option<Registrar>,
    keeps_attributes: bool,
    records: Records,
    rows: Vec<u32>,
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
        (decoding, registrar): (&Decoding, Option<&Registrar>),
        limits: BatchLimits,
        unmapped: &Arc<UnmappedFields>,
        out: mpsc::Sender<Decoded>,
    ) -> Self {
        Decoder {
            hub: hub.to_owned(),
            table: table.name().to_owned(),
            rower: Rower::new(table, decoding),
            registrar: registrar.cloned(),
            keeps_attributes: Rower::needs_attributes(table, decoding),
            records: Records::default(),
            rows: Vec::new(),
            rejected: Records::default(),
            reasons: Vec::new(),
            limits,
            read_limits: ReadLimits::default(),
            unmapped: Arc::clone(unmapped),
            live: None,
            out,
        }
    }

    /// The same, telling a live lane what records look like.
    pub(super) fn telling(self, live: Option<&Arc<Common>>) -> Self {
        Decoder { live: live.cloned(), ..self }
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
        let mut contents = Contents {
            span: None,
            last_enqueued_at: None,
            records: 0,
            skipped: 0,
            unmapped: 0,
            outcome: Outcome::Loaded,
        };
        let mut time: (String, Option<EnqueuedTime>) = (String::new(), None);
        let mut abandoned = None;
        let mut prints = self.live.is_some().then(Prints::default);
        let unmapped = self.rower.unmapped();
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
            contents.last_enqueued_at = Some(enqueued_time);
            let attributes = if self.keeps_attributes { event.attributes } else { Attributes::NOTHING };
            let record = Record { file: index, sequence_number, enqueued_time, body: event.body, attributes };
            if let Some(prints) = &mut prints {
                prints.add(sequence_number, enqueued_time, event.body);
            }
            let pushed = self.push(record, file).and_then(|taken| {
                contents.skipped += u64::from(taken == Some(Taken::Skipped));
                if self.is_full() { self.hand_on() } else { Ok(()) }
            });
            match pushed {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    abandoned = Some(error);
                    ControlFlow::Break(Stop::Enough)
                }
            }
        });
        if let Some(error) = abandoned {
            return Err(error);
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
        contents.unmapped = self.rower.unmapped() - unmapped;
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

    /// `None` for a record that is rejected. Asks for a schema that it names.
    fn push(&mut self, record: Record<'_>, file: &FileVersion) -> Result<Option<Taken>, LoadError> {
        let envelope = Envelope {
            event_hub: &self.hub,
            partition: file.name.partition,
            sequence_number: record.sequence_number,
            enqueued_time: record.enqueued_time,
        };
        loop {
            match self.rower.push(envelope, &record.attributes, record.body) {
                Ok(Taken::Rows(rows)) => {
                    if rows > 1 || !self.rows.is_empty() {
                        // Those before had one each.
                        self.rows.resize(self.records.len(), 1);
                        self.rows.push(rows);
                    }
                    self.records.push(record);
                    return Ok(Some(Taken::Rows(rows)));
                }
                Ok(Taken::Skipped) => return Ok(Some(Taken::Skipped)),
                Err(Refusal::Reject(Reject::NewField(name))) => return Err(LoadError::NewField(name)),
                Err(Refusal::Reject(reject)) => {
                    self.rejected.push(record);
                    self.reasons.push(reject.to_string());
                    return Ok(None);
                }
                Err(Refusal::Schema(id)) => match &self.registrar {
                    Some(registrar) => registrar.obtain(&id)?,
                    None => return Err(LoadError::Broken("asking for a schema")),
                },
            }
        }
    }

    fn is_full(&self) -> bool {
        let BatchLimits { rows, bytes } = self.limits;
        self.rower.rows() >= rows
            || self.rower.bytes() >= bytes
            || self.records.bytes() >= bytes
            || self.rejected.len() >= rows
            || self.rejected.bytes() >= bytes
    }

    fn hand_on(&mut self) -> Result<(), LoadError> {
        if self.records.len() + self.rejected.len() == 0 {
            return Ok(());
        }
        let unmapped = self.rower.take_unmapped();
        let decoded = Decoded {
            batch: self.rower.take(),
            records: self.records.take(),
            rows: std::mem::take(&mut self.rows),
            rejected: self.rejected.take(),
            reasons: std::mem::take(&mut self.reasons),
            unmapped: unmapped.values().sum(),
        };
        self.unmapped.add(&self.table, unmapped);
        self.out.blocking_send(decoded).map_err(|_| LoadError::Stopped)
    }
}
