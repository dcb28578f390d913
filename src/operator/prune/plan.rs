//! Which files of a partition are old, and which numbers that makes old.
//!
//! A file is pruned as a whole, when everything in it is old. Which records a file has is known by its numbers; where a
//! hub was made anew, files of several lives share numbers, and only times tell their records apart.

use std::collections::HashSet;

use super::error::PruneError;
use crate::capture::{EnqueuedTime, PartitionId};
use crate::ledger::{Cluster, Coverage, CoveredFile, FileState, Forgotten, PrunedRange, Span, merged};
use crate::store::{Identity, NewestOf, Numbers, Old, Session, Shelf};

/// One partition of a target.
#[derive(Clone, Copy)]
pub(super) struct Partition<'a> {
    pub(super) session: &'a Session,
    pub(super) target: &'a str,
    pub(super) hub: &'a str,
    pub(super) partition: PartitionId,
}

/// Numbers of which everything older than a time is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doomed {
    pub(super) span: Span,
    pub(super) before: EnqueuedTime,
}

/// What is to be done about a partition.
#[derive(Debug)]
pub(super) struct Plan {
    /// Files that become pruned.
    pub(super) files: Vec<CoveredFile>,
    /// What is noted of the partition while it is done; nothing where only silent windows are old.
    pub(super) range: Option<PrunedRange>,
    pub(super) doomed: Vec<Doomed>,
    /// The numbers of all pruned files, those that become so included.
    pub(super) pruned: Vec<Span>,
    /// Rows that stay all the same, by number.
    pub(super) keep: Vec<Identity>,
}

