//! The side of a stream that finds files: lists, asks the ledger which are new, and puts them into the queue.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use metrics::histogram;
use time::OffsetDateTime;

use super::beside::{Instead, what_stands_there};
use super::discover::{Discovery, Listing, Reach};
use super::error::LoadError;
use super::journey::Sightings;
use super::noted::Noted;
use super::patience::Patience;
use super::progress::{Counts, Progress};
use super::queue::{Age, Queue};
use crate::azure::blob::{BlobEntry, BlobError, Container};
use crate::base::killpoint::{Side, Step, pass};
use crate::capture::{Hub, NameFormat};
use crate::traces::{self, Moment};

/// How many names the search for new partitions may step over; past that, the full listing finds them.
const MOST_HOPS: usize = 4096;

/// While everything is listed, which may take minutes, the newest windows are looked at as often as otherwise, so far
/// back.
const NEWS: Duration = Duration::from_secs(15 * 60);

pub(super) struct Lister<'l> {
    pub(super) container: &'l Container,
    pub(super) noted: Noted<'l>,
    pub(super) patience: &'l Patience,
    pub(super) progress: &'l Progress,
    pub(super) route: &'l std::sync::Arc<str>,
    pub(super) queue: &'l Queue,
    pub(super) sightings: &'l Sightings,
    /// The table, as the ledger names it.
    pub(super) target: &'l str,
    pub(super) hub: &'l Hub,
    pub(super) name_format: &'l NameFormat,
    /// What stands there instead, if no file was found.
    pub(super) nothing: &'l Mutex<Option<String>>,
    pub(super) discovery: Discovery,
    pub(super) poll: Duration,
    pub(super) look_back: Duration,
    pub(super) once: bool,
}

