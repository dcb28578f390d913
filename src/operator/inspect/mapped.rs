//! What a loader would make of a file's records.

use crate::capture::{EnqueuedTime, Event, PartitionId, SequenceNumber};
use crate::formats::{Decoding, Refusal, Rower, Taken};
use crate::rows::{Envelope, Table, Unmapped};

/// Reasons that are told.
const REASONS: usize = 10;

/// Rows that are held at once; their values are not looked at.
const ROWS: usize = 10_000;

pub(super) struct Mapped {
    pub(super) table: String,
    rower: Rower,
    pub(super) rows: u64,
    pub(super) skipped: u64,
    pub(super) rejected: u64,
    /// The first of them, each with its number.
    pub(super) reasons: Vec<String>,
    pub(super) unmapped: Unmapped,
}

impl Mapped {
    pub(super) fn new(table: &Table, decoding: &Decoding) -> Self {
        let rower = Rower::new(table, decoding);
        let (table, unmapped) = (table.name().to_owned(), Unmapped::new());
        Mapped { table, rower, rows: 0, skipped: 0, rejected: 0, reasons: Vec::new(), unmapped }
    }

    pub(super) fn add(&mut self, event: &Event<'_>) {
        let taken = match EnqueuedTime::parse(event.enqueued_time) {
            Err(error) => Err(format!("EnqueuedTimeUtc {error}")),
            Ok(enqueued_time) => {
                let envelope = Envelope {
                    event_hub: "",
                    partition: PartitionId(0),
                    sequence_number: SequenceNumber(event.sequence_number),
                    enqueued_time,
                };
                self.rower.push(envelope, &event.attributes, event.body).map_err(|refusal| match refusal {
                    Refusal::Reject(reject) => reject.to_string(),
                    Refusal::Schema(_) => "its schema is in a registry, which only a loader asks".to_owned(),
                })
            }
        };
        match taken {
            Ok(Taken::Rows(rows)) => self.rows += u64::from(rows),
            Ok(Taken::Skipped) => self.skipped += 1,
            Err(reason) => {
                self.rejected += 1;
                if self.reasons.len() < REASONS {
                    self.reasons.push(format!("sequence number {}: {reason}", event.sequence_number));
                }
            }
        }
        if self.rower.rows() >= ROWS {
            self.rower.take();
        }
        for (name, count) in self.rower.take_unmapped() {
            *self.unmapped.entry(name).or_default() += count;
        }
    }
}
