//! One route's way from its hub's files to its Delta table.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::super::decode::BatchLimits;
use super::super::discover::Discovery;
use super::super::error::{Interrupted, LoadError};
use super::super::group::Reading;
use super::super::journey::Sightings;
use super::super::lister::Lister;
use super::super::noted::Noted;
use super::super::party::Party;
use super::super::patience::Patience;
use super::super::queue::Queue;
use super::super::registrar::decoding;
use super::super::slots::Pace;
use super::super::stream::{MOST_WAITING, Shared};
use super::super::turn::{GROUP_BYTES, Turns};
use super::group::{Means, Outcomes, load};
use super::way::Way;
use crate::azure::blob::BlobError;
use crate::lake::{LakeAddress, LakeError, Packed};
use crate::ledger::FileVersion;
use crate::settings::Route;

/// How large files are packed to be, in bytes.
const PACKED: u64 = 128 << 20;

pub(in crate::loader) struct LakeStream<'l> {
    shared: &'l Shared<'l>,
    route: &'l Route,
    address: &'l LakeAddress,
    name: Arc<str>,
    patience: Patience,
    queue: Queue,
    sightings: Sightings,
    /// What stands there instead, if no file was found.
    nothing: std::sync::Mutex<Option<String>>,
}

impl<'l> LakeStream<'l> {
    /// Nothing for a route into a store.
    pub(in crate::loader) fn new(shared: &'l Shared<'l>, route: &'l Route, patience: &Patience) -> Option<Self> {
        let address = route.lake.as_ref()?;
        let name: Arc<str> = route.to_string().into();
        shared.progress.health.begins(&name);
        let patience = patience.of_route(&name);
        let (queue, sightings, nothing) = (Queue::new(MOST_WAITING), Sightings::default(), std::sync::Mutex::default());
        Some(LakeStream { shared, route, address, name, patience, queue, sightings, nothing })
    }

    pub(in crate::loader) fn name(&self) -> &str {
        &self.name
    }

