use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use metrics::histogram;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::beside::{Instead, what_stands_there};
use super::budget::Budget;
use super::decode::BatchLimits;
use super::discover::{Discovery, Listing, Reach};
use super::error::LoadError;
use super::group::{Means, load};
use super::health;
use super::lane::{self, Lane};
use super::notify::{Inbox, Told};
use super::patience::Patience;
use super::progress::{Counts, Progress};
use crate::azure::blob::{BlobEntry, BlobError, Container};
use crate::azure::identity::Identity;
use crate::base::killpoint::{Side, Step, pass};
use crate::capture::{Hub, ListingOrder, NameFormat};
use crate::ledger::{Entry, FileVersion};
use crate::rows::Table;
use crate::settings::{LoaderSettings, Route, Tombstones};
use crate::store::{Session, missing_ledger_table};

/// A group is loaded when it holds so many files, or so many bytes, or a poll has found no more.
const GROUP_FILES: usize = 1000;
const GROUP_BYTES: u64 = 256 << 20;

/// How long the group in hand may take after a request to stop, so that all is over within 25 s.
const DRAIN: Duration = Duration::from_secs(24);

/// How many names the search for new partitions may step over; past that, the full listing finds them.
const MOST_HOPS: usize = 4096;

/// How long a ledger row may take to be seen by a query; until then the loader remembers the file itself.
const LEDGER_LAG: Duration = Duration::from_secs(60);

/// Loads what is new, once or until it is told to stop. On a request to stop it finishes the group in hand.
///
/// # Errors
/// When something is wrong that no waiting heals. With `--once` also what does not heal soon enough, and a request to
/// stop, since something may be left to load.
pub async fn run(
    settings: &LoaderSettings,
    shutdown: CancellationToken,
    progress: Arc<Progress>,
) -> Result<(), LoadError> {
    health::describe();
    let ended = tokio::select! {
        ended = work(settings, &shutdown, &progress) => ended,
        () = overdue(&shutdown) => {
            tracing::warn!("what was in hand took longer than {} s: left for the next loader", DRAIN.as_secs());
            Err(LoadError::Stopped)
        }
    };
    match ended {
        Err(LoadError::Stopped) if !settings.once => {}
        ended => ended?,
    }
    let Counts { files, loaded, rejected, quarantined, .. } = progress.counts();
    tracing::info!(files, loaded, rejected, quarantined, "done");
    Ok(())
}

async fn work(
    settings: &LoaderSettings,
    shutdown: &CancellationToken,
    progress: &Arc<Progress>,
) -> Result<(), LoadError> {
    let patience = Patience::new(settings.once, settings, shutdown.clone(), Arc::clone(progress));
    let identity = Identity::new(settings.identity.clone());
    let container =
        Container::open(&settings.blob, identity.key(settings.blob.needs_credential(), settings.blob_sas.as_ref())?)?;
    let store = lane::address(settings, &identity, &patience).await?;
    let mut lanes = Lane::several(settings.connections, &store, settings.store_timeout, &patience);
    let mut streams = Vec::new();
    for route in &settings.routes {
        let table = open_table(&mut lanes[0], settings, route).await?;
        tracing::info!(hub = %route.hub, table = %table.name(), blob = %settings.blob, store = %settings.store, "loading");
        streams.push(Stream::new(settings, route, table));
    }
    let budget = Budget::of(settings);
    let means = Means {
        container: &container,
        patience: &patience,
        progress,
        batch: BatchLimits { rows: settings.batch_rows, bytes: budget.batch_bytes },
        parallel_files: budget.parallel_files,
    };
    let mut inbox = Inbox::open(settings, &container, &identity, &patience)?;
    let mut vanishing = patience.trouble();
    loop {
        let began = Instant::now();
        let mut gone = None;
        for stream in &mut streams {
            gone = stream.poll(&means, &mut lanes).await?.or(gone);
        }
        if !settings.once {
            // A poll that finds nothing new asks the store nothing, and would not notice that it is gone.
            lanes[0].persist(Session::check).await?;
        }
        histogram!("deltawave_loader_poll_seconds").record(began.elapsed());
        progress.add(Counts { polls: 1, ..Counts::default() });
        progress.health.polled();
        match gone {
            None if settings.once => return something_found(settings, &streams),
            Some(error) if settings.once => vanishing.pause(error).await?,
            _ => vanishing.healed(),
        }
        let next_poll = tokio::time::Instant::from_std(began) + settings.poll;
        while let Some(batch) = tokio::select! {
            () = tokio::time::sleep_until(next_poll) => None,
            () = shutdown.cancelled() => return Err(LoadError::Stopped),
            batch = inbox.next() => Some(batch?),
        } {
            for told in batch {
                let stream = &mut streams[told.route];
                stream.load_notified(told, &means, &mut lanes).await?;
            }
        }
    }
}