impl Lister<'_> {
    /// Lists again and again; with `once`, only until everything was listed that changed meanwhile. After a request to
    /// stop it does nothing more, so that what is in hand is loaded.
    ///
    /// # Errors
    /// When patience ends.
    pub(super) async fn run(mut self) -> Result<(), LoadError> {
        let patience = self.patience;
        let mut vanishing = patience.trouble();
        let mut changed = self.queue.subscribe();
        loop {
            let began = Instant::now();
            match self.poll().await {
                Err(LoadError::Stopped) => return std::future::pending().await,
                polled => polled?,
            }
            if !self.once {
                // A poll that finds nothing new asks the ledger nothing, and would not notice that it is gone.
                self.noted.check().await?;
            }
            histogram!("deltawave_loader_poll_seconds").record(began.elapsed());
            self.progress.health.polled(self.route);
            if self.queue.is_empty() {
                self.progress.add(Counts { polls: 1, ..Counts::default() });
            }
            let next_poll = tokio::time::Instant::from_std(began + self.poll);
            loop {
                changed.mark_unchanged();
                match self.queue.take_gone() {
                    Some(error) if self.once => {
                        vanishing.pause(error).await?;
                        self.discovery.look_again();
                        break;
                    }
                    Some(_) => self.discovery.look_again(),
                    None => {}
                }
                if self.queue.wants_listing() {
                    self.discovery.look_again();
                    break;
                }
                tokio::select! {
                    () = tokio::time::sleep_until(next_poll), if !self.once => break,
                    _ = changed.changed() => {}
                    () = patience.shutdown.cancelled() => return std::future::pending().await,
                }
            }
        }
    }

    async fn poll(&mut self) -> Result<(), LoadError> {
        let asked = Instant::now();
        let reach = self.discovery.reach(asked);
        if self.discovery.is_new() {
            // The newest windows first, so that the latest state is of use while the history is still being listed.
            self.find_partitions().await?;
            self.news(self.look_back).await?;
        } else if reach == Reach::Sweep {
            self.find_partitions().await?;
        }
        if reach == Reach::Everything {
            self.queue.listing();
        }
        let age = if reach == Reach::Everything { Age::Backlog } else { Age::Fresh };
        let mut looked = Instant::now();
        for listing in self.discovery.listings(reach, OffsetDateTime::now_utc()) {
            let mut from = listing.start_from.clone();
            while let Some(next) = self.pages(&listing.prefix, from, age, looked + self.poll).await? {
                from = Some(next);
                self.news(NEWS).await?;
                looked = Instant::now();
            }
        }
        self.discovery.listed(reach, asked);
        if self.discovery.tells_of_nothing(asked) {
            let Instead { text, is_empty } = what_stands_there(self.container, self.name_format, self.hub).await;
            match is_empty {
                true => tracing::info!("{text}"),
                false => tracing::warn!("{text}"),
            }
            self.progress.nothing_found(self.hub.name(), Some(text.clone()));
            *self.nothing() = Some(text);
        } else if !self.discovery.found_nothing() && self.nothing().take().is_some() {
            self.progress.nothing_found(self.hub.name(), None);
        }
        if reach == Reach::Everything {
            self.queue.listed();
        }
        let hub = self.hub.name();
        self.progress.levels.listed(self.route, hub, self.discovery.partitions());
        self.progress.levels.done(self.route, hub, self.queue);
        Ok(())
    }

    fn nothing(&self) -> MutexGuard<'_, Option<String>> {
        self.nothing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists the windows since so long ago.
    async fn news(&mut self, back: Duration) -> Result<(), LoadError> {
        for Listing { prefix, start_from } in self.discovery.recent(OffsetDateTime::now_utc(), back) {
            let never = Instant::now() + Duration::from_secs(86400);
            let mut from = start_from;
            while let Some(next) = self.pages(&prefix, from, Age::Fresh, never).await? {
                from = Some(next);
            }
        }
        Ok(())
    }

    /// Looks for partitions that have got their first file since the last full listing.
    async fn find_partitions(&mut self) -> Result<(), LoadError> {
        let mut trouble = self.patience.trouble();
        let mut found: Option<String> = None;
        for _ in 0..MOST_HOPS {
            let Some(Listing { prefix, start_from }) = self.discovery.next_hop(found.as_deref()) else { break };
            found = loop {
                let is_file = |name: &str| self.discovery.knows(name);
                match self.container.find(&prefix, start_from.as_deref(), is_file).await {
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

    /// Follows a listing to its end, starting again after trouble where it was interrupted; or until so late, and then
    /// says from which name it goes on.
    async fn pages(
        &mut self,
        prefix: &str,
        mut from: Option<String>,
        age: Age,
        until: Instant,
    ) -> Result<Option<String>, LoadError> {
        let mut trouble = self.patience.trouble();
        loop {
            if self.patience.shutdown.is_cancelled() {
                return Err(LoadError::Stopped);
            }
            pass(Side::Before, Step::Listed);
            let mut pages = self.container.list(prefix, from.as_deref());
            let error = loop {
                let asked = traces::now();
                match pages.next().await {
                    None => return Ok(None),
                    Some(Err(error)) => break error,
                    Some(Ok(page)) => {
                        pass(Side::After, Step::Listed);
                        trouble.healed();
                        let last = page.last().map(|entry| entry.name.clone());
                        let went_on = last.is_some() && last != from;
                        from = last.or(from);
                        self.sift(page, age, asked).await?;
                        if went_on && Instant::now() > until {
                            return Ok(from);
                        }
                    }
                }
                if self.patience.shutdown.is_cancelled() {
                    return Err(LoadError::Stopped);
                }
            };
            trouble.pause(error).await?;
        }
    }

    /// Puts a page's new files into the queue.
    async fn sift(&mut self, page: Vec<BlobEntry>, age: Age, asked: Moment) -> Result<(), LoadError> {
        let mut candidates = Vec::new();
        let clock = OffsetDateTime::now_utc();
        for entry in page {
            let archived = entry.archived;
            let Some(file) = self.discovery.take(entry, clock) else { continue };
            if !self.queue.knows(&file.blob, &file.etag, archived) {
                candidates.push((file, archived));
            }
        }
        for (file, archived) in self.noted.undone(self.container.name(), self.target, candidates).await? {
            if archived {
                // Reading it would cost a request that is refused.
                let (address, blob) = (self.container.address().to_string(), file.blob.clone());
                self.queue.set_aside(file, true, &BlobError::Archived { address, blob }.to_string());
            } else {
                self.sightings.saw(&file.blob, "list", asked);
                self.queue.offer(file, age);
            }
        }
        Ok(())
    }
}
