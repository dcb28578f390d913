use std::collections::HashSet;
use std::io::Cursor;
use std::ops::ControlFlow;

use super::VerifyError;
use super::finding::{Findings, Kind, numbers};
use crate::azure::blob::Container;
use crate::capture::{EnqueuedTime, PartitionId, ReadLimits, SequenceNumber, read_events};
use crate::ledger::{Chunk, Coverage, CoveredFile, Span};
use crate::store::{Counted, Numbers, Session};

/// Records counted by one pair of statements. A count of that many is a second or two of the store's time.
const CHUNK: u64 = 1_000_000;
/// Ranges this short are read rather than halved further.
const SHORT: i64 = 512;
/// The largest file that is read to see whose records it has.
const FILE_LIMIT: u64 = 1 << 30;

/// Holds the rows of one partition against the ledger.
pub(super) struct Records<'a> {
    pub(super) session: &'a Session,
    pub(super) target: &'a str,
    pub(super) hub: &'a str,
    pub(super) partition: PartitionId,
    pub(super) coverage: &'a Coverage,
    /// Numbers may be left out.
    pub(super) sparse: bool,
    pub(super) container: Option<&'a Container>,
}

/// Rows found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) rows: u64,
    pub(super) rejected: u64,
}

/// Rows and rejected records of some numbers.
#[derive(Debug, Clone, Copy)]
struct Both {
    rows: Counted,
    rejected: Counted,
}

