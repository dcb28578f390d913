//! How a stream takes its work from its queue, turn after turn.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::error::LoadError;
use super::queue::Queue;
use crate::ledger::FileVersion;

/// A group is loaded when it holds so many files, or so many bytes.
pub(super) const GROUP_FILES: usize = 1000;
pub(super) const GROUP_BYTES: u64 = 256 << 20;

/// How long a first listing of everything is waited for, so that the newest backlog can go first.
pub(super) const LISTING: Duration = Duration::from_secs(10);

/// A stream's turns at its queue.
pub(super) struct Turns<'q> {
    queue: &'q Queue,
    once: bool,
    shutdown: &'q CancellationToken,
    began: Instant,
    changed: watch::Receiver<()>,
}

impl<'q> Turns<'q> {
    pub(super) fn at(queue: &'q Queue, once: bool, shutdown: &'q CancellationToken) -> Self {
        Turns { queue, once, shutdown, began: Instant::now(), changed: queue.subscribe() }
    }

    /// Begins a turn: what comes into the queue from now on ends [`Turn::rest`].
    ///
    /// # Errors
    /// When it was told to stop.
    pub(super) fn next(&mut self) -> Result<Turn<'_, 'q>, LoadError> {
        if self.shutdown.is_cancelled() {
            return Err(LoadError::Stopped);
        }
        self.changed.mark_unchanged();
        let impatient = self.began.elapsed() >= LISTING;
        // Looked up before files are taken: what is set aside since then wakes by the change.
        let next_try = self.queue.wake();
        Ok(Turn { turns: self, impatient, next_try })
    }
}

/// One of them.
pub(super) struct Turn<'t, 'q> {
    turns: &'t mut Turns<'q>,
    impatient: bool,
    next_try: Option<Duration>,
}

impl Turn<'_, '_> {
    /// A group of files, of about so many bytes; none if there is nothing to do.
    pub(super) fn take(&self, bytes: u64) -> Vec<FileVersion> {
        self.turns.queue.take(GROUP_FILES, bytes, self.impatient)
    }

    /// Waits until there may be something to do. Gives how it ended, of a stream that runs once and is done.
    pub(super) async fn rest(self) -> Option<Result<(), LoadError>> {
        let Turn { turns: Turns { queue, once, shutdown, changed, .. }, impatient, next_try } = self;
        if *once && queue.is_done() {
            return Some(match queue.aside() {
                (0, _) => Ok(()),
                (files, blob) => Err(LoadError::Waiting { files, blob: blob.unwrap_or_default() }),
            });
        }
        tokio::select! {
            _ = changed.changed() => {}
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(LISTING), if !impatient => {}
            () = tokio::time::sleep(next_try.unwrap_or(LISTING)), if next_try.is_some() => {}
        }
        None
    }
}
