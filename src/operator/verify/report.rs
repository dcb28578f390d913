use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

use super::finding::{Finding, Kind};
use super::read::Read;
use crate::capture::{EnqueuedTime, PartitionId};
use crate::ledger::{FileVersion, Span};
use crate::loader::Again;
use crate::operator::{ahead, aligned};
use crate::service::Exit;
use crate::settings::Route;
use crate::store::Ahead;

/// What was found of one partition.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) table: String,
    pub(super) hub: String,
    pub(super) partition: PartitionId,
    pub(super) span: Option<Span>,
    /// Files whose records are to be there.
    pub(super) files: usize,
    /// Those and the pruned ones.
    pub(super) known: usize,
    /// Before when what is old was deleted.
    pub(super) pruned_before: Option<EnqueuedTime>,
    /// Records, and rows of records that have several, that were forgotten and are not there.
    pub(super) forgotten: usize,
    /// The rows among them.
    pub(super) forgotten_rows: usize,
    pub(super) records: u64,
    pub(super) rows: u64,
    pub(super) rejected: u64,
    /// Rows that came live and that no file has given yet.
    pub(super) ahead: Option<Ahead>,
    /// Records the broker has and the ledger has not yet; `None` if no broker was asked.
    pub(super) lag: Option<u64>,
    /// Finished files that are not loaded yet; `None` if no container was listed.
    pub(super) waiting: Option<u64>,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(in crate::operator) struct Report {
    pub(super) lines: Vec<Line>,
    pub(super) findings: Vec<Finding>,
    /// What was held against what.
    pub(super) looked_at: Vec<String>,
    /// What was read again, if anything was.
    pub(super) read: Option<Read>,
    /// What has to be loaded again to mend what can be mended.
    pub(in crate::operator) again: Vec<Again>,
}

impl Report {
    pub(super) fn load_again(&mut self, route: &Route, files: Vec<FileVersion>) {
        match self.again.last_mut().filter(|last| last.route == *route) {
            Some(last) => last.files.extend(files),
            None if files.is_empty() => {}
            None => self.again.push(Again { route: route.clone(), files }),
        }
    }

    fn count(&self, kind: Kind) -> usize {
        self.findings.iter().filter(|finding| finding.kind == kind).count()
    }

    /// Exit 3 when something is lost or doubled, 1 when that cannot be told, 0 when neither is.
    pub(in crate::operator) fn exit(&self) -> Exit {
        if self.count(Kind::Hole) + self.count(Kind::Double) + self.count(Kind::Changed) > 0 {
            Exit::Hole
        } else if self.count(Kind::Unproven) > 0 {
            Exit::Failed
        } else {
            Exit::Done
        }
    }

