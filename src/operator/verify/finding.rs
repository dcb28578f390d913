use std::collections::BTreeSet;
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
    /// Values are not what the files say.
    Changed,
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
            Kind::Changed => "changed",
            Kind::Unproven => "unproven",
            Kind::Note => "note",
        }
    }
}

/// What to do about a file whose rows, or whose ledger row, are not what they should be.
pub(super) const REPLAY: &str = "deltawave replay --holes loads the file again";
/// What to do where only the files know.
pub(super) const READ_THE_FILES: &str = "give --blob: then the files themselves are read";

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
    /// What to do about it; nothing for what is no fault.
    pub(super) cure: Option<String>,
}

/// `hole      user-events/2 17 to 20: no file of the ledger has them`
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

/// The sequence numbers and the file that a finding is about, as far as it is about any.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct About<'a>(Option<Span>, Option<&'a str>);

impl From<()> for About<'_> {
    fn from((): ()) -> Self {
        About::default()
    }
}

impl From<Span> for About<'_> {
    fn from(span: Span) -> Self {
        About(Some(span), None)
    }
}

impl<'a> From<&'a str> for About<'a> {
    fn from(blob: &'a str) -> Self {
        About(None, Some(blob))
    }
}

impl<'a, S: Into<Option<Span>>> From<(S, &'a str)> for About<'a> {
    fn from((span, blob): (S, &'a str)) -> Self {
        About(span.into(), Some(blob))
    }
}

/// At most so many findings of a kind are told of a partition; the rest are counted.
const MOST: usize = 20;

/// Gathers the findings of one partition, or of a whole hub, and the files that have to be loaded again.
pub(super) struct Findings<'a> {
    table: &'a str,
    hub: &'a Hub,
    partition: Option<PartitionId>,
    all: Vec<Finding>,
    untold: [usize; 5],
    again: BTreeSet<String>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(table: &'a str, hub: &'a Hub, partition: Option<PartitionId>) -> Self {
        Findings { table, hub, partition, all: Vec::new(), untold: [0; 5], again: BTreeSet::new() }
    }

    pub(super) fn hole<'b>(&mut self, about: impl Into<About<'b>>, text: impl Into<String>, cure: &str) {
        self.add(Kind::Hole, about.into(), text.into(), Some(cure));
    }

    pub(super) fn double<'b>(&mut self, about: impl Into<About<'b>>, text: impl Into<String>, cure: &str) {
        self.add(Kind::Double, about.into(), text.into(), Some(cure));
    }

    pub(super) fn changed<'b>(&mut self, about: impl Into<About<'b>>, text: impl Into<String>, cure: &str) {
        self.add(Kind::Changed, about.into(), text.into(), Some(cure));
    }

    pub(super) fn unproven<'b>(&mut self, about: impl Into<About<'b>>, text: impl Into<String>, cure: &str) {
        self.add(Kind::Unproven, about.into(), text.into(), Some(cure));
    }

    pub(super) fn note<'b>(&mut self, about: impl Into<About<'b>>, text: impl Into<String>) {
        self.add(Kind::Note, about.into(), text.into(), None);
    }

    /// Loading this file again mends something that was found.
    pub(super) fn load_again(&mut self, blob: &str) {
        self.again.insert(blob.to_owned());
    }

    fn add(&mut self, kind: Kind, about: About<'_>, text: String, cure: Option<&str>) {
        if self.all.iter().filter(|finding| finding.kind == kind).count() >= MOST {
            self.untold[kind as usize] += 1;
            return;
        }
        self.all.push(self.finding(kind, about, text, cure));
    }

    fn finding(&self, kind: Kind, About(span, blob): About<'_>, text: String, cure: Option<&str>) -> Finding {
        Finding {
            kind,
            table: self.table.to_owned(),
            hub: self.hub.name().to_owned(),
            partition: self.partition,
            span,
            blob: blob.map(str::to_owned),
            text,
            cure: cure.map(str::to_owned),
        }
    }

    /// Whether another hole would only be counted.
    pub(super) fn enough_holes(&self) -> bool {
        self.untold[Kind::Hole as usize] > 0
    }

    /// Takes out the names of the files to load again.
    pub(super) fn take_again(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.again)
    }

    pub(super) fn finish(mut self) -> Vec<Finding> {
        for kind in [Kind::Hole, Kind::Double, Kind::Changed, Kind::Unproven, Kind::Note] {
            let more = self.untold[kind as usize];
            if more > 0 {
                let cure = self.all.iter().rfind(|finding| finding.kind == kind).and_then(|last| last.cure.clone());
                let text = format!("and {more} more of these");
                self.all.push(self.finding(kind, About::default(), text, cure.as_deref()));
            }
        }
        self.all
    }
}
