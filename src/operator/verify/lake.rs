//! The same of Delta tables: their ledgers against their logs' own statistics, the files, and the broker's counters.

use std::collections::{BTreeMap, HashMap};

use super::error::VerifyError;
use super::finding::Findings;
use super::gaps::{check_gaps, hold_against_log};
use super::listing::{self, Listed};
use super::report::{Line, Report};
use crate::azure::blob::Container;
use crate::azure::identity::Identity;
use crate::capture::PartitionId;
use crate::lake::{Audit, Audited, LakeAddress};
use crate::ledger::{Coverage, FileState, LogEnds};
use crate::operator::source::by_partition;
use crate::settings::{Route, VerifySettings};

/// Where what lacks is to be had.
const LOST: &str = "if nobody deleted them, load into a new table from the same files, which is complete";
const DOUBLE: &str = "if another program added them, leave them; else load into a new table from the same files";

pub(super) async fn check(
    settings: &VerifySettings,
    container: Option<&Container>,
    source: Option<&dyn LogEnds>,
    report: &mut Report,
) -> Result<(), VerifyError> {
    let identity = Identity::new(settings.check.identity.clone());
    for route in &settings.check.lakes {
        let Some(address) = &route.lake else { continue };
        report.looked_at.push(format!("ledger and log of Delta table {address}"));
        let mut listed = match container {
            Some(container) => Some(listing::list(container, &settings.name_format, route).await?),
            None => None,
        };
        let audit = Audit::of(address, identity.key(address.needs_credential(), None)?).await?;
        // Asked last, so that nothing the ledger has is news to the log.
        let ends = match source {
            Some(source) => by_partition(source.ends(route.hub.name()).await?),
            None => BTreeMap::new(),
        };
        check_whole(route, address, &audit, report);
        let ours = |(hub, _): &&(String, PartitionId)| hub == route.hub.name();
        let mut partitions: Vec<PartitionId> =
            audit.partitions.keys().filter(ours).map(|(_, partition)| *partition).collect();
        partitions.extend(listed.iter().flat_map(BTreeMap::keys).chain(ends.keys()));
        partitions.sort_unstable();
        partitions.dedup();
        let nothing = Audited::default();
        for partition in partitions {
            let audited = audit.partitions.get(&(route.hub.name().to_owned(), partition)).unwrap_or(&nothing);
            let files = listed.as_mut().map(|listed| listed.remove(&partition).unwrap_or_default());
            let mut findings = Findings::new(&route.table, &route.hub, Some(partition));
            let mut line = check_partition(settings, route, partition, audited, container.zip(files), &mut findings);
            if let Some(ends) = ends.get(&partition) {
                let last = Coverage::of(audited.files.clone()).last();
                hold_against_log(last, ends, line.waiting, &mut findings);
                line.lag = Some(ends.lag(last));
            }
            report.lines.push(line);
            report.findings.extend(findings.finish());
        }
    }
    Ok(())
}

/// What concerns the table, whosesoever its records are.
fn check_whole(route: &Route, address: &LakeAddress, audit: &Audit, report: &mut Report) {
    let mut findings = Findings::new(&route.table, &route.hub, None);
    if audit.unnoted > 0 {
        let text = format!("{} commits of {address} are not in its ledger", audit.unnoted);
        findings.unproven((), text, "start the loader: it notes them at once");
    }
    if !audit.partitions.iter().any(|((hub, _), audited)| hub == route.hub.name() && !audited.files.is_empty()) {
        let text = format!("the ledger has no file of it for {address}");
        findings.unproven((), text, "start the loader, or check --route");
    }
    report.findings.extend(findings.finish());
}

fn check_partition(
    settings: &VerifySettings,
    route: &Route,
    partition: PartitionId,
    audited: &Audited,
    files: Option<(&Container, Listed)>,
    findings: &mut Findings<'_>,
) -> Line {
    let coverage = Coverage::of(audited.files.clone());
    let at_work = audited
        .newest
        .is_some_and(|(loaded_at, _)| (time::OffsetDateTime::now_utc() - loaded_at).unsigned_abs() < settings.settle);
    let unloaded = files.as_ref().map(|(container, listed)| {
        listing::compare(container, &coverage, &HashMap::new(), listed, settings.settle, at_work, findings)
    });
    let waiting = unloaded.as_ref().map(|unloaded| unloaded.waiting);
    let backlog = unloaded.is_some_and(|unloaded| unloaded.backlog > 0);
    let container = files.as_ref().map(|(container, _)| *container);
    check_gaps(&coverage, None, settings.sparse, backlog, container, findings);
    for file in coverage.files() {
        if let FileState::Damaged(reason) = &file.state {
            let text = format!("{} is damaged ({reason}): what precedes is loaded or rejected", file.blob);
            findings.note(file.blob.as_str(), text);
        }
        if file.loaded + file.rejected + file.skipped != file.records {
            let text = format!("the ledger's row of {} does not add up", file.blob);
            findings.hole(file.blob.as_str(), text, LOST);
        }
    }
    for (what, noted, there) in
        [("rows", audited.noted_rows, audited.rows), ("rejected records", audited.noted_rejected, audited.rejected)]
    {
        if there < noted {
            let text = format!("{} {what} of {noted} that the ledger has are not in the table's log", noted - there);
            findings.hole((), text, LOST);
        } else if there > noted {
            let text = format!("{} {what} more than the {noted} of the ledger are in the table's log", there - noted);
            findings.double((), text, DOUBLE);
        }
    }
    Line {
        table: route.table.clone(),
        hub: route.hub.name().to_owned(),
        partition,
        span: coverage.span(),
        files: coverage.kept().count(),
        known: coverage.files().len(),
        pruned_before: None,
        forgotten: 0,
        forgotten_rows: 0,
        records: coverage.sum(|file| file.records),
        rows: audited.rows,
        rejected: audited.rejected,
        ahead: None,
        lag: None,
        waiting,
    }
}