/// A run that found no file of any route is none that did its work, unless that is what was wanted.
fn something_found(settings: &LoaderSettings, streams: &[Stream]) -> Result<(), LoadError> {
    if settings.allow_empty || streams.iter().any(|stream| !stream.discovery.found_nothing()) {
        return Ok(());
    }
    let nothing: Vec<_> = streams.iter().filter_map(|stream| stream.nothing.clone()).collect();
    Err(LoadError::NothingFound(nothing.join("; ")))
}

/// Comes when what was in hand has had its time after a request to stop.
async fn overdue(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}

pub(super) async fn open_table(
    lane: &mut Lane,
    settings: &LoaderSettings,
    route: &Route,
) -> Result<Arc<Table>, LoadError> {
    let table = lane.persist(async |session| session.table(&route.table, &settings.require).await).await??;
    let table = settings.fit(route, table)?;
    if let Some(table) = lane.persist(async |session| missing_ledger_table(session).await).await? {
        return Err(LoadError::NoLedger { table, store: settings.store.to_string() });
    }
    if route.tombstones == Tombstones::Skip && !lane.persist(Session::ledger_notes_skipped).await? {
        return Err(LoadError::OldLedger { store: settings.store.to_string() });
    }
    Ok(Arc::new(table))
}

/// One hub's files on their way into one table.
struct Stream {
    hub: String,
    table: Arc<Table>,
    discovery: Discovery,
    recent: HashMap<String, (String, Instant)>,
    gone: Option<BlobError>,
    full_hub: Hub,
    name_format: NameFormat,
    /// What stands there instead, if no file was found.
    nothing: Option<String>,
}

impl Stream {
    fn new(settings: &LoaderSettings, route: &Route, table: Arc<Table>) -> Self {
        if settings.name_format.listing_order() == ListingOrder::Unsorted {
            tracing::warn!(
                format = %settings.name_format,
                "names in this format do not sort by time: every poll lists all files of the hub"
            );
        }
        Stream {
            hub: route.hub.name().to_owned(),
            table,
            discovery: Discovery::new(
                route.hub.clone(),
                settings.name_format.clone(),
                settings.lookout,
                settings.scope.clone(),
            ),
            recent: HashMap::new(),
            gone: None,
            full_hub: route.hub.clone(),
            name_format: settings.name_format.clone(),
            nothing: None,
        }
    }

    /// Lists once and loads what is new, group by group. Tells of a file that was gone or replaced before it was read.
    async fn poll(&mut self, means: &Means<'_>, lanes: &mut [Lane]) -> Result<Option<BlobError>, LoadError> {
        self.recent.retain(|_, (_, at)| at.elapsed() < LEDGER_LAG);
        let asked = Instant::now();
        let reach = self.discovery.reach(asked);
        if reach == Reach::Sweep {
            self.find_partitions(means).await?;
        }
        let listings = self.discovery.listings(reach, OffsetDateTime::now_utc());
        let mut group = Group::default();
        for listing in &listings {
            self.follow(listing, means, lanes, &mut group).await?;
        }
        self.load(group, means, lanes).await?;
        self.discovery.listed(reach, asked);
        if self.discovery.tells_of_nothing(asked) {
            let Instead { text, is_empty } =
                what_stands_there(means.container, &self.name_format, &self.full_hub).await;
            match is_empty {
                true => tracing::info!("{text}"),
                false => tracing::warn!("{text}"),
            }
            means.progress.nothing_found(&self.hub, Some(text.clone()));
            self.nothing = Some(text);
        } else if !self.discovery.found_nothing() && self.nothing.take().is_some() {
            means.progress.nothing_found(&self.hub, None);
        }
        let gone = self.gone.take();
        if gone.is_some() {
            self.discovery.look_again();
        }
        Ok(gone)
    }

