//! What the files themselves say, where neither the ledger nor the rows can tell.

use std::collections::HashSet;
use std::io::Cursor;
use std::ops::ControlFlow;

use super::error::VerifyError;
use super::finding::{Findings, READ_THE_FILES, REPLAY};
use super::missing::push;
use super::records::{Both, Records};
use crate::azure::blob::{BlobError, Container};
use crate::capture::{EnqueuedTime, ReadLimits, SequenceNumber, read_events};
use crate::formats::FormatName;
use crate::ledger::{Chunk, CoveredFile, FileState, Span};
use crate::store::Identity;

/// The largest file that is read to see whose records it has.
const FILE_LIMIT: u64 = 1 << 30;
/// When so many files leave out numbers as the ledger says they do, the topic is one that does.
const CONVINCED: usize = 20;

/// What a file holds.
#[derive(Debug, Default)]
struct Content {
    span: Option<Span>,
    records: u64,
    /// Numbers that are in no table.
    missing: Vec<Span>,
}

impl Content {
    fn agrees(&self, file: &CoveredFile) -> bool {
        (self.span, self.records) == (file.span, file.records)
    }
}

impl Records<'_> {
    /// Looks for files whose row in the ledger does not add up, and whether that is the file's doing or the row's.
    pub(super) async fn check_ledger(&self, findings: &mut Findings<'_>) -> Result<(), VerifyError> {
        let mut convinced = 0;
        for file in self.coverage.kept() {
            let CoveredFile { blob, span, records, loaded, rejected, skipped, state, .. } = file;
            if let FileState::NotKept(reason) = state {
                let cure = "mend what takes the rows away; then deltawave replay --holes loads the file again";
                findings.hole((*span, blob.as_str()), format!("{blob} is quarantined: {reason}"), cure);
                findings.load_again(blob);
                continue;
            }
            if let FileState::Damaged(reason) = state {
                let cure =
                    "put a whole copy in its place, which the loader reads anew; what precedes the damage is loaded";
                findings.hole(blob.as_str(), format!("{blob} is quarantined: {reason}"), cure);
            }
            if loaded + rejected + skipped != *records {
                let text =
                    format!("the ledger has {records} records, {loaded} loaded and {rejected} rejected, of {blob}");
                findings.hole((*span, blob.as_str()), text, REPLAY);
                findings.load_again(blob);
            }
            let width = span.map_or(0, |span| u64::try_from(span.last.next().0 - span.first.0).unwrap_or(0));
            let left_out = *records < width && !self.sparse && *state == FileState::Loaded;
            if *records <= width && !left_out {
                continue;
            }
            let content = match self.readable(file).filter(|_| convinced < CONVINCED) {
                Some(container) => read(container, blob, None, None).await?,
                None => None,
            };
            let is_true = content.as_ref().map(|content| content.agrees(file));
            if is_true == Some(false) {
                let text = format!("the ledger's row of {blob} does not say what the file holds");
                findings.hole((*span, blob.as_str()), text, REPLAY);
                findings.load_again(blob);
            } else if left_out {
                let text = format!("{blob} leaves out {} of these numbers (--sparse allows it)", width - records);
                let cure = match is_true {
                    Some(_) => {
                        "the file itself lacks them and nothing brings them back; say --sparse if the topic is \
                                compacted or written to in transactions"
                    }
                    None => READ_THE_FILES,
                };
                findings.hole((*span, blob.as_str()), text, cure);
            } else {
                let text = format!("{blob} has {records} records for {width} numbers");
                let cure = match is_true {
                    Some(_) => "look into the file: no Capture writes a number twice",
                    None => READ_THE_FILES,
                };
                findings.double((*span, blob.as_str()), text, cure);
            }
            convinced += usize::from(is_true == Some(true));
        }
        Ok(())
    }

    /// Files that share numbers: the same records captured twice, or records of two lives of a hub. Only the files
    /// themselves tell.
    pub(super) async fn overlapping(
        &self,
        chunk: &Chunk,
        both: Both,
        findings: &mut Findings<'_>,
    ) -> Result<(), VerifyError> {
        if both.rows.rows > both.rows.numbers {
            self.doubles(chunk.span, None, findings).await?;
        }
        let files = || chunk.files.iter().map(|at| self.file(*at));
        let untold = format!(
            "{} files share numbers, and their {} records are {} rows: the same records captured twice, or some of a \
             hub that was made anew are missing",
            chunk.files.len(),
            chunk.records,
            both.rows.rows + both.rejected.rows
        );
        if files().any(|file| self.readable(file).is_none()) {
            findings.unproven(chunk.span, untold, READ_THE_FILES);
            return Ok(());
        }
        let mut there: HashSet<Identity> =
            self.session.identities(&self.numbers(chunk.span)).await?.into_iter().collect();
        there.extend(self.gone.within(chunk.span).iter().map(|record| (record.number, record.at)));
        for file in files() {
            let Some(container) = self.readable(file) else { continue };
            let blob = file.blob.as_str();
            let Some(content) = read(container, blob, Some(&there), (file.skipped > 0).then_some(self.format)).await?
            else {
                let cure = format!("put {blob} back in {}, or rehydrate it: it cannot be read", container.address());
                findings.unproven(chunk.span, untold.as_str(), &cure);
                return Ok(());
            };
            if !content.agrees(file) {
                findings.hole(blob, format!("the ledger's row of {blob} does not say what the file holds"), REPLAY);
                findings.load_again(blob);
            }
            for missing in content.missing {
                let text = format!("in neither {} nor rejected_events, though {blob} has them", self.target);
                findings.hole((missing, blob), text, REPLAY);
                findings.load_again(blob);
            }
        }
        let text = format!("{} files hold the same records for a part: they were captured twice", chunk.files.len());
        findings.note(chunk.span, text);
        Ok(())
    }

    /// The container that a file can be read from.
    fn readable(&self, file: &CoveredFile) -> Option<&Container> {
        self.container.filter(|container| container.name() == file.container && file.state == FileState::Loaded)
    }
}

/// What a file holds, and which of its records are not among those `there`, but for those of which its route makes no
/// rows, if its ledger row says that there are some; `None` for one that is gone or archived.
async fn read(
    container: &Container,
    blob: &str,
    there: Option<&HashSet<Identity>>,
    skips: Option<FormatName>,
) -> Result<Option<Content>, VerifyError> {
    let bytes = match container.get(blob, FILE_LIMIT).await {
        Err(BlobError::NoBlob { .. } | BlobError::Archived { .. }) => return Ok(None),
        bytes => bytes?,
    };
    let mut content = Content::default();
    let read = read_events(Cursor::new(bytes), ReadLimits::default(), |event| {
        let number = SequenceNumber(event.sequence_number);
        content.span = Some(Span::include(content.span, number));
        content.records += 1;
        if let Some(there) = there {
            // A file whose times cannot be read is quarantined, and not read here.
            let is_there = EnqueuedTime::parse(event.enqueued_time).is_ok_and(|at| there.contains(&(number, at)));
            let is_skipped = || skips.is_some_and(|format| format.makes_nothing(event.body, &event.attributes));
            if !is_there && !is_skipped() {
                push(&mut content.missing, Span { first: number, last: number });
            }
        }
        ControlFlow::Continue(())
    });
    read.map_err(|error| VerifyError::File { blob: blob.to_owned(), reason: error.to_string() })?;
    Ok(Some(content))
}
