use super::literal::ArrayLiteral;
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};

/// What identifies a record: all its file and the broker say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The event hub's name, without its namespace.
    pub event_hub: &'a str,
    /// Its partition.
    pub partition: PartitionId,
    /// Its number there.
    pub sequence_number: SequenceNumber,
    /// When the broker took it.
    pub enqueued_time: EnqueuedTime,
}

/// What neighbouring records share of their envelopes, as elements ready to be appended.
#[derive(Debug, Default)]
pub(super) struct Constant {
    pub(super) event_hub: (String, String),
    pub(super) enqueued_at: (Option<EnqueuedTime>, String),
}

impl Constant {
    pub(super) fn set(&mut self, envelope: Envelope<'_>) {
        let element = |push: &dyn Fn(&mut ArrayLiteral)| {
            let mut literal = ArrayLiteral::default();
            push(&mut literal);
            literal.last_since(1).to_owned()
        };
        if self.event_hub.0 != envelope.event_hub || self.event_hub.1.is_empty() {
            let text = envelope.event_hub;
            self.event_hub = (text.to_owned(), element(&|literal| literal.push_text(text)));
        }
        if self.enqueued_at.0 != Some(envelope.enqueued_time) {
            let time = envelope.enqueued_time;
            self.enqueued_at = (Some(time), element(&|literal| literal.push_with(|out| time.push_sql(out))));
        }
    }
}