impl Records<'_> {
    /// Counts everything, and names what does not add up.
    pub(super) async fn check(&self, findings: &mut Findings<'_>) -> Result<Found, VerifyError> {
        let mut found = Found::default();
        for chunk in self.coverage.chunks(CHUNK, self.sparse) {
            let both = self.both(chunk.span).await?;
            found.rows += both.rows.rows;
            found.rejected += both.rejected.rows;
            if both.fits(chunk.loaded, chunk.rejected, chunk.overlaps) {
                continue;
            }
            if chunk.overlaps {
                self.overlapping(&chunk, both, findings).await?;
            } else {
                self.narrow(&chunk.files, findings).await?;
            }
        }
        let leftover = found.rejected.saturating_sub(self.coverage.sum(|file| file.rejected));
        if leftover > 0 {
            let text = format!("{leftover} rows of rejected_events are left from files that have been loaded again");
            findings.add(Kind::Note, None, None, text);
        }
        self.outside(found, findings).await?;
        Ok(found)
    }

    /// Rows that no file accounts for, up to the last number of any: behind it the next files may be on their way.
    async fn outside(&self, found: Found, findings: &mut Findings<'_>) -> Result<(), VerifyError> {
        let Some(span) = self.coverage.span() else { return Ok(()) };
        let up_to_last = Span { first: SequenceNumber(0), ..span };
        let all = self.session.count_rows(&self.numbers(up_to_last)).await?.rows;
        let outside = all.saturating_sub(found.rows);
        if outside > 0 {
            let text = format!(
                "{outside} rows of {} up to there are of no file in the ledger: look again when the loader has nothing to \
                 do, or restart it; it notes their files",
                self.target
            );
            findings.add(Kind::Unproven, Some(up_to_last), None, text);
        }
        Ok(())
    }

    /// Finds the files whose records are not all there, or there too often, by halves. No two files share a number.
    async fn narrow(&self, files: &[usize], findings: &mut Findings<'_>) -> Result<(), VerifyError> {
        let mut parts = vec![files];
        while let Some(part) = parts.pop() {
            if findings.enough_holes() {
                return Ok(());
            }
            let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
            let (Some(from), Some(to)) = (self.file(*first).span, self.file(*last).span) else { continue };
            let both = self.both(Span { first: from.first, last: to.last }).await?;
            let sum = |what: fn(&CoveredFile) -> u64| part.iter().map(|at| what(self.file(*at))).sum();
            if both.fits(sum(|file| file.loaded), sum(|file| file.rejected), false) {
                continue;
            }
            if part.len() == 1 {
                self.file_differs(self.file(*first), from, both, findings).await?;
                continue;
            }
            let (left, right) = part.split_at(part.len() / 2);
            parts.extend([right, left]);
        }
        Ok(())
    }

    async fn file_differs(
        &self,
        file: &CoveredFile,
        span: Span,
        both: Both,
        findings: &mut Findings<'_>,
    ) -> Result<(), VerifyError> {
        let blob = file.blob.as_str();
        if both.rows.rows > both.rows.numbers || both.rows.rows > file.loaded {
            self.doubles(span, both.rows.rows, file.loaded, Some(blob), findings).await?;
        }
        let width = u64::try_from(span.last.next().0 - span.first.0);
        let is_dense = width == Ok(file.records) && file.skipped == 0;
        let missing = if is_dense { self.missing(span).await? } else { Vec::new() };
        for missing in &missing {
            let text = format!("in neither {} nor rejected_events, though {blob} has them", self.target);
            findings.add(Kind::Hole, Some(*missing), Some(blob), text);
        }
        let there = both.rows.numbers + both.rejected.numbers;
        if missing.is_empty() && (both.rows.numbers < file.loaded || there < file.loaded + file.rejected) {
            let text = format!(
                "{} and rejected_events have {} and {} of these numbers, the ledger says {} and {} ({blob})",
                self.target, both.rows.numbers, both.rejected.numbers, file.loaded, file.rejected
            );
            findings.add(Kind::Hole, Some(span), Some(blob), text);
        }
        Ok(())
    }

    /// Names rows that stand twice.
    async fn doubles(
        &self,
        span: Span,
        rows: u64,
        loaded: u64,
        blob: Option<&str>,
        findings: &mut Findings<'_>,
    ) -> Result<bool, VerifyError> {
        let doubled = self.session.doubled(&self.numbers(span), 100).await?;
        for (number, at, times) in &doubled {
            let one = Span { first: *number, last: *number };
            let text = format!("{times} rows of {} are this one record (enqueued {at})", self.target);
            findings.add(Kind::Double, Some(one), blob, text);
        }
        if doubled.is_empty() && rows > loaded {
            let text = format!(
                "{} has {rows} rows with these numbers, the ledger accounts for {loaded}: a file is being loaded, one \
                 of another life of the hub is not in the ledger, or rows were added by hand",
                self.target
            );
            findings.add(Kind::Unproven, Some(span), blob, text);
        }
        Ok(!doubled.is_empty())
    }

    /// Which of numbers that should all be there are in neither table, by halves.
    async fn missing(&self, span: Span) -> Result<Vec<Span>, VerifyError> {
        let mut missing: Vec<Span> = Vec::new();
        let mut parts = vec![span];
        while let Some(span) = parts.pop() {
            let Span { first: SequenceNumber(first), last: SequenceNumber(last) } = span;
            let both = self.both(span).await?;
            let there = both.rows.numbers + both.rejected.numbers;
            if there == 0 {
                push(&mut missing, span);
            } else if last - first < SHORT {
                let there: HashSet<i64> =
                    self.session.identities(&self.numbers(span)).await?.iter().map(|(number, _)| number.0).collect();
                for number in (first..=last).filter(|number| !there.contains(number)).map(SequenceNumber) {
                    push(&mut missing, Span { first: number, last: number });
                }
            } else if both.rejected.numbers > 0 || i64::try_from(there) != Ok(last - first + 1) {
                let middle = first + (last - first) / 2;
                parts.push(Span { first: SequenceNumber(middle + 1), last: span.last });
                parts.push(Span { first: span.first, last: SequenceNumber(middle) });
            }
        }
        Ok(missing)
    }

    /// Files that share numbers: the same records captured twice, or records of two lives of a hub. Only the files
    /// themselves tell.
    async fn overlapping(&self, chunk: &Chunk, both: Both, findings: &mut Findings<'_>) -> Result<(), VerifyError> {
        if both.rows.rows > both.rows.numbers {
            self.doubles(chunk.span, 0, 0, None, findings).await?;
        }
        let files = || chunk.files.iter().map(|at| self.file(*at));
        let readable = |file: &CoveredFile| {
            self.container.filter(|container| container.name() == file.container && file.damage.is_none())
        };
        if files().any(|file| readable(file).is_none()) {
            let text = format!(
                "{} files share numbers, and their {} records are {} rows: the same records captured twice, or some of \
                 a hub that was made anew are missing; --blob lets the files tell",
                chunk.files.len(),
                chunk.records,
                both.rows.rows + both.rejected.rows
            );
            findings.add(Kind::Unproven, Some(chunk.span), None, text);
            return Ok(());
        }
        let there: HashSet<(SequenceNumber, String)> =
            self.session.identities(&self.numbers(chunk.span)).await?.into_iter().collect();
        for file in files() {
            let Some(container) = readable(file) else { continue };
            for missing in not_there(container, file, &there).await? {
                let text = format!("in neither {} nor rejected_events, though {} has them", self.target, file.blob);
                findings.add(Kind::Hole, Some(missing), Some(&file.blob), text);
            }
        }
        let text = format!("{} files hold the same records for a part: they were captured twice", chunk.files.len());
        findings.add(Kind::Note, Some(chunk.span), None, text);
        Ok(())
    }

    async fn both(&self, span: Span) -> Result<Both, VerifyError> {
        let numbers = self.numbers(span);
        let rows = self.session.count_rows(&numbers).await?;
        Ok(Both { rows, rejected: self.session.count_rejected(&numbers).await? })
    }

    fn numbers(&self, span: Span) -> Numbers<'_> {
        Numbers { target: self.target, hub: self.hub, partition: self.partition, span }
    }

    fn file(&self, at: usize) -> &CoveredFile {
        &self.coverage.files()[at]
    }
}

