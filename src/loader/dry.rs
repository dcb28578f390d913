//! A dry run: everything but the SQL. Checks files before they are loaded, and tells how fast they can be read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::join;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::beside::what_stands_there;
use super::budget::Budget;
use super::decode::{BatchLimits, Decoded};
use super::error::LoadError;
use super::group::{Reading, decode_all};
use super::journey::Journeys;
use super::once::Once;
use super::progress::Progress;
use super::registrar::decoding;
use super::stream::open_table;
use super::turn::{GROUP_BYTES, GROUP_FILES};
use crate::azure::blob::BlobEntry;
use crate::ledger::{FileVersion, Outcome};
use crate::rows::{Table, Unmapped};
use crate::settings::{LoaderSettings, Route};
use crate::store::default_table;

/// What loading would have done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DryRun {
    /// Files read.
    pub files: u64,
    /// Files that would be quarantined.
    pub quarantined: u64,
    /// Records that would be loaded.
    pub rows: u64,
    /// Records that would be rejected.
    pub rejected: u64,
    /// Records that would make no rows because their route says so: tombstones.
    pub skipped: u64,
    /// Fields of loaded records that have no column, by table.
    pub unmapped: BTreeMap<String, Unmapped>,
    /// Bytes of the files.
    pub bytes: u64,
    /// Time spent fetching, decoding and mapping.
    pub busy: Duration,
    /// Files decoded at once.
    pub parallel_files: usize,
}

impl DryRun {
    /// Whether every record would be loaded.
    pub fn is_clean(&self) -> bool {
        self.rejected == 0 && self.quarantined == 0
    }
}

impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: f64 = (1 << 20) as f64;
        let seconds = self.busy.as_secs_f64().max(1e-9);
        let events = self.rows + self.rejected;
        writeln!(f, "files   {} read, {} would be quarantined", self.files, self.quarantined)?;
        write!(f, "events  {} would be loaded, {} rejected", self.rows, self.rejected)?;
        match self.skipped {
            0 => writeln!(f)?,
            skipped => writeln!(f, ", {skipped} tombstones skipped")?,
        }
        for (table, fields) in &self.unmapped {
            let named = fields.iter().map(|(name, count)| format!("{name} ({count})"));
            writeln!(
                f,
                "fields  dropped, as `{table}` has no column for them: {}",
                named.collect::<Vec<_>>().join(", ")
            )?;
        }
        write!(
            f,
            "rate    {:.0} events/s, {:.0} MiB/s in {seconds:.2} s, {} file{} at a time",
            events as f64 / seconds,
            self.bytes as f64 / MIB / seconds,
            self.parallel_files,
            if self.parallel_files == 1 { "" } else { "s" },
        )
    }
}

/// Reads all files of the settings' scope and maps their records to rows, telling each one that would be rejected and
/// each file that would be quarantined. The store is asked for the shape of a table, and for nothing at all with the
/// default table.
///
/// # Errors
/// As a loader that runs once.
pub async fn dry_run(
    settings: &LoaderSettings,
    shutdown: CancellationToken,
    mut tell: impl FnMut(String),
) -> Result<DryRun, LoadError> {
    let progress = Arc::new(Progress::new(settings.poll));
    let once = Once::open(settings, shutdown, &progress)?;
    let Once { patience, container, .. } = &once;
    let budget = Budget::of(settings, 1);
    let mut run = DryRun { parallel_files: budget.parallel_files, ..DryRun::default() };
    let mut found = false;
    for route in &settings.routes {
        let (decoding, registrar) = decoding(settings, route, patience).await?;
        let means = Reading {
            container,
            patience,
            unmapped: &progress.unmapped_fields,
            decoding: &decoding,
            registrar: registrar.as_ref(),
            batch: BatchLimits { rows: settings.batch_rows, bytes: budget.batch_bytes },
            parallel_files: budget.parallel_files,
            live: None,
        };
        let table = match default_table(&route.table, &settings.require) {
            Some(table) => Arc::new(settings.fit(route, table?)?),
            None => {
                let store = once.store(settings, 1).await?;
                open_table(&store, settings, route).await?
            }
        };
        let mut pages = container.list(&settings.name_format.prefix(&route.hub, None, None), None);
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(page) = pages.next().await {
            let now = OffsetDateTime::now_utc();
            for BlobEntry { name: blob, etag, size, last_modified, .. } in page? {
                let Some(name) = settings.name_format.parse(&route.hub, &blob) else { continue };
                found = true;
                if !settings.scope.takes(&name) || (size == 0 && now - last_modified < settings.lookout.settle) {
                    continue;
                }
                bytes += size;
                group.push(FileVersion { blob, etag, size, committed_at: Some(last_modified), name });
                if group.len() >= GROUP_FILES || bytes >= GROUP_BYTES {
                    bytes = 0;
                    read(&means, route, &table, std::mem::take(&mut group), &mut run, &mut tell).await?;
                }
            }
        }
        read(&means, route, &table, group, &mut run, &mut tell).await?;
    }
    if !found && !settings.allow_empty {
        let mut nothing = Vec::new();
        for route in &settings.routes {
            nothing.push(what_stands_there(container, &settings.name_format, &route.hub).await.text);
        }
        return Err(LoadError::NothingFound(nothing.join("; ")));
    }
    run.unmapped = progress.unmapped_fields.all();
    Ok(run)
}

async fn read(
    means: &Reading<'_>,
    route: &Route,
    table: &Arc<Table>,
    group: Vec<FileVersion>,
    run: &mut DryRun,
    tell: &mut impl FnMut(String),
) -> Result<(), LoadError> {
    if means.patience.shutdown.is_cancelled() {
        return Err(LoadError::Stopped);
    }
    let began = Instant::now();
    run.bytes += group.iter().map(|file| file.size).sum::<u64>();
    let files: Arc<[FileVersion]> = group.into();
    let (sender, mut receiver) = mpsc::channel::<Decoded>(means.parallel_files);
    let count = async {
        while let Some(Decoded { records, rejected, reasons, .. }) = receiver.recv().await {
            run.rows += records.len() as u64;
            run.rejected += rejected.len() as u64;
            for (record, reason) in rejected.iter().zip(reasons) {
                let FileVersion { blob, name, .. } = &files[record.file];
                let (partition, number) = (name.partition, record.sequence_number);
                tell(format!("reject  {blob} partition {partition} sequence number {number}: {reason}"));
            }
        }
    };
    let (decoded, ()) =
        join(decode_all(means, route.hub.name(), table, &files, &Journeys::default(), sender), count).await;
    run.busy += began.elapsed();
    for (file, contents) in files.iter().zip(decoded?.0) {
        let Some(contents) = contents else { continue };
        run.files += 1;
        run.skipped += contents.skipped;
        if let Outcome::Quarantined { reason, .. } = contents.outcome {
            run.quarantined += 1;
            tell(format!("damaged {}: {reason}; {} records precede", file.blob, contents.records));
        }
    }
    Ok(())
}
