//! One route's way from its hub's files to its table, beside those of the other routes: its listing, its queue, its group
//! in hand and its trouble are its own.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};

use super::budget::Budget;
use super::decode::BatchLimits;
use super::discover::Discovery;
use super::error::{Interrupted, LoadError};
use super::evolve::{Hopeless, evolve, may_evolve};
use super::group::{Means, Reading, write};
use super::journey::Sightings;
use super::level::Sounding;
use super::lister::Lister;
use super::live::{Common, Lane};
use super::noted::Noted;
use super::notify::{Letters, Places, Told};
use super::party::Party;
use super::patience::Patience;
use super::pool::Store;
use super::progress::Progress;
use super::proving::{Group, Proving};
use super::queue::{Age, Queue};
use super::registrar::decoding;
use super::slots::{Pace, Slots};
use super::turn::{GROUP_BYTES, GROUP_FILES, Turns};
use crate::azure::blob::Container;
use crate::azure::identity::Identity;
use crate::capture::ListingOrder;
use crate::rows::{InvalidTable, Table};
use crate::settings::{LoaderSettings, Route, Tombstones};
use crate::store::{Session, missing_ledger_table};
use crate::traces;

/// Files that may wait in memory: some tens of megabytes.
pub(super) const MOST_WAITING: usize = 50_000;

/// How often a backlog is told of.
const TELL: Duration = Duration::from_secs(30);

/// What all streams share.
pub(super) struct Shared<'l> {
    pub(super) settings: &'l LoaderSettings,
    pub(super) container: &'l Container,
    pub(super) slots: &'l Slots,
    pub(super) budget: Budget,
    pub(super) progress: &'l Progress,
    pub(super) identity: &'l Arc<Identity>,
}

pub(super) struct Stream<'l> {
    shared: &'l Shared<'l>,
    route: &'l Route,
    name: Arc<str>,
    patience: Patience,
    store: Store,
    queue: Queue,
    sightings: Sightings,
    letters: Mutex<Letters>,
    /// What files and the live lane know of each other, where there is one.
    live: Option<Arc<Common>>,
    /// What stands there instead, if no file was found.
    nothing: std::sync::Mutex<Option<String>>,
    hopeless: Hopeless,
}

impl<'l> Stream<'l> {
    pub(super) fn new(shared: &'l Shared<'l>, route: &'l Route, patience: &Patience, store: &Store) -> Self {
        let name: Arc<str> = route.to_string().into();
        shared.progress.health.begins(&name);
        shared.progress.health.count_from_zero(&name, route.hub.name());
        let patience = patience.of_route(&name);
        let store = store.with(&patience);
        let queue = Queue::new(MOST_WAITING);
        Stream {
            shared,
            route,
            name,
            patience,
            store,
            queue,
            sightings: Sightings::default(),
            letters: Mutex::default(),
            live: shared.settings.live.as_ref().map(|_| Arc::default()),
            nothing: std::sync::Mutex::default(),
            hopeless: Hopeless::default(),
        }
    }

