//! Looks at the program every second, and at the store while someone looks at the page.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::about::About;
use super::desk::Desk;
use super::frame::{self, Frame, Moment};
use super::lag::{self, Lag};
use super::rate::Rates;
use super::rota::Rota;
use super::subject::Subject;

/// Viewers at most.
const VIEWERS: usize = 100;

/// How long the connection to the store is kept for the next viewer.
const KEEP: Duration = Duration::from_secs(20);

/// Who looks, and what they are shown.
pub(super) struct Clock {
    pub(super) about: About,
    pub(super) subject: Arc<dyn Subject>,
    pub(super) rota: Arc<Rota>,
    pub(super) desk: Arc<Desk>,
    began: Instant,
    viewers: watch::Sender<usize>,
    count: AtomicUsize,
    frames: watch::Sender<Frame>,
}

/// One who looks, until it is dropped.
pub(super) struct Viewer(Arc<Clock>);

impl Drop for Viewer {
    fn drop(&mut self) {
        let left = self.0.count.fetch_sub(1, Ordering::SeqCst) - 1;
        self.0.viewers.send_replace(left);
    }
}

impl Clock {
    pub(super) fn new(about: About, subject: Arc<dyn Subject>, rota: Arc<Rota>, desk: Arc<Desk>) -> Arc<Self> {
        Arc::new(Clock {
            about,
            subject,
            rota,
            desk,
            began: Instant::now(),
            viewers: watch::Sender::new(0),
            count: AtomicUsize::new(0),
            frames: watch::Sender::new(Frame::default()),
        })
    }

    /// Lets one more look; nothing where too many do.
    pub(super) fn enter(self: &Arc<Self>) -> Option<(Viewer, watch::Receiver<Frame>)> {
        let viewers = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        let viewer = Viewer(Arc::clone(self));
        self.viewers.send_replace(viewers);
        (viewers <= VIEWERS).then(|| (viewer, self.frames.subscribe()))
    }

    /// Goes on for ever.
    pub(super) async fn run(self: Arc<Self>) {
        tokio::join!(self.tick(), self.ask());
    }

    async fn tick(&self) {
        let (mut rates, mut lag) = (Rates::default(), Lag::default());
        let mut every = interval(Duration::from_secs(1));
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut viewers = self.viewers.subscribe();
        let mut lag_text: Arc<str> = lag.json().to_string().into();
        let mut noted: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = every.tick() => {}
                // Who comes is shown something at once.
                Ok(()) = viewers.changed() => {}
            }
            let (standing, now) = (self.subject.standing(), OffsetDateTime::now_utc());
            let flow = rates.read(&standing, Instant::now());
            if noted.is_none_or(|noted| noted.elapsed() >= lag::STEP) {
                noted = Some(Instant::now());
                lag.note(&standing.places, now);
                lag_text = lag.json().to_string().into();
            }
            if *viewers.borrow_and_update() == 0 {
                continue;
            }
            let seen = self.rota.seen();
            let moment = Moment {
                about: &self.about,
                ready: self.subject.readiness(),
                standing: &standing,
                flow,
                seen: &seen,
                engine: self.desk.engine(),
                up_seconds: self.began.elapsed().as_secs(),
                now,
            };
            let text = |value: Value| Arc::<str>::from(value.to_string());
            self.frames.send_replace(Frame {
                now: text(moment.json()),
                lag: Arc::clone(&lag_text),
                files: text(frame::files(&seen)),
                rejected: text(frame::rejected(&seen)),
            });
        }
    }

    /// Asks the store while there are viewers.
    async fn ask(&self) {
        let mut viewers = self.viewers.subscribe();
        loop {
            someone(&mut viewers, true).await;
            tokio::select! {
                () = self.rota.run() => {}
                () = someone(&mut viewers, false) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(KEEP) => self.desk.rest().await,
                () = someone(&mut viewers, true) => {}
            }
        }
    }
}

/// Comes when someone looks, or nobody does.
async fn someone(viewers: &mut watch::Receiver<usize>, looks: bool) {
    if viewers.wait_for(|viewers| (*viewers > 0) == looks).await.is_err() {
        std::future::pending::<()>().await;
    }
}