impl<'a> Partition<'a> {
    pub(super) fn numbers(&self, span: Span) -> Numbers<'a> {
        Numbers { target: self.target, hub: self.hub, partition: self.partition, span, since: None, but: None }
    }

    pub(super) fn old(&self, shelf: Shelf, doomed: Doomed, keep: &'a [Identity]) -> Old<'a> {
        let keep = if shelf == Shelf::Rows { keep } else { &[] };
        Old { numbers: self.numbers(doomed.span), shelf, before: doomed.before, keep }
    }

    /// What is to be done so that everything older than `before` is gone, but for the newest rows of their keys; `None`
    /// where there is nothing.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(super) async fn plan(
        &self,
        before: EnqueuedTime,
        newest: Option<&NewestOf>,
    ) -> Result<Option<Plan>, PruneError> {
        let Partition { session, target, hub, partition } = *self;
        let coverage = Coverage::of(session.ledger_files(target, hub, partition).await?);
        let found = session.pruned_range(target, hub, partition).await?;
        let old = self.old_files(&coverage, before).await?;
        let is_done = found.is_none_or(|range| range.kept == Some(0));
        if old.is_empty() && is_done {
            return Ok(None);
        }
        let at = |index: &usize| coverage.files()[*index].clone();
        let files: Vec<CoveredFile> = old.iter().map(at).collect();
        let pruned = merged(coverage.pruned().into_iter().chain(files.iter().filter_map(|file| file.span)));
        let Some(hull) = hull(&pruned, found.as_ref()) else {
            return Ok(Some(Plan { files, range: None, doomed: Vec::new(), pruned, keep: Vec::new() }));
        };
        let last = found.map_or(before, |range| range.before.max(before));
        let range = Some(PrunedRange { span: hull, before: last, kept: None });
        let stay: Vec<Span> = coverage
            .kept()
            .filter(|file| !files.iter().any(|old| (&old.container, &old.blob) == (&file.container, &file.blob)))
            .filter_map(|file| file.span)
            .collect();
        let mut doomed: Vec<Doomed> =
            merged(files.iter().filter_map(|file| file.span)).into_iter().map(|span| Doomed { span, before }).collect();
        for span in coverage.pruned() {
            // Where files that stay share the numbers, it was found last time that they have nothing older than that.
            let shared = stay.iter().any(|other| other.first <= span.last && span.first <= other.last);
            let before = if shared { found.map(|range| range.before) } else { Some(last) };
            doomed.extend(before.map(|before| Doomed { span, before }));
        }
        let keep = match newest {
            None => Vec::new(),
            Some(of) => session.newest(&self.numbers(hull), last, of).await?,
        };
        Ok(Some(Plan { files, range, doomed, pruned, keep }))
    }

    /// The places of the files that have nothing newer.
    async fn old_files(&self, coverage: &Coverage, before: EnqueuedTime) -> Result<Vec<usize>, PruneError> {
        let files = coverage.files();
        let began = |at: usize| files[at].window().is_some_and(|window| window < before);
        let silent = |at: &usize| files[*at].state != FileState::Pruned && files[*at].span.is_none() && began(*at);
        let mut old: Vec<usize> = (0..files.len()).filter(silent).collect();
        let mut run: Vec<Cluster> = Vec::new();
        for cluster in coverage.clusters() {
            let (mine, others): (Vec<usize>, Vec<usize>) = cluster.files.iter().partition(|at| began(**at));
            if others.is_empty() {
                run.push(cluster);
                continue;
            }
            old.extend(self.old_of(&std::mem::take(&mut run), before).await?);
            if !mine.is_empty() && self.all_old(&mine, files, before).await? {
                old.extend(mine);
            }
        }
        old.extend(self.old_of(&run, before).await?);
        Ok(old)
    }

    /// Of neighbouring clusters whose windows all began before: the files of those that have nothing newer.
    async fn old_of(&self, clusters: &[Cluster], before: EnqueuedTime) -> Result<Vec<usize>, PruneError> {
        let mut old = Vec::new();
        let mut parts = vec![clusters];
        while let Some(part) = parts.pop() {
            let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
            let span = Span { first: first.span.first, last: last.span.last };
            let all = self.numbers(span);
            let rows = self.session.count_rows(&all).await?.rows + self.session.count_rejected(&all).await?.rows;
            if rows == self.count_old(span, before).await? {
                old.extend(part.iter().flat_map(|cluster| cluster.files.iter().copied()));
            } else if part.len() > 1 {
                let (left, right) = part.split_at(part.len() / 2);
                parts.extend([right, left]);
            }
        }
        Ok(old)
    }

    /// Whether these files' records, which share numbers with newer files, are all old, and the only old ones there.
    async fn all_old(&self, mine: &[usize], files: &[CoveredFile], before: EnqueuedTime) -> Result<bool, PruneError> {
        let mut old = 0;
        let forgotten = self.session.forgotten(self.target, self.hub, self.partition).await?;
        for span in merged(mine.iter().filter_map(|at| files[*at].span)) {
            let is_old = |record: &&Forgotten| (span.first..=span.last).contains(&record.number) && record.at < before;
            old += self.count_old(span, before).await? + forgotten.iter().filter(is_old).count() as u64;
        }
        Ok(old == mine.iter().map(|at| files[*at].rows + files[*at].rejected).sum::<u64>())
    }

    /// Pruned files of that container that it no longer has, and of which no row is left.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(super) async fn gone(&self, container: &str, listed: &HashSet<String>) -> Result<Vec<CoveredFile>, PruneError> {
        let Partition { session, target, hub, partition } = *self;
        let Some(range) = session.pruned_range(target, hub, partition).await? else { return Ok(Vec::new()) };
        let files = session.ledger_files(target, hub, partition).await?;
        let gone = files.into_iter().filter(|file| {
            file.state == FileState::Pruned && file.container == container && !listed.contains(&file.blob)
        });
        let mut out = Vec::new();
        for file in gone {
            let kept = match (range.kept, file.span) {
                (Some(0), _) | (_, None) => 0,
                (_, Some(span)) => self.count_old(span, range.before).await?,
            };
            if kept == 0 {
                out.push(file);
            }
        }
        Ok(out)
    }

    async fn count_old(&self, span: Span, before: EnqueuedTime) -> Result<u64, PruneError> {
        let mut count = 0;
        for shelf in [Shelf::Rows, Shelf::Rejected] {
            count += self.session.count_old(&self.old(shelf, Doomed { span, before }, &[])).await?;
        }
        Ok(count)
    }
}

fn hull(spans: &[Span], found: Option<&PrunedRange>) -> Option<Span> {
    let before = found.map(|range| range.span);
    spans
        .iter()
        .copied()
        .chain(before)
        .reduce(|all, span| Span { first: all.first.min(span.first), last: all.last.max(span.last) })
}
