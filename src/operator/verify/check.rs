use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use super::ahead;
use super::error::VerifyError;
use super::finding::{Finding, Findings, Kind};
use super::gaps::{check_gaps, hold_against_log};
use super::gone::Gone;
use super::listing::{self, Listed};
use super::records::Records;
use super::report::{Line, Report};
use crate::azure::blob::Container;
use crate::azure::identity::Identity;
use crate::capture::{PartitionId, SequenceNumber};
use crate::ledger::{Coverage, LogEnds};
use crate::operator::progress::Ongoing;
use crate::operator::source;
use crate::operator::store::{Current, address, connect_current};
use crate::settings::{Route, VerifySettings};
use crate::store::{Behind, Session};

/// How far into what is broken a check looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::operator) enum Depth {
    /// Until a partition has as many findings as are told.
    Findings,
    /// Until every file is known that has to be loaded again.
    EveryFile,
}

/// What the check is made with.
struct Check<'a> {
    settings: &'a VerifySettings,
    store: &'a Current,
    source: Option<Box<dyn LogEnds>>,
    container: Option<Container>,
    depth: Depth,
    ongoing: Ongoing,
}

pub(super) async fn check(
    settings: &VerifySettings,
    depth: Depth,
    shutdown: &CancellationToken,
) -> Result<Report, VerifyError> {
    let mut report = Report::default();
    if !settings.check.routes.is_empty() {
        report = check_store(settings, depth, shutdown).await?;
    }
    if !settings.check.lakes.is_empty() {
        let source = source::open(&settings.check).await?;
        let container = open_container(settings)?;
        super::lake::check(settings, container.as_ref(), source.as_deref(), &mut report).await?;
    }
    report.findings.sort_by_key(|finding| finding.kind);
    Ok(report)
}

/// What of it is in the store.
async fn check_store(
    settings: &VerifySettings,
    depth: Depth,
    shutdown: &CancellationToken,
) -> Result<Report, VerifyError> {
    let store = connect_current(&address(&settings.check).await?, settings.check.give_up, shutdown).await?;
    let source = source::open(&settings.check).await?;
    let container = open_container(settings)?;
    let check = Check { settings, store: &store, source, container, depth, ongoing: Ongoing::new() };
    let mut report = Report { looked_at: check.looked_at(), ..Report::default() };
    for route in &settings.check.routes {
        check.route(route, &mut report).await?;
    }
    for (target, hub) in store.session.ledger_routes().await? {
        if !settings.check.routes.iter().any(|route| route.table == target && route.hub.name() == hub) {
            report.findings.push(Finding {
                kind: Kind::Note,
                text: format!("not looked at: the ledger also has {hub}={target}; name it by --route"),
                table: target,
                hub,
                partition: None,
                span: None,
                blob: None,
                cure: None,
            });
        }
    }
    Ok(report)
}

/// The container with the files, if one was named.
pub(super) fn open_container(settings: &VerifySettings) -> Result<Option<Container>, VerifyError> {
    let Some(address) = &settings.blob else { return Ok(None) };
    let identity = Identity::new(settings.check.identity.clone());
    Ok(Some(Container::open(address, identity.key(address.needs_credential(), settings.blob_sas.as_ref())?)?))
}

