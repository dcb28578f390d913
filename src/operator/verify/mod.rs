//! `deltawave verify`: proves that nothing was lost and nothing came twice, or names what was.
//!
//! ```text
//! listing of the container ─┐
//! capture_files ────────────┼─▶ Coverage ─▶ gaps, chunks ─▶ counts of rows and rejected records ─▶ findings ─▶ Report
//! the broker's counters ────┘
//! ```
//!
//! The listing is made before the ledger is read, and the broker is asked after it, so that what moves meanwhile shows
//! as lag and never as a hole. Nothing is written.

mod finding;
mod listing;
mod records;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::source::{self, SourceError};
use super::store::{Current, address, connect_current};
use crate::azure::blob::{BlobError, Container};
use crate::azure::identity::{Identity, IdentityError};
use crate::base::SecretError;
use crate::capture::{PartitionId, SequenceNumber};
use crate::ledger::{Coverage, EndsError, LogEnds, PartitionEnds, Span};
use crate::service::Exit;
use crate::settings::{Route, VerifySettings};
use crate::store::{Session, StoreError};
use finding::{Finding, Findings, Kind};
use listing::Listed;
use records::Records;
use report::{Line, Report};

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store is away, refuses, or lacks a table.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's password cannot be read.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// The broker cannot be asked.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The broker does not say where the log ends.
    #[error(transparent)]
    Ends(#[from] EndsError),
    /// The container cannot be read.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The program has no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A file that the ledger calls whole is not.
    #[error("file {blob} cannot be read: {reason}")]
    File {
        /// The file.
        blob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Someone asked for an end.
    #[error("interrupted before everything was checked")]
    Interrupted,
}

/// After how long what was found is looked at again.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// Checks everything and prints what was found.
///
/// # Errors
/// When something cannot be asked: nothing is proven then.
pub async fn verify(settings: VerifySettings, shutdown: CancellationToken) -> Result<Exit, VerifyError> {
    let look_twice = async {
        let report = check(&settings, &shutdown).await?;
        if report.exit() == Exit::Done {
            return Ok(report);
        }
        // A loader at work changes what is looked at while it is looked at; what is broken stays so.
        tokio::time::sleep(SECOND_LOOK).await;
        check(&settings, &shutdown).await
    };
    let report = tokio::select! {
        report = look_twice => report?,
        () = shutdown.cancelled() => return Err(VerifyError::Interrupted),
    };
    let text = if settings.json { format!("{:#}", report.json()) } else { report.to_string() };
    // Nobody may be there to read it; the exit code says it all the same.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
    Ok(report.exit())
}

/// What the check is made with.
struct Check<'a> {
    settings: &'a VerifySettings,
    store: &'a Current,
    source: Option<Box<dyn LogEnds>>,
    container: Option<Container>,
}

async fn check(settings: &VerifySettings, shutdown: &CancellationToken) -> Result<Report, VerifyError> {
    let store = connect_current(&address(&settings.check).await?, settings.check.give_up, shutdown).await?;
    let source = source::open(&settings.check).await?;
    let container = match &settings.blob {
        None => None,
        Some(address) => {
            let identity = Identity::new(settings.check.identity.clone());
            Some(Container::open(address, identity.key(address.needs_credential(), settings.blob_sas.as_ref())?)?)
        }
    };
    let check = Check { settings, store: &store, source, container };
    let mut report = Report { lines: Vec::new(), findings: Vec::new(), looked_at: check.looked_at() };
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
            });
        }
    }
    report.findings.sort_by_key(|finding| finding.kind);
    Ok(report)
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
        let mut listed = match &self.container {
            Some(container) => Some(listing::list(container, &self.settings.name_format, route).await?),
            None => None,
        };
        let mut partitions: BTreeSet<PartitionId> =
            self.session().ledger_partitions(&route.table, route.hub.name()).await?.into_iter().collect();
        partitions.extend(listed.iter().flat_map(BTreeMap::keys));
        let mut checked = BTreeMap::new();
        for partition in partitions {
            let files = listed.as_mut().map(|listed| listed.remove(&partition).unwrap_or_default());
            checked.insert(partition, self.partition(route, partition, files).await?);
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
                checked.insert(*partition, self.partition(route, *partition, none).await?);
            }
        }
        // Nothing was checked, so nothing is proven, whatever the log holds.
        if checked.values().all(|checked| checked.line.files == 0 && checked.line.waiting.unwrap_or(0) == 0) {
            let mut findings = Findings::new(&route.table, &route.hub, None);
            let text = format!("the ledger has no file of it for {}: load some, or check --route", route.table);
            findings.add(Kind::Unproven, None, None, text);
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
    ) -> Result<Checked<'r>, VerifyError> {
        let files = self.session().ledger_files(&route.table, route.hub.name(), partition).await?;
        let coverage = Coverage::of(files);
        let mut findings = Findings::new(&route.table, &route.hub, Some(partition));
        records::check_files(&coverage, self.settings.sparse, &mut findings);
        let waiting = match (&self.container, listed) {
            (Some(container), Some(listed)) => {
                Some(listing::compare(container, &coverage, listed, self.settings.settle, &mut findings))
            }
            _ => None,
        };
        if let Some(waiting) = waiting.filter(|waiting| *waiting > 0)
            && coverage.files().is_empty()
        {
            let text = format!(
                "none of its {waiting} finished files is in the ledger for {}: nothing is proven of it",
                route.table
            );
            findings.add(Kind::Unproven, None, None, text);
        }
        let records = Records {
            session: self.session(),
            target: &route.table,
            hub: route.hub.name(),
            partition,
            coverage: &coverage,
            sparse: self.settings.sparse,
            container: self.container.as_ref(),
        };
        let found = records.check(&mut findings).await?;
        let line = Line {
            table: route.table.clone(),
            hub: route.hub.name().to_owned(),
            partition,
            span: coverage.span(),
            files: coverage.files().len(),
            records: coverage.sum(|file| file.records),
            rows: found.rows,
            rejected: found.rejected,
            lag: None,
            waiting,
        };
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

/// Whether the log still holds what follows the last loaded record. `waiting` is how many finished files may.
fn hold_against_log(
    loaded: Option<SequenceNumber>,
    ends: &PartitionEnds,
    waiting: Option<u64>,
    findings: &mut Findings<'_>,
) {
    let (Some(loaded), Some(last)) = (loaded, ends.last) else { return };
    if last < loaded {
        let text = format!("the log ends at {last}, before what is loaded ({loaded}): the hub was made anew since");
        findings.add(Kind::Note, None, None, text);
    } else if ends.earliest > loaded.next() {
        let gone = Span { first: loaded.next(), last: SequenceNumber(ends.earliest.0 - 1) };
        let fell = "fell out of the broker's retention and in no loaded file";
        let (kind, text) = match waiting {
            Some(0) => (Kind::Hole, format!("{fell}, nor does a file with them wait: they were never captured")),
            Some(files) => (Kind::Note, format!("{fell}: {files} files that wait to be loaded must have them")),
            None => (Kind::Unproven, format!("{fell}: whether a file has them, --blob can tell")),
        };
        findings.add(kind, Some(gone), None, text);
    }
}
