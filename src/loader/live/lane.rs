use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::common::Common;
use super::course::Course;
use super::first::found;
use super::freshness::Freshness;
use super::partition::{Fresh, MEMORY_KIB, Reading};
use super::source;
use super::state::LaneState;
use super::write::Writing;
use crate::azure::blob::Container;
use crate::azure::identity::Identity;
use crate::capture::PartitionId;
use crate::formats::{Decoding, Rower};
use crate::ledger::{Log, LogError};
use crate::loader::patience::Patience;
use crate::loader::pool::Store;
use crate::loader::progress::Progress;
use crate::rows::Table;
use crate::settings::{LiveSettings, LoaderSettings, Route};

/// Records between the partitions and the table.
const UNDER_WAY: usize = 256;

/// How often new partitions are looked for.
const LOOK: Duration = Duration::from_secs(60);

/// Between two tries to reach the broker at all.
const PAUSE: Duration = Duration::from_secs(5);

/// Files that are read at once for the lane's start.
const AT_ONCE: usize = 4;

/// How often it is looked whether files keep behind.
const WATCH: Duration = Duration::from_secs(1);

/// One route's live lane, beside its files.
pub(in crate::loader) struct Lane<'l> {
    pub(in crate::loader) live: &'l LiveSettings,
    pub(in crate::loader) settings: &'l LoaderSettings,
    pub(in crate::loader) identity: &'l Arc<Identity>,
    pub(in crate::loader) route: &'l Route,
    pub(in crate::loader) name: &'l Arc<str>,
    pub(in crate::loader) container: &'l Container,
    pub(in crate::loader) store: &'l Store,
    pub(in crate::loader) patience: &'l Patience,
    pub(in crate::loader) progress: &'l Progress,
    pub(in crate::loader) common: &'l Arc<Common>,
}

impl Lane<'_> {
    /// Writes what the broker has and no file gives yet, for as long as it is let to. Nothing that befalls it ends it, and
    /// nothing of it waits for a file.
    pub(in crate::loader) async fn run(&self, table: &Arc<Table>) -> Infallible {
        let state = self.progress.lanes.of(self.name, self.route.hub.name(), self.live.unproven);
        let decoding = self.common.decoding().await;
        if Rower::needs_attributes(table, &decoding) {
            let why = "its table or format takes what records say beside their bodies, which only files say exactly; its \
                       rows come with their files";
            tracing::warn!(route = &**self.name, "live: the lane of this route stays shut: {why}");
            state.trouble(Some(why.to_owned()));
            return std::future::pending().await;
        }
        self.look_at_files(&state).await;
        let mut said = false;
        loop {
            let error =
                match source::open(&self.live.source, self.route.hub.name(), &self.live.group, self.identity).await {
                    Ok(log) => match self.serve(&log, table, &decoding, &state).await {
                        Ok(never) => match never {},
                        Err(error) => error,
                    },
                    Err(error) => error,
                };
            if !std::mem::replace(&mut said, true) {
                tracing::warn!(route = &**self.name, "live: {error}; trying again until it works");
            }
            state.trouble(Some(error.to_string()));
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What the newest files of the ledger end with.
    async fn look_at_files(&self, state: &LaneState) {
        let (target, hub, container) = (self.route.table.as_str(), self.route.hub.name(), self.container.name());
        let newest = self.store.persist(async |session| session.newest_files(container, target, hub).await).await;
        let files = match newest {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!(route = &*state.route, "live: {error}; the first file opens the lane");
                return;
            }
        };
        let ours =
            files.into_iter().filter(|file| self.settings.scope.takes_partition(&self.route.hub, file.partition));
        let format = &self.settings.name_format;
        let find = |file: crate::store::NewestFile| async move {
            (file.partition, found(self.container, format, self.route, &file, self.patience).await)
        };
        let mut found = stream::iter(ours).map(find).buffer_unordered(AT_ONCE);
        while let Some((partition, captured)) = found.next().await {
            if let Some(captured) = captured {
                self.common.found(partition, captured);
            }
        }
    }

    async fn serve(
        &self,
        log: &Arc<dyn Log>,
        table: &Arc<Table>,
        decoding: &Decoding,
        state: &LaneState,
    ) -> Result<Infallible, LogError> {
        let (out, fresh) = mpsc::channel::<Fresh>(UNDER_WAY);
        let (newest, seen) = watch::channel(None);
        let hub = self.route.hub.name().to_owned();
        let mut tasks = JoinSet::new();
        let writing = Writing {
            table: Arc::clone(table),
            hub: hub.clone(),
            decoding: decoding.clone(),
            store: self.store.clone(),
            common: Arc::clone(self.common),
            state: state.clone(),
            fresh,
            newest,
            shutdown: self.patience.shutdown.clone(),
        };
        let freshness = Freshness {
            table: Arc::clone(table),
            hub,
            route: Arc::clone(self.name),
            store: self.store.clone(),
            newest: seen,
        };
        let writing = async {
            futures::join!(writing.run(), freshness.run());
            // Told to stop.
            std::future::pending().await
        };
        tokio::select! {
            never = writing => never,
            ended = self.read(log, state, &mut tasks, &out) => ended,
        }
    }

    /// Has every partition read by a task of its own.
    async fn read(
        &self,
        log: &Arc<dyn Log>,
        state: &LaneState,
        tasks: &mut JoinSet<()>,
        out: &mpsc::Sender<Fresh>,
    ) -> Result<Infallible, LogError> {
        let memory = Arc::new(Semaphore::new(MEMORY_KIB as usize));
        let mut known: BTreeSet<PartitionId> = BTreeSet::new();
        let (mut look, mut watch) = (tokio::time::interval(LOOK), tokio::time::interval(WATCH));
        loop {
            tokio::select! {
                _ = look.tick() => {
                    let partitions = match log.partitions().await {
                        Ok(partitions) => partitions,
                        Err(error) if known.is_empty() => return Err(error),
                        Err(_) => continue,
                    };
                    let ours = |id: &PartitionId| self.settings.scope.takes_partition(&self.route.hub, *id);
                    for id in partitions.into_iter().filter(ours) {
                        if !known.insert(id) {
                            continue;
                        }
                        let reading = Reading {
                            id,
                            log: Arc::clone(log),
                            course: Course::new(self.live.window, self.live.from_start),
                            common: Arc::clone(self.common),
                            state: state.clone(),
                            memory: Arc::clone(&memory),
                            out: out.clone(),
                            shutdown: self.patience.shutdown.clone(),
                            told: None,
                            warned: None,
                        };
                        tasks.spawn(reading.run());
                    }
                }
                _ = watch.tick() => state.tell_of_unproven(),
                Some(Err(ended)) = tasks.join_next() => {
                    return Err(LogError(format!("a part of the lane ended by a fault of the program ({ended}): report it")));
                }
            }
        }
    }
}
