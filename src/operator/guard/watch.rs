//! One store, from connecting to losing it, over and over.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::front::{Front, FrontError};
use super::health::{Health, Stage};
use crate::operator::setup::{Passwords, Setup, SetupError};
use crate::store::{Fault, Session, StoreAddress, StoreError, missing_ledger_table};

/// How long making everything may take: the latest state is filled from the whole history. Whoever comes next waits on for
/// what is being made.
const PREPARE: Duration = Duration::from_secs(30 * 60);
/// How long a RisingWave may take to be well again after it was asked to recover; it takes about five seconds.
const RECOVERY: Duration = Duration::from_secs(10);
/// How long a store that has just started may refuse changes before it is set up from the beginning.
const WRITABLE: Duration = Duration::from_secs(120);
/// The first pause after trouble, and between looks while the store recovers.
const SHORT: Duration = Duration::from_millis(250);

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Front(#[from] FrontError),
    #[error("store {0}: the connection was lost")]
    Lost(String),
}

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// Between looks at the store.
    pub poll: Duration,
    /// For the store to answer.
    pub answer: Duration,
    /// Between looks at the passwords.
    pub reread: Duration,
}

pub(super) struct Watch {
    setup: Setup,
    times: Times,
    health: Arc<Health>,
    front: Option<Arc<Front>>,
}

impl Watch {
    pub(super) fn new(setup: Setup, times: Times, health: Arc<Health>, front: Option<Arc<Front>>) -> Self {
        Watch { setup, times, health, front }
    }

    /// Never ends.
    pub(super) async fn run(&self) {
        let mut pause = SHORT;
        loop {
            let began = Instant::now();
            let Err(trouble) = self.once().await;
            self.health.enter(Stage::Waiting);
            self.complain(&trouble.to_string());
            // One that lasted was well in between.
            pause =
                if began.elapsed() > self.times.poll * 2 { SHORT } else { (pause * 2).min(self.times.poll.max(SHORT)) };
            sleep(pause).await;
        }
    }

    fn complain(&self, trouble: &str) {
        if self.health.troubled(trouble) {
            tracing::warn!("{trouble}; trying until it passes");
        }
    }

    /// Sets the store up and stays with it until it is lost.
    async fn once(&self) -> Result<Infallible, Trouble> {
        let passwords = self.setup.read().await?;
        let session = self.connect(&passwords).await?;
        self.health.enter(Stage::Preparing);
        self.unless_lost(&session, PREPARE, self.prepare(&session, &passwords)).await?;
        let listener = match &self.front {
            Some(front) => front.open().await?,
            None => None,
        };
        if self.health.enter(Stage::Serving) {
            tracing::info!(engine = session.engine(), "the store is set up and takes changes");
        }
        let ended = tokio::select! {
            Err(trouble) = self.watch(&session) => trouble,
            Err(trouble) = self.keep_passwords(&session, passwords) => trouble,
            Err(trouble) = self.let_in(listener) => trouble,
            () = session.closed() => self.lost(&session),
        };
        if self.front.is_some() {
            tracing::info!("letting nobody in until the store is set up again");
        }
        Err(ended)
    }

    async fn let_in(&self, listener: Option<TcpListener>) -> Result<Infallible, Trouble> {
        match &self.front {
            Some(front) => Ok(front.serve(listener).await?),
            None => std::future::pending().await,
        }
    }