    const fn verdict(exit: Exit) -> &'static str {
        match exit {
            Exit::Hole => "broken",
            Exit::Done => "proven",
            _ => "unproven",
        }
    }

    fn sum(&self, what: impl Fn(&Line) -> u64) -> u64 {
        self.lines.iter().map(what).sum()
    }

    /// The verdict in one sentence.
    fn sentence(&self) -> String {
        let (holes, doubles) = (self.count(Kind::Hole), self.count(Kind::Double));
        let records = self.sum(|line| line.records);
        let files: usize = self.lines.iter().map(|line| line.files).sum();
        match self.exit() {
            Exit::Hole => {
                let (s, plural) = (if holes == 1 { "" } else { "s" }, if doubles == 1 { "" } else { "s" });
                let changed = match self.count(Kind::Changed) {
                    0 => String::new(),
                    1 => ", 1 changed value".to_owned(),
                    many => format!(", {many} changed values"),
                };
                format!(
                    "BROKEN: {holes} hole{s}, {doubles} double{plural}{changed} found in {records} records of {files} files"
                )
            }
            Exit::Done => {
                let lag = match (self.lines.iter().filter_map(|line| line.lag).reduce(|a, b| a + b), self.waiting()) {
                    (Some(lag), _) => format!("; {lag} more are on their way"),
                    (None, Some(files)) => format!("; {files} files wait to be loaded"),
                    (None, None) => String::new(),
                };
                let deleted = self.deleted();
                let read = self.read.map(|read| read.to_string()).unwrap_or_default();
                format!("proven: {records} records of {files} files, nothing lost, nothing twice{read}{deleted}{lag}")
            }
            _ => {
                let open = self.count(Kind::Unproven);
                let s = if open == 1 { "" } else { "s" };
                format!("NOT PROVEN: {open} question{s} open about {records} records of {files} files")
            }
        }
    }

    /// What is not there because someone wanted so.
    fn deleted(&self) -> String {
        let mut text = String::new();
        let before: BTreeSet<_> = self.lines.iter().filter_map(|line| line.pruned_before).collect();
        if let (Some(first), Some(last)) = (before.first(), before.last()) {
            let between = if first == last { String::new() } else { format!("{} or ", first.sql()) };
            text.push_str(&format!("; what came before {between}{} was pruned", last.sql()));
        }
        let forgotten: usize = self.lines.iter().map(|line| line.forgotten).sum();
        let rows: usize = self.lines.iter().map(|line| line.forgotten_rows).sum();
        match (forgotten - rows, rows) {
            (0, 0) => {}
            (records, 0) => text.push_str(&format!("; {records} records were forgotten")),
            (0, rows) => text.push_str(&format!("; {rows} rows of records were forgotten")),
            (records, rows) => text.push_str(&format!("; {records} records and {rows} rows of others were forgotten")),
        }
        text
    }

    fn waiting(&self) -> Option<u64> {
        self.lines.iter().filter_map(|line| line.waiting).reduce(|a, b| a + b)
    }

    pub(in crate::operator) fn json(&self) -> Value {
        let line = |line: &Line| {
            json!({
                "table": line.table,
                "event_hub": line.hub,
                "partition": line.partition.0,
                "first": line.span.map(|span| span.first.0),
                "last": line.span.map(|span| span.last.0),
                "files": line.files,
                "records": line.records,
                "rows": line.rows,
                "rejected": line.rejected,
                "ahead": line.ahead.map(|ahead| json!({
                    "rows": ahead.rows,
                    "first": ahead.span.first.0,
                    "last": ahead.span.last.0,
                    "seconds": ahead.age.round(),
                })),
                "lag": line.lag,
                "files_waiting": line.waiting,
                "files_pruned": line.known - line.files,
                "pruned_before": line.pruned_before.map(EnqueuedTime::sql),
                "forgotten": line.forgotten,
            })
        };
        let finding = |finding: &Finding| {
            json!({
                "kind": finding.kind.name(),
                "table": finding.table,
                "event_hub": finding.hub,
                "partition": finding.partition.map(|partition| partition.0),
                "first": finding.span.map(|span| span.first.0),
                "last": finding.span.map(|span| span.last.0),
                "blob": finding.blob,
                "text": finding.text,
                "cure": finding.cure,
            })
        };
        json!({
            "verdict": Report::verdict(self.exit()),
            "sentence": self.sentence(),
            "looked_at": self.looked_at,
            "read_again": self.read.map(|Read { files, records, states }| json!({
                "files": files,
                "records_compared": records,
                "keys_compared": states,
            })),
            "partitions": self.lines.iter().map(line).collect::<Vec<_>>(),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, what) in self.looked_at.iter().enumerate() {
            writeln!(f, "{:<8} {what}", if at == 0 { "checked" } else { "" })?;
        }
        writeln!(f)?;
        let or_dash = |number: Option<u64>| number.map_or_else(|| "–".to_owned(), |number| number.to_string());
        let mut rows = vec![
            [
                "table",
                "event hub",
                "partition",
                "first",
                "last",
                "files",
                "records",
                "rows",
                "rejected",
                "ahead",
                "lag",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        rows.extend(self.lines.iter().map(|line| {
            vec![
                line.table.clone(),
                line.hub.clone(),
                line.partition.to_string(),
                line.span.map_or_else(|| "–".to_owned(), |span| span.first.to_string()),
                line.span.map_or_else(|| "–".to_owned(), |span| span.last.to_string()),
                line.files.to_string(),
                line.records.to_string(),
                line.rows.to_string(),
                line.rejected.to_string(),
                ahead::shown(line.ahead.as_ref()),
                or_dash(line.lag),
            ]
        }));
        f.write_str(&aligned::aligned(&rows, 2))?;
        if !self.findings.is_empty() {
            writeln!(f)?;
        }
        // What to do is said once where it is the same for several.
        let mut findings = self.findings.iter().peekable();
        while let Some(finding) = findings.next() {
            writeln!(f, "{finding}")?;
            match &finding.cure {
                Some(cure) if findings.peek().is_none_or(|next| next.cure.as_ref() != Some(cure)) => {
                    writeln!(f, "          ↳ {cure}")?;
                }
                _ => {}
            }
        }
        write!(f, "\n{}", self.sentence())
    }
}