impl Both {
    /// Whether this is what the ledger says. What was rejected may be there and loaded later all the same.
    fn fits(&self, loaded: u64, rejected: u64, overlaps: bool) -> bool {
        self.rows.rows == loaded
            && (overlaps || self.rows.numbers == loaded)
            && (self.rejected.rows == rejected || (!overlaps && self.rejected.numbers > rejected))
    }
}

/// Which of a file's records are in no table.
async fn not_there(
    container: &Container,
    CoveredFile { blob, skipped, .. }: &CoveredFile,
    there: &HashSet<(SequenceNumber, String)>,
) -> Result<Vec<Span>, VerifyError> {
    let content = container.get(blob, FILE_LIMIT).await?;
    let mut missing = Vec::new();
    let read = read_events(Cursor::new(content), ReadLimits::default(), |event| {
        let mut at = String::new();
        if let Ok(time) = EnqueuedTime::parse(event.enqueued_time) {
            time.push_sql(&mut at);
        }
        let number = SequenceNumber(event.sequence_number);
        let is_skipped = *skipped > 0 && event.body.is_none_or(<[u8]>::is_empty);
        if !is_skipped && !there.contains(&(number, at)) {
            push(&mut missing, Span { first: number, last: number });
        }
        ControlFlow::Continue(())
    });
    read.map_err(|error| VerifyError::File { blob: blob.clone(), reason: error.to_string() })?;
    Ok(missing)
}

/// Adds numbers to those before them.
fn push(spans: &mut Vec<Span>, span: Span) {
    match spans.last_mut() {
        Some(last) if last.last.next() == span.first => last.last = span.last,
        _ => spans.push(span),
    }
}

/// What the ledger itself says of its files, without a look at any row.
pub(super) fn check_files(coverage: &Coverage, sparse: bool, findings: &mut Findings<'_>) {
    for file in coverage.files() {
        let CoveredFile { blob, span, records, loaded, rejected, skipped, damage, .. } = file;
        if let Some(reason) = damage {
            let text = format!("{blob} is quarantined: {reason}");
            findings.add(Kind::Hole, None, Some(blob), text);
        }
        if loaded + rejected + skipped != *records {
            let text = format!("the ledger has {records} records, {loaded} loaded and {rejected} rejected, of {blob}");
            findings.add(Kind::Hole, *span, Some(blob), text);
        }
        let width = span.map_or(0, |span| u64::try_from(span.last.next().0 - span.first.0).unwrap_or(0));
        if *records > width {
            let text = format!("{blob} has {records} records for {width} numbers");
            findings.add(Kind::Double, *span, Some(blob), text);
        } else if *records < width && !sparse && damage.is_none() {
            let text = format!("{blob} leaves out {} of these numbers (--sparse allows it)", width - records);
            findings.add(Kind::Hole, *span, Some(blob), text);
        }
    }
    let gaps = coverage.gaps();
    if sparse && !gaps.is_empty() {
        let left_out: i64 = gaps.iter().map(|gap| gap.missing.last.next().0 - gap.missing.first.0).sum();
        findings.add(Kind::Note, None, None, format!("{left_out} numbers between files left out, as --sparse allows"));
        return;
    }
    for gap in gaps {
        let text = format!("no file in the ledger has them; {} ends before, {} begins after", gap.after, gap.before);
        findings.add(Kind::Hole, Some(gap.missing), None, text);
    }
    if coverage.restarts() > 0 {
        let text = format!(
            "numbers begin again {} times: the hub was made anew, or records were captured twice (at most {})",
            coverage.restarts(),
            coverage.span().map(numbers).unwrap_or_default()
        );
        findings.add(Kind::Note, None, None, text);
    }
}