    /// A server that takes connections may still not answer.
    async fn connect(&self, passwords: &Passwords) -> Result<Session, Trouble> {
        match timeout(self.times.answer, self.setup.connect(passwords)).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(late(self.setup.store(), self.times.answer).into()),
        }
    }

    async fn prepare(&self, session: &Session, passwords: &Passwords) -> Result<(), Trouble> {
        // A store that takes no changes makes no views either.
        if missing_ledger_table(session).await?.is_none() {
            self.until_writable(session).await?;
        }
        self.setup.create(session, |name| tracing::debug!(name, "ready")).await?;
        self.setup.set(session, passwords, |user| tracing::info!(user, "has its password and rights")).await?;
        self.until_writable(session).await
    }

    async fn until_writable(&self, session: &Session) -> Result<(), Trouble> {
        let deadline = Instant::now() + WRITABLE;
        let mut recovery = Recovery::default();
        loop {
            let checked = timeout(self.times.answer, session.check_writes()).await;
            match checked.unwrap_or_else(|_| Err(late(session.address(), self.times.answer))) {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(error) => match error.fault() {
                    Fault::NeedsRecover => recovery.ask(session).await?,
                    Fault::Transient => {}
                    Fault::Data | Fault::Permanent => return Err(error.into()),
                },
            }
            sleep(SHORT).await;
        }
    }

    /// Looks whether changes are taken, every so often, until the store is lost.
    async fn watch(&self, session: &Session) -> Result<Infallible, Trouble> {
        let mut recovery = Recovery::default();
        loop {
            let error = match self
                .unless_lost(session, self.times.answer, async { Ok(session.check_writes().await.err()) })
                .await?
            {
                None => {
                    if self.health.enter(Stage::Serving) {
                        tracing::info!("the store takes changes again");
                    }
                    sleep(self.times.poll).await;
                    continue;
                }
                Some(error) => error,
            };
            if error.needs_someone() {
                // What was made is gone, or no longer ours: it is made again.
                return Err(error.into());
            }
            self.unless_lost(session, self.times.answer, async { Ok(session.check().await?) }).await?;
            self.health.enter(Stage::Recovering);
            self.complain(&error.to_string());
            if error.fault() == Fault::NeedsRecover {
                self.unless_lost(session, self.times.answer, async { Ok(recovery.ask(session).await?) }).await?;
            }
            sleep(self.times.poll.min(SHORT * 2)).await;
        }
    }

    /// Reads the passwords again, every so often, and sets those that changed.
    async fn keep_passwords(&self, session: &Session, mut known: Passwords) -> Result<Infallible, Trouble> {
        let mut interval = interval(self.times.reread);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval.tick().await;
        loop {
            interval.tick().await;
            match self.setup.read().await {
                // The store is well; its users keep what they have.
                Err(error) => tracing::warn!("{error}; reading it again in {} s", self.times.reread.as_secs_f64()),
                Ok(read) if read == known => {}
                Ok(read) => {
                    let set = async {
                        Ok(self.setup.set(session, &read, |user| tracing::info!(user, "password set anew")).await?)
                    };
                    self.unless_lost(session, PREPARE, set).await?;
                    known = read;
                }
            }
        }
    }

    /// A connection that breaks while something is asked, or does not answer in time, is lost.
    async fn unless_lost<T>(
        &self,
        session: &Session,
        limit: Duration,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let lost = async {
            session.closed().await;
            // Whoever asks is told first, and better.
            sleep(SHORT).await;
        };
        tokio::select! {
            biased;
            done = timeout(limit, work) => match done {
                Ok(done) => done,
                Err(_) => Err(late(session.address(), limit).into()),
            },
            () = lost => Err(self.lost(session)),
        }
    }

    fn lost(&self, session: &Session) -> Trouble {
        Trouble::Lost(session.address().to_string())
    }
}

fn late(store: &StoreAddress, limit: Duration) -> StoreError {
    StoreError::timed_out(store, &format!("an answer within {} s", limit.as_secs_f64()))
}

/// Asks for a recovery, once in the time that one takes.
#[derive(Default)]
struct Recovery(Option<Instant>);

impl Recovery {
    async fn ask(&mut self, session: &Session) -> Result<(), StoreError> {
        if self.0.is_none_or(|asked| asked.elapsed() > RECOVERY) {
            self.0 = Some(Instant::now());
            tracing::warn!("the store was restarted and takes no changes: asking it to RECOVER");
            counter!("deltawave_guard_recoveries_total").increment(1);
            session.recover().await?;
        }
        Ok(())
    }
}
