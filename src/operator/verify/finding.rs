use std::fmt;

use crate::capture::{Hub, PartitionId};
use crate::ledger::Span;

/// What a finding means for the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Records are lost, or were not loaded though they should be.
    Hole,
    /// Records are there more than once.
    Double,
    /// Neither this nor that can be shown.
    Unproven,
    /// Worth knowing, and no fault.
    Note,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Hole => "hole",
            Kind::Double => "double",
            Kind::Unproven => "unproven",
            Kind::Note => "note",
        }
    }
}

/// Something to tell about a hub or one of its partitions.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) kind: Kind,
    pub(super) table: String,
    pub(super) hub: String,
    pub(super) partition: Option<PartitionId>,
    /// The sequence numbers it is about.
    pub(super) span: Option<Span>,
    /// The file it is about.
    pub(super) blob: Option<String>,
    /// A clause that goes on from all that.
    pub(super) text: String,
}

/// `hole      user-events/2  17 to 20  no file of the ledger has them`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} {}", self.kind.name(), self.hub)?;
        if let Some(partition) = self.partition {
            write!(f, "/{partition}")?;
        }
        if let Some(span) = self.span {
            write!(f, " {}", numbers(span))?;
        }
        write!(f, ": {}", self.text)
    }
}

/// `17`, or `17 to 20`.
pub(super) fn numbers(Span { first, last }: Span) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}

/// At most so many findings of a partition are told; the rest are counted.
const MOST: usize = 20;

/// Gathers the findings of one partition, or of a whole hub.
pub(super) struct Findings<'a> {
    table: &'a str,
    hub: &'a Hub,
    partition: Option<PartitionId>,
    all: Vec<Finding>,
    untold: [usize; 4],
}

impl<'a> Findings<'a> {
    pub(super) fn new(table: &'a str, hub: &'a Hub, partition: Option<PartitionId>) -> Self {
        Findings { table, hub, partition, all: Vec::new(), untold: [0; 4] }
    }

    pub(super) fn add(&mut self, kind: Kind, span: Option<Span>, blob: Option<&str>, text: impl Into<String>) {
        if self.all.iter().filter(|finding| finding.kind == kind).count() >= MOST {
            self.untold[kind as usize] += 1;
            return;
        }
        self.all.push(self.finding(kind, span, blob, text.into()));
    }

    fn finding(&self, kind: Kind, span: Option<Span>, blob: Option<&str>, text: String) -> Finding {
        Finding {
            kind,
            table: self.table.to_owned(),
            hub: self.hub.name().to_owned(),
            partition: self.partition,
            span,
            blob: blob.map(str::to_owned),
            text,
        }
    }

    /// Whether another hole would only be counted.
    pub(super) fn enough_holes(&self) -> bool {
        self.untold[Kind::Hole as usize] > 0
    }

    pub(super) fn finish(mut self) -> Vec<Finding> {
        for kind in [Kind::Hole, Kind::Double, Kind::Unproven, Kind::Note] {
            let more = self.untold[kind as usize];
            if more > 0 {
                let text = format!("and {more} more of these");
                self.all.push(self.finding(kind, None, None, text));
            }
        }
        self.all
    }
}