impl Check<'_> {
    fn session(&self) -> &Session {
        &self.store.session
    }

    /// What is held against what.
    fn looked_at(&self) -> Vec<String> {
        let store = format!("ledger and rows in {}", self.store.place());
        let counters = match &self.source {
            Some(source) => format!("counters of {source}"),
            None => "no broker, so the lag is not known (--broker, --event-hub)".to_owned(),
        };
        let files = match &self.container {
            Some(container) => format!("files in {}", container.address()),
            None => "no files (--blob)".to_owned(),
        };
        vec![store, counters, files]
    }

    async fn route(&self, route: &Route, report: &mut Report) -> Result<(), VerifyError> {
        self.ongoing.say(|| format!("listing the files of {}", route.hub));
        let mut listed = match &self.container {
            Some(container) => Some(listing::list(container, &self.settings.name_format, route).await?),
            None => None,
        };
        let mut partitions: BTreeSet<PartitionId> =
            self.session().ledger_partitions(&route.table, route.hub.name()).await?.into_iter().collect();
        partitions.extend(listed.iter().flat_map(BTreeMap::keys));
        // Within the time that a finished file is given to be loaded.
        let at_work: BTreeSet<PartitionId> = self
            .session()
            .ledger_summary()
            .await?
            .iter()
            .filter(|summary| {
                let settle = self.settings.settle.as_secs_f64();
                let ours = summary.target == route.table && summary.hub == route.hub.name();
                ours && summary.loaded_ago.is_some_and(|ago| ago < settle)
            })
            .map(|summary| summary.partition)
            .collect();
        let mut checked = BTreeMap::new();
        for partition in partitions {
            let files = listed.as_mut().map(|listed| listed.remove(&partition).unwrap_or_default());
            checked.insert(partition, self.partition(route, partition, files, &at_work, report).await?);
        }
        // Asked last, so that nothing the ledger has is news to the log.
        let ends = match &self.source {
            Some(source) => source::by_partition(source.ends(route.hub.name()).await?),
            None => BTreeMap::new(),
        };
        for partition in ends.keys() {
            // One without any file is all lag.
            if !checked.contains_key(partition) {
                let none = self.container.is_some().then(Listed::new);
                checked.insert(*partition, self.partition(route, *partition, none, &at_work, report).await?);
            }
        }
        // Nothing was checked, so nothing is proven, whatever the log holds.
        if checked.values().all(|checked| checked.line.known == 0 && checked.line.waiting.unwrap_or(0) == 0) {
            let mut findings = Findings::new(&route.table, &route.hub, None);
            let text = format!("the ledger has no file of it for {}", route.table);
            findings.unproven((), text, "start the loader, or check --route");
            report.findings.extend(findings.finish());
        }
        for (partition, Checked { mut line, mut findings, last }) in checked {
            if let Some(ends) = ends.get(&partition) {
                hold_against_log(last, ends, line.waiting, &mut findings);
                line.lag = Some(ends.lag(last));
            }
            report.lines.push(line);
            report.findings.extend(findings.finish());
        }
        Ok(())
    }

    /// Checks one partition, but for what only the log knows. Its files are in memory only meanwhile.
    async fn partition<'r>(
        &self,
        route: &'r Route,
        partition: PartitionId,
        listed: Option<Listed>,
        at_work: &BTreeSet<PartitionId>,
        report: &mut Report,
    ) -> Result<Checked<'r>, VerifyError> {
        let (session, target, hub) = (self.session(), route.table.as_str(), route.hub.name());
        let (at_work, recent) = (!at_work.is_empty(), at_work.contains(&partition));
        let coverage = Coverage::of(session.ledger_files(target, hub, partition).await?);
        let pruned = session.pruned_range(target, hub, partition).await?;
        let mut findings = Findings::new(&route.table, &route.hub, Some(partition));
        let files = self.container.as_ref().zip(listed);
        let waits = session.ledger_waiting(target, hub, partition).await?;
        let unloaded = files.as_ref().map(|(container, listed)| {
            listing::compare(container, &coverage, &waits, listed, self.settings.settle, at_work, &mut findings)
        });
        let waiting = unloaded.map(|unloaded| unloaded.waiting);
        let backlog = unloaded.is_some_and(|unloaded| unloaded.backlog > 0);
        let behind = match coverage.last().zip(coverage.span()) {
            Some((last, span)) => session.behind(target, hub, partition, last, span.last).await?,
            None => Some(Behind::EVERYTHING),
        };
        let ahead = match behind {
            Some(behind) => session.ahead(target, hub, partition, behind).await?,
            None => None,
        };
        // Where files are noted these days, or wait to be, these rows' own are under way.
        if !recent && waiting.unwrap_or(0) == 0 {
            ahead::check(ahead, self.settings.live_unproven, &mut findings);
        }
        let is_indexed = coverage.is_indexed();
        let gone = Gone::look(session, (target, is_indexed), hub, partition, &mut findings).await?;
        let records = Records {
            session,
            target,
            hub,
            partition,
            coverage: &coverage,
            pruned: pruned.as_ref(),
            behind,
            gone: &gone,
            format: route.format,
            sparse: self.settings.sparse,
            container: self.container.as_ref(),
            every_file: self.depth == Depth::EveryFile,
            ongoing: &self.ongoing,
        };
        records.check_ledger(&mut findings).await?;
        let sparse = self.settings.sparse;
        check_gaps(&coverage, pruned.as_ref(), sparse, backlog, self.container.as_ref(), &mut findings);
        let found = records.check(&mut findings).await?;
        let line = Line {
            table: route.table.clone(),
            hub: route.hub.name().to_owned(),
            partition,
            span: coverage.span(),
            files: coverage.kept().count(),
            known: coverage.files().len(),
            pruned_before: pruned.map(|pruned| pruned.before),
            forgotten: gone.len(),
            forgotten_rows: gone.rows_of_records(),
            records: coverage.sum(|file| file.records),
            rows: found.rows,
            rejected: found.rejected,
            ahead,
            lag: None,
            waiting,
        };
        if let Some((container, listed)) = files {
            let mut versions = Vec::new();
            for blob in findings.take_again() {
                match listing::version(&listed, &self.settings.name_format, route, &blob) {
                    Some(_) if listed.get(&blob).is_some_and(|file| file.archived) => {
                        let text = format!("{blob} cannot be loaded again: it is archived");
                        findings.unproven(blob.as_str(), text, listing::REHYDRATE);
                    }
                    Some(version) => versions.push(version),
                    None => {
                        let text = format!("{blob} cannot be loaded again: it is not in {}", container.address());
                        let cure = "put it back, or name the container that has it by --blob";
                        findings.unproven(blob.as_str(), text, cure);
                    }
                }
            }
            report.load_again(route, versions);
        }
        Ok(Checked { line, findings, last: coverage.last() })
    }
}

/// A partition whose ledger and rows were looked at.
struct Checked<'r> {
    line: Line,
    findings: Findings<'r>,
    /// The last number loaded.
    last: Option<SequenceNumber>,
}
