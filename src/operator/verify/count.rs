use super::error::VerifyError;
use super::finding::{Findings, REPLAY, numbers};
use super::records::{Both, Records, Wanted};
use crate::capture::SequenceNumber;
use crate::ledger::{CoveredFile, Span};
use crate::store::{Numbers, Old, Shelf};

/// Records counted by one pair of statements. A count of that many is a second or two of the store's time.
const CHUNK: u64 = 1_000_000;

/// Rows found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) rows: u64,
    pub(super) rejected: u64,
}

impl Records<'_> {
    /// Counts everything, and names what does not add up.
    pub(super) async fn check(&self, findings: &mut Findings<'_>) -> Result<Found, VerifyError> {
        let mut found = Found::default();
        for chunk in self.coverage.chunks(CHUNK, self.sparse) {
            self.ongoing.say(|| format!("counting {}/{} from {}", self.hub, self.partition, chunk.span.first));
            let mut both = self.both(chunk.span).await?;
            let wanted = Wanted { loaded: chunk.loaded, rows: chunk.rows, rejected: chunk.rejected };
            if let Some(pruned) = self.pruned.filter(|pruned| chunk.span.first <= pruned.span.last)
                && !both.fits(wanted, chunk.overlaps)
            {
                // Rows of a former life of the hub may have been kept among these numbers.
                let since = Numbers { since: Some(pruned.before), ..self.numbers(chunk.span) };
                let newer = self.both_of(&since).await?;
                both = if newer.fits(wanted, chunk.overlaps) { newer } else { both };
            }
            found.rows += both.rows.rows;
            found.rejected += both.rejected.rows;
            if both.fits(wanted, chunk.overlaps) {
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
            findings.note((), text);
        }
        let kept = self.check_pruned(findings).await?;
        self.outside(found.rows + kept, findings).await?;
        Ok(found)
    }

    /// Holds the rows that were kept when others were pruned against what was noted then, and gives how many there are.
    async fn check_pruned(&self, findings: &mut Findings<'_>) -> Result<u64, VerifyError> {
        let Some(pruned) = self.pruned else { return Ok(0) };
        let mut there = 0;
        for span in self.coverage.pruned() {
            let numbers = self.numbers(span);
            there +=
                self.session.count_old(&Old { numbers, shelf: Shelf::Rows, before: pruned.before, keep: &[] }).await?;
        }
        let (before, span) = (pruned.before.utc().date(), pruned.span);
        let again = format!("deltawave prune --before {before} --yes deletes what is left");
        match pruned.kept {
            None => findings.unproven(span, format!("deleting what came before {before} did not end"), &again),
            Some(kept) if there > kept => {
                let text = format!("{} rows of pruned files are there, and {kept} were kept", there);
                findings.unproven(span, text, &again);
            }
            Some(kept) if there < kept => {
                let text = format!(
                    "of {kept} rows that were kept for being the newest of their keys when others were pruned, {} are gone",
                    kept - there
                );
                findings.hole(span, text, "docs/operations.md says how pruned files are loaded again");
            }
            Some(_) => {}
        }
        Ok(there)
    }

    /// Rows that no file accounts for, up to the last number of any: behind it the next files may be on their way.
    async fn outside(&self, found: u64, findings: &mut Findings<'_>) -> Result<(), VerifyError> {
        let Some(span) = self.coverage.span() else { return Ok(()) };
        let up_to_last = Span { first: SequenceNumber(0), ..span };
        let all = self.session.count_rows(&self.numbers(up_to_last)).await?.rows;
        let outside = all.saturating_sub(found);
        if outside > 0 {
            let text = format!("{outside} rows of {} up to there are of no file in the ledger", self.target);
            let cure = "look again when the loader has nothing to do; what stays is of files that the ledger lost, \
                        which deltawave replay --holes or a restart of the loader notes";
            findings.unproven(up_to_last, text, cure);
        }
        Ok(())
    }

    /// Finds the files whose records are not all there, or there too often, by halves. No two files share a number.
    async fn narrow(&self, files: &[usize], findings: &mut Findings<'_>) -> Result<(), VerifyError> {
        let mut parts = vec![files];
        while let Some(part) = parts.pop() {
            if findings.enough_holes() && !self.every_file {
                return Ok(());
            }
            let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
            let (Some(from), Some(to)) = (self.file(*first).span, self.file(*last).span) else { continue };
            let span = Span { first: from.first, last: to.last };
            self.ongoing.say(|| format!("looking into {}/{} {}", self.hub, self.partition, numbers(span)));
            let both = self.both(span).await?;
            let sum = |what: fn(&CoveredFile) -> u64| part.iter().map(|at| what(self.file(*at))).sum();
            let (loaded, rows, rejected) = (sum(|file| file.loaded), sum(|file| file.rows), sum(|file| file.rejected));
            if both.fits(Wanted { loaded, rows, rejected }, false) {
                continue;
            }
            if part.len() == 1 {
                self.file_differs(self.file(*first), from, both, findings).await?;
            } else if both.rows.rows + both.rejected.rows + both.gone.rows + both.gone.rejected == 0 {
                let text = format!(
                    "none of the records of {} files is in {} or rejected_events, from {} on",
                    part.len(),
                    self.target,
                    self.file(*first).blob
                );
                findings.hole(span, text, REPLAY);
                part.iter().for_each(|at| findings.load_again(&self.file(*at).blob));
            } else {
                let (left, right) = part.split_at(part.len() / 2);
                parts.extend([right, left]);
            }
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
        let Both { rows, rejected, .. } = both;
        // A table that tells a record's rows apart may have several of one number.
        let more = rows.rows + both.gone.rows > file.rows;
        if (rows.rows > rows.numbers && !file.is_indexed) || more {
            let doubled = self.doubles(span, Some(blob), findings).await?;
            if more && !doubled {
                let gone = match both.gone.rows {
                    0 => String::new(),
                    gone => format!(", {gone} were forgotten"),
                };
                let text = format!(
                    "{} has {} rows with these numbers{gone}, the ledger accounts for {}: a file is being loaded, one of \
                     another life of the hub is not in the ledger, the ledger's row is wrong, or rows were added by hand",
                    self.target, rows.rows, file.rows
                );
                let cure = "look again when the loader has nothing to do; if it stays, deltawave replay --holes";
                findings.unproven((span, blob), text, cure);
                findings.load_again(blob);
            }
        }
        let is_dense = u64::try_from(span.last.next().0 - span.first.0) == Ok(file.records) && file.skipped == 0;
        let missing = if is_dense { self.missing(span).await? } else { Vec::new() };
        for missing in &missing {
            let text = format!("in neither {} nor rejected_events, though {blob} has them", self.target);
            findings.hole((*missing, blob), text, REPLAY);
        }
        let lack = rows.numbers + both.gone.loaded < file.loaded || both.accounted() < file.loaded + file.rejected;
        let parts = rows.rows + both.gone.rows < file.rows && !lack;
        if parts {
            let text = format!(
                "{} has {} rows of these records, the ledger says {}: of some records not every row is there ({blob})",
                self.target, rows.rows, file.rows
            );
            findings.hole((span, blob), text, REPLAY);
        }
        if missing.is_empty() && lack {
            let text = format!(
                "{} and rejected_events have {} and {} of these numbers, the ledger says {} and {} ({blob})",
                self.target, rows.numbers, rejected.numbers, file.loaded, file.rejected
            );
            findings.hole((span, blob), text, REPLAY);
        }
        if lack || parts || !missing.is_empty() {
            findings.load_again(blob);
        }
        Ok(())
    }
}