    /// Looks for partitions that have got their first file since the last full listing.
    async fn find_partitions(&mut self, means: &Means<'_>) -> Result<(), LoadError> {
        let mut trouble = means.patience.trouble();
        let mut found: Option<String> = None;
        for _ in 0..MOST_HOPS {
            let Some(Listing { prefix, start_from }) = self.discovery.next_hop(found.as_deref()) else { break };
            found = loop {
                let is_file = |name: &str| self.discovery.knows(name);
                match means.container.find(&prefix, start_from.as_deref(), is_file).await {
                    Ok(name) => break name,
                    Err(error) => trouble.pause(error).await?,
                }
            };
            trouble.healed();
            if found.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Follows a listing to its end, starting again after trouble where it was interrupted.
    async fn follow(
        &mut self,
        listing: &Listing,
        means: &Means<'_>,
        lanes: &mut [Lane],
        group: &mut Group,
    ) -> Result<(), LoadError> {
        let mut trouble = means.patience.trouble();
        let mut from = listing.start_from.clone();
        loop {
            if means.patience.shutdown.is_cancelled() {
                return Err(LoadError::Stopped);
            }
            pass(Side::Before, Step::Listed);
            let mut pages = means.container.list(&listing.prefix, from.as_deref());
            let error = loop {
                match pages.next().await {
                    None => return Ok(()),
                    Some(Err(error)) => break error,
                    Some(Ok(page)) => {
                        pass(Side::After, Step::Listed);
                        trouble.healed();
                        from = page.last().map(|entry| entry.name.clone()).or(from);
                        self.sift(page, means, lanes, group).await?;
                    }
                }
                if means.patience.shutdown.is_cancelled() {
                    return Err(LoadError::Stopped);
                }
            };
            trouble.pause(error).await?;
        }
    }

    /// Adds a page's new files to the group, and loads the group when it is full.
    async fn sift(
        &mut self,
        page: Vec<BlobEntry>,
        means: &Means<'_>,
        lanes: &mut [Lane],
        group: &mut Group,
    ) -> Result<(), LoadError> {
        let mut candidates = Vec::new();
        let clock = OffsetDateTime::now_utc();
        for file in page.into_iter().filter_map(|entry| self.discovery.take(entry, clock)) {
            let FileVersion { blob, etag, .. } = &file;
            if self.recent.get(blob).is_none_or(|(known, _)| known != etag) && !group.names.contains(blob) {
                candidates.push(file);
            }
        }
        let (Some(first), Some(last)) = (candidates.first(), candidates.last()) else { return Ok(()) };
        let (container, target) = (means.container.name(), self.table.name());
        let done = lanes[0]
            .persist(async |session| session.files_done(container, target, &first.blob, &last.blob).await)
            .await?;
        for file in candidates {
            if done.get(&file.blob) != Some(&file.etag) {
                group.push(file);
            }
            if group.is_full() {
                self.load(std::mem::take(group), means, lanes).await?;
            }
        }
        Ok(())
    }

    async fn load(&mut self, group: Group, means: &Means<'_>, lanes: &mut [Lane]) -> Result<(), LoadError> {
        if group.files.is_empty() {
            return Ok(());
        }
        if means.patience.shutdown.is_cancelled() {
            return Err(LoadError::Stopped);
        }
        let receipt = load(means, &self.hub, &self.table, group.files, lanes).await?;
        self.gone = receipt.gone.or(self.gone.take());
        self.remember(receipt.entries);
        Ok(())
    }

    /// Loads what notifications told of, group by group. What the listings have shown is left as it is: they miss
    /// nothing for it.
    async fn load_notified(&mut self, told: Told, means: &Means<'_>, lanes: &mut [Lane]) -> Result<(), LoadError> {
        self.recent.retain(|_, (_, at)| at.elapsed() < LEDGER_LAG);
        let mut sifted = told.sift(means, &self.table, &mut lanes[0], &self.recent).await?;
        sifted.acknowledge_settled().await;
        while let Some(group) = sifted.next_group() {
            if means.patience.shutdown.is_cancelled() {
                return Err(LoadError::Stopped);
            }
            let receipt = load(means, &self.hub, &self.table, group.files(), lanes).await?;
            self.remember(group.acknowledge(receipt).await.entries);
        }
        Ok(())
    }

    fn remember(&mut self, entries: Vec<Entry>) {
        let now = Instant::now();
        self.recent.extend(entries.into_iter().map(|entry| (entry.file.blob, (entry.file.etag, now))));
    }
}

/// Files to be loaded together.
#[derive(Default)]
pub(super) struct Group {
    files: Vec<FileVersion>,
    /// Listings may overlap, and one taken up again begins with the name it ended with.
    names: HashSet<String>,
    bytes: u64,
}

impl Group {
    pub(super) fn push(&mut self, file: FileVersion) {
        self.bytes += file.size;
        self.names.insert(file.blob.clone());
        self.files.push(file);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn into_files(self) -> Vec<FileVersion> {
        self.files
    }

    pub(super) fn is_full(&self) -> bool {
        self.files.len() >= GROUP_FILES || self.bytes >= GROUP_BYTES
    }
}