    /// What stands there instead, if no file was found.
    pub(super) fn nothing(&self) -> Option<String> {
        self.nothing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Loads until it is told to stop, or, once, until all is loaded. With `others` beside it, what no retry heals does
    /// not end it: it is said, and tried again now and then.
    ///
    /// # Errors
    /// When it was told to stop, or can't go on.
    pub(super) async fn serve(&self, mut told: mpsc::Receiver<Told>, others: bool) -> Result<(), LoadError> {
        let mut trouble = self.patience.trouble();
        loop {
            match self.run(&mut told).await {
                Err(LoadError::Stopped) => return Err(LoadError::Stopped),
                Err(LoadError::Evolved) => {}
                Err(error) if others && !self.shared.settings.once => {
                    let party = if matches!(error, LoadError::Blob(_)) { Party::Blob } else { Party::Store };
                    trouble.pause(Interrupted { party, stays: true, reason: error.to_string() }).await?;
                }
                ended => return ended,
            }
        }
    }

    async fn run(&self, told: &mut mpsc::Receiver<Told>) -> Result<(), LoadError> {
        let Shared { settings, container, progress, .. } = *self.shared;
        let mut table = open_table(&self.store, settings, self.route).await?;
        if settings.evolve {
            may_evolve(&self.store, &table).await?;
            table = Arc::new(table.as_ref().clone().evolving(self.hopeless.names()));
        }
        tracing::info!(hub = %self.route.hub, table = %table.name(), blob = %settings.blob, store = %settings.store, "loading");
        if settings.name_format.listing_order() == ListingOrder::Unsorted {
            tracing::warn!(
                format = %settings.name_format,
                "names in this format do not sort by time: every poll lists all files of the hub"
            );
        }
        let discovery = Discovery::new(
            self.route.hub.clone(),
            settings.name_format.clone(),
            settings.lookout,
            settings.scope.clone(),
        );
        let lister = Lister {
            container,
            noted: Noted::Store(&self.store),
            patience: &self.patience,
            progress,
            route: &self.name,
            queue: &self.queue,
            sightings: &self.sightings,
            target: table.name(),
            hub: &self.route.hub,
            name_format: &settings.name_format,
            nothing: &self.nothing,
            discovery,
            poll: settings.poll,
            look_back: settings.lookout.look_back,
            once: settings.once,
        };
        tokio::select! {
            ended = self.load(&table) => ended,
            ended = lister.run() => ended,
            ended = self.hear(told, &table) => ended,
            never = self.read_live(&table) => match never {},
            never = self.sound() => match never {},
        }
    }

    /// Asks how far the broker is.
    async fn sound(&self) -> Infallible {
        let Shared { settings, container, progress, identity, .. } = *self.shared;
        if settings.once {
            return std::future::pending().await;
        }
        let (route, name, store, container) = (self.route, &self.name, &self.store, container.name());
        Sounding { settings, identity, route, name, container, store, progress }.run().await
    }

    /// Writes what no file has yet.
    async fn read_live(&self, table: &Arc<Table>) -> Infallible {
        let Shared { settings, container, progress, identity, .. } = *self.shared;
        let Some((live, common)) = settings.live.as_ref().zip(self.live.as_ref()) else {
            return std::future::pending().await;
        };
        let (route, name, store, patience) = (self.route, &self.name, &self.store, &self.patience);
        let lane = Lane { live, settings, identity, route, name, container, store, patience, progress, common };
        lane.run(table).await
    }

    /// Puts what notifications tell of into the queue.
    async fn hear(&self, told: &mut mpsc::Receiver<Told>, table: &Table) -> Result<(), LoadError> {
        let (container, patience) = (self.shared.container, &self.patience);
        let places = Places { container, target: table.name(), store: &self.store, patience };
        loop {
            let Some(next) = told.recv().await else { return std::future::pending().await };
            let told_of = traces::now();
            let noted = |blob: &str, etag: &str| self.queue.noted(blob, etag);
            let mut sifted = match next.sift(&places, noted).await {
                Err(LoadError::Stopped) => return std::future::pending().await,
                sifted => sifted?,
            };
            sifted.acknowledge_settled().await;
            let mut letters = self.letters.lock().await;
            for file in sifted.keep(&mut letters) {
                self.sightings.saw(&file.blob, "notification", told_of);
                self.queue.offer(file, Age::Fresh);
            }
        }
    }

    /// Loads what is in the queue, group by group: one is proven while the next is written.
    async fn load(&self, table: &Arc<Table>) -> Result<(), LoadError> {
        let Shared { settings, container, slots, budget, progress, .. } = *self.shared;
        let in_hand = self.patience.in_hand();
        let store = self.store.with(&in_hand);
        let batch = BatchLimits { rows: settings.batch_rows, bytes: budget.batch_bytes };
        let (decoding, registrar) = decoding(settings, self.route, &in_hand).await?;
        if let Some(live) = &self.live {
            live.decodes(&decoding);
        }
        let reading = Reading {
            container,
            patience: &in_hand,
            unmapped: &progress.unmapped_fields,
            decoding: &decoding,
            registrar: registrar.as_ref(),
            batch,
            parallel_files: budget.parallel_files,
            live: self.live.as_ref(),
        };
        let readable = Mutex::default();
        let (route, sightings) = (&self.name, &self.sightings);
        let means = Means { reading, store: &store, slots, progress, route, sightings, readable: &readable };
        let proving = Proving {
            means: &means,
            hub: &self.route.hub,
            table,
            queue: &self.queue,
            letters: &self.letters,
            store: &self.store,
            patience: &self.patience,
        };
        let (sender, groups) = mpsc::channel(1);
        let (mut writing, mut proving) = (pin!(self.write(&means, table, sender)), pin!(proving.run(groups)));
        tokio::select! {
            // What was written is proven all the same.
            written = &mut writing => written.and(proving.await),
            proven = &mut proving => proven,
        }
    }

    /// Writes what is in the queue, group by group, and hands each on to be proven.
    async fn write(&self, means: &Means<'_>, table: &Arc<Table>, groups: mpsc::Sender<Group>) -> Result<(), LoadError> {
        let settings = self.shared.settings;
        let mut turns = Turns::at(&self.queue, settings.once, &self.patience.shutdown);
        let (mut pace, mut told) = (Pace::default(), Instant::now());
        let mut trouble = self.patience.trouble();
        loop {
            let turn = turns.next()?;
            self.note_aside(table).await?;
            // Nothing is fresh to a loader that ends.
            let bytes = if settings.once { GROUP_BYTES } else { pace.group() };
            let taken = turn.take(bytes);
            self.tell(&pace, &mut told);
            if taken.is_empty() {
                match turn.rest().await {
                    Some(ended) => return ended,
                    None => continue,
                }
            }
            let (bytes, started) = (taken.iter().map(|file| file.size).sum(), Instant::now());
            match write(means, self.route.hub.name(), table, taken.clone()).await {
                Ok(acknowledged) => {
                    trouble.healed();
                    pace.loaded(bytes, started.elapsed());
                    if groups.send(Group { taken, acknowledged }).await.is_err() {
                        return Err(LoadError::Stopped);
                    }
                }
                Err(error) => {
                    let evolved = match &error {
                        LoadError::NewField(field) => {
                            let route = (settings, self.route);
                            evolve(&means.reading, means.store, route, table, &taken, (field, &self.hopeless)).await
                        }
                        _ => Ok(()),
                    };
                    self.queue.put_back(taken);
                    let error = evolved.err().unwrap_or(error);
                    match error {
                        LoadError::NewField(_) => return Err(LoadError::Evolved),
                        LoadError::Interrupted(error) => trouble.pause(error).await?,
                        error => return Err(error),
                    }
                }
            }
        }
    }

    /// Notes the files that cannot be read, so that people see them.
    async fn note_aside(&self, table: &Table) -> Result<(), LoadError> {
        let aside = self.queue.take_unnoted();
        if aside.is_empty() {
            return Ok(());
        }
        let container = self.shared.container.name();
        for some in aside.chunks(GROUP_FILES) {
            let note = async |session: &Session| {
                let files = some.iter().map(|(file, reason)| (file, reason.as_str()));
                session.note_waiting(container, table.name(), files).await?;
                session.flush().await
            };
            self.store.persist(note).await?;
        }
        Ok(())
    }

    /// Says now and then what waits.
    fn tell(&self, pace: &Pace, told: &mut Instant) {
        let backlog = self.queue.backlog();
        let left = pace.left(backlog.bytes);
        let (aside, _) = self.queue.aside();
        self.shared.progress.health.waits(&self.name, backlog, left, aside);
        self.shared.progress.levels.done(&self.name, self.route.hub.name(), &self.queue);
        if backlog.files > 0 && told.elapsed() >= TELL {
            *told = Instant::now();
            let minutes = left.map(|seconds| format!(", about {:.0} min at this rate", (seconds / 60.0).ceil()));
            tracing::info!(
                route = &*self.name,
                "{} files of {} MiB wait{}",
                backlog.files,
                backlog.bytes >> 20,
                minutes.unwrap_or_default()
            );
        }
    }
}

pub(super) async fn open_table(
    store: &Store,
    settings: &LoaderSettings,
    route: &Route,
) -> Result<Arc<Table>, LoadError> {
    let table = store.persist(async |session| session.table(&route.table, &settings.require).await).await??;
    let table = settings.fit(route, table)?;
    if let Some(table) = store.persist(async |session| missing_ledger_table(session).await).await? {
        // The catalog may hide it from this user.
        if let Err(refusal @ InvalidTable::NoGrant { .. }) =
            store.persist(async |session| session.table(table, &[]).await).await?
        {
            return Err(refusal.into());
        }
        return Err(LoadError::NoLedger { table, store: settings.store.to_string() });
    }
    let skips = route.tombstones == Tombstones::Skip || route.format.skips();
    if skips && !store.persist(async |session| session.ledger_has("skipped").await).await? {
        return Err(LoadError::OldLedger {
            store: settings.store.to_string(),
            column: "skipped",
            for_what: "tombstones",
        });
    }
    if table.is_indexed() && !store.persist(async |session| session.ledger_has("table_rows").await).await? {
        let for_what = "a table with event_index";
        return Err(LoadError::OldLedger { store: settings.store.to_string(), column: "table_rows", for_what });
    }
    Ok(Arc::new(table))
}