    /// What stands there instead, if no file was found.
    pub(in crate::loader) fn nothing(&self) -> Option<String> {
        self.nothing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads until it is told to stop, or, once, until all is loaded. With `others` beside it, what no retry heals does
    /// not end it: it is said, and tried again now and then.
    ///
    /// # Errors
    /// When it was told to stop, or can't go on.
    pub(in crate::loader) async fn serve(&self, others: bool) -> Result<(), LoadError> {
        let mut trouble = self.patience.trouble();
        loop {
            match self.run().await {
                Err(LoadError::Stopped) => return Err(LoadError::Stopped),
                Err(LoadError::Evolved) => {
                    tracing::info!(route = &*self.name, "the table's columns were changed: it is opened again");
                }
                Err(error) if others && !self.shared.settings.once => {
                    let party = if matches!(error, LoadError::Blob(_)) { Party::Blob } else { Party::Lake };
                    trouble.pause(Interrupted { party, stays: true, reason: error.to_string() }).await?;
                }
                ended => return ended,
            }
        }
    }

    async fn run(&self) -> Result<(), LoadError> {
        let Shared { settings, container, progress, identity, .. } = *self.shared;
        let way = Way::open(settings, identity, self.address, self.route, &self.patience).await?;
        let target = self.route.table.as_str();
        let known = way.lake.files_known();
        tracing::info!(hub = %self.route.hub, table = target, blob = %settings.blob, known_files = known, "loading");
        let discovery = Discovery::new(
            self.route.hub.clone(),
            settings.name_format.clone(),
            settings.lookout,
            settings.scope.clone(),
        );
        let lister = Lister {
            container,
            noted: Noted::Lake(&way),
            patience: &self.patience,
            progress,
            route: &self.name,
            queue: &self.queue,
            sightings: &self.sightings,
            target,
            hub: &self.route.hub,
            name_format: &settings.name_format,
            nothing: &self.nothing,
            discovery,
            poll: settings.poll,
            look_back: settings.lookout.look_back,
            once: settings.once,
        };
        tokio::select! {
            ended = self.load(&way) => ended,
            ended = lister.run() => ended,
            ended = self.optimize(&way) => ended,
        }
    }

    /// Packs the table's files now and then, if that is wanted. What goes wrong is said, and stops nothing else.
    async fn optimize(&self, way: &Way) -> Result<(), LoadError> {
        let Some(every) = self.shared.settings.optimize else { return std::future::pending().await };
        loop {
            tokio::time::sleep(every).await;
            match way.lake.optimize(PACKED).await {
                Ok(packed) if packed == Packed::default() => {}
                Ok(Packed { files, into, bytes, cleared }) => {
                    tracing::info!(route = &*self.name, files, into, bytes, cleared, "files packed");
                }
                Err(LakeError::Changed { .. }) => return Err(LoadError::Evolved),
                Err(error) => tracing::warn!(route = &*self.name, "files are not packed: {error}; tried again later"),
            }
        }
    }

    /// Loads what is in the queue, group by group.
    async fn load(&self, way: &Way) -> Result<(), LoadError> {
        let Shared { settings, container, slots, budget, progress, .. } = *self.shared;
        let in_hand = self.patience.in_hand();
        let (decoding, registrar) = decoding(settings, self.route, &in_hand).await?;
        let reading = Reading {
            container,
            patience: &in_hand,
            unmapped: &progress.unmapped_fields,
            decoding: &decoding,
            registrar: registrar.as_ref(),
            batch: BatchLimits { rows: settings.batch_rows, bytes: budget.batch_bytes },
            parallel_files: budget.parallel_files,
            live: None,
        };
        let hub = self.route.hub.name();
        let means = Means { way, reading, slots, progress, route: &self.name, hub, sightings: &self.sightings };
        // What a group becomes is in memory until it is uploaded.
        let most = (settings.memory as u64 / 6).min(GROUP_BYTES);
        let mut turns = Turns::at(&self.queue, settings.once, &self.patience.shutdown);
        let (mut pace, mut trouble) = (Pace::default(), self.patience.trouble());
        loop {
            let turn = turns.next()?;
            // Nothing is noted of a file that waits: /readyz counts it, and the log has said why.
            self.queue.take_unnoted();
            let bytes = if settings.once { most } else { pace.group().min(most) };
            let taken = turn.take(bytes);
            self.tell(&pace);
            if taken.is_empty() {
                match turn.rest().await {
                    Some(ended) => return ended,
                    None => continue,
                }
            }
            let (bytes, started) = (taken.iter().map(|file| file.size).sum(), Instant::now());
            match load(&means, taken.clone()).await {
                Ok(outcomes) => {
                    trouble.healed();
                    if !outcomes.entries.is_empty() {
                        pace.loaded(bytes, started.elapsed());
                    }
                    self.settle(taken, outcomes);
                }
                Err(error) => {
                    self.queue.put_back(taken);
                    match error {
                        LoadError::Interrupted(error) => trouble.pause(error).await?,
                        error => return Err(error),
                    }
                }
            }
        }
    }

    /// Tells the queue what became of the files that were taken.
    fn settle(&self, taken: Vec<FileVersion>, outcomes: Outcomes) {
        let Outcomes { entries, known, refused, gone } = outcomes;
        let is = |file: &FileVersion, other: &FileVersion| file.blob == other.blob;
        let aside = |file: &FileVersion| refused.iter().any(|(other, _)| is(file, other));
        let done = |file: &FileVersion| {
            entries.iter().any(|entry| is(file, &entry.file))
                || known.iter().any(|other| is(file, other))
                || gone.as_ref().is_some_and(|(other, _)| is(file, other))
        };
        let taken = taken.into_iter().filter(|file| !aside(file));
        let (finished, left): (Vec<_>, Vec<_>) = taken.partition(done);
        for (file, error) in refused {
            tracing::warn!(route = &*self.name, "{error}; it waits, and the others go on");
            let archived = matches!(error, BlobError::Archived { .. });
            self.queue.set_aside(file, archived, &error.to_string());
        }
        self.queue.done(&finished, &entries, gone.map(|(_, error)| error));
        self.queue.put_back(left);
    }

    fn tell(&self, pace: &Pace) {
        let backlog = self.queue.backlog();
        let (aside, _) = self.queue.aside();
        self.shared.progress.health.waits(&self.name, backlog, pace.left(backlog.bytes), aside);
    }
}
