use super::finding::{Findings, numbers};
use crate::azure::blob::Container;
use crate::capture::SequenceNumber;
use crate::ledger::{Coverage, Gap, PartitionEnds, PrunedRange, Span};

/// Numbers that no file of the ledger has, though it should, and what else its files show without a look at any row.
pub(super) fn check_gaps(
    coverage: &Coverage,
    pruned: Option<&PrunedRange>,
    sparse: bool,
    backlog: bool,
    container: Option<&Container>,
    findings: &mut Findings<'_>,
) {
    // Pruned files may be out of the ledger once they are out of the container.
    let was_pruned = |gap: &&Gap| {
        pruned.is_some_and(|pruned| {
            let behind = coverage.files().iter().find(|file| file.blob == gap.before);
            let within = pruned.span.first <= gap.missing.first && gap.missing.last <= pruned.span.last;
            within && behind.is_some_and(|file| file.window().is_some_and(|window| window < pruned.before))
        })
    };
    let gaps: Vec<_> = coverage.gaps().iter().filter(|gap| !was_pruned(gap)).collect();
    if sparse && !gaps.is_empty() {
        let left_out: i64 = gaps.iter().map(|gap| gap.missing.last.next().0 - gap.missing.first.0).sum();
        findings.note((), format!("{left_out} numbers between files left out, as --sparse allows"));
        return;
    }
    for gap in gaps {
        let text = format!("no file in the ledger has them; {} ends before, {} begins after", gap.after, gap.before);
        if backlog {
            findings.unproven(gap.missing, text, "look again when the backlog is loaded, whose files may have them");
            continue;
        }
        let cure = match container {
            Some(_) => {
                "if a file that is not in the ledger is named here, deltawave replay --holes loads it; if none \
                        is, put back the file that was deleted, or nobody captured them"
            }
            None => "give --blob: it names the file that has them, if there is one",
        };
        findings.hole(gap.missing, text, cure);
    }
    if coverage.restarts() > 0 {
        let text = format!(
            "numbers begin again {} times: the hub was made anew, or records were captured twice (at most {})",
            coverage.restarts(),
            coverage.span().map(numbers).unwrap_or_default()
        );
        findings.note((), text);
    }
}

/// Whether the log still holds what follows the last loaded record. `waiting` is how many finished files may.
pub(super) fn hold_against_log(
    loaded: Option<SequenceNumber>,
    ends: &PartitionEnds,
    waiting: Option<u64>,
    findings: &mut Findings<'_>,
) {
    let (Some(loaded), Some(last)) = (loaded, ends.last) else { return };
    if last < loaded {
        let text = format!("the log ends at {last}, before what is loaded ({loaded}): the hub was made anew since");
        findings.note((), text);
    } else if ends.earliest > loaded.next() {
        let gone = Span { first: loaded.next(), last: SequenceNumber(ends.earliest.0 - 1) };
        let fell = "fell out of the broker's retention and in no loaded file";
        match waiting {
            Some(0) => findings.hole(
                gone,
                format!("{fell}, nor does a file with them wait: they were never captured"),
                "nothing brings them back; let the broker keep records for longer than capturing may pause",
            ),
            Some(files) => {
                findings.note(gone, format!("{fell}: {files} files that wait to be loaded must have them"));
            }
            None => findings.unproven(gone, fell, "give --blob: it tells whether a file has them"),
        }
    }
}
