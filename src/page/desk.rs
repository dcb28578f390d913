//! The one way from the page to the store: a statement a second at most, one after the other, whoever looks.

use std::sync::{Arc, Mutex as Quick, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use crate::azure::identity::Identity;
use crate::base::SecretSource;
use crate::store::{Fault, Session, StoreAddress, StoreError};

/// Between the beginnings of two statements.
const EVERY: Duration = Duration::from_secs(1);

/// How long an answer is waited for, the connection included.
const PATIENCE: Duration = Duration::from_secs(5);

/// After a statement the store has so many times as long for others.
const REST: u32 = 3;

/// How long nothing is asked after trouble.
const PAUSE: Duration = Duration::from_secs(5);

/// Who may wait for their turn.
const WAITING: usize = 32;

/// Where the store is, and as whom it is asked: the loader's own user.
#[derive(Debug)]
pub struct Door {
    /// The store.
    pub address: StoreAddress,
    /// Its password, where it is kept elsewhere.
    pub password: Option<SecretSource>,
    /// Who reads that.
    pub identity: Arc<Identity>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    /// Too many wait already.
    #[error("too many look at once: {WAITING} questions wait for their turn, and one a second is asked")]
    Busy,
    /// It took too long.
    #[error("the store did not answer within {} s, and was asked to stop", PATIENCE.as_secs())]
    Late,
    /// It does not work, or it refuses.
    #[error("{0}")]
    Store(String),
}

/// Asks the store.
pub(super) struct Desk {
    door: Door,
    state: Mutex<State>,
    places: Semaphore,
    engine: Quick<Option<String>>,
}

struct State {
    session: Option<Session>,
    /// The address with its password, once that was read.
    opened: Option<StoreAddress>,
    next: Instant,
}

impl Desk {
    pub(super) fn new(door: Door) -> Self {
        let state = State { session: None, opened: None, next: Instant::now() };
        Desk { door, state: Mutex::new(state), places: Semaphore::new(WAITING), engine: Quick::default() }
    }

    /// Asks one thing, when its turn comes. It must be one statement.
    ///
    /// # Errors
    /// When there is no answer. What waits and is dropped is not asked.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Session) -> Result<T, StoreError>,
    ) -> Result<T, Unanswered> {
        let _place = self.places.try_acquire().map_err(|_| Unanswered::Busy)?;
        let mut state = self.state.lock().await;
        sleep_until(state.next).await;
        let began = Instant::now();
        // Whoever stops waiting now leaves a statement under way behind, and so no session.
        state.next = began + EVERY;
        let session = match state.session.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => match timeout(PATIENCE, self.connect(&mut state)).await {
                Ok(Ok(session)) => session,
                Ok(Err(error)) => return Err(state.trouble(Unanswered::Store(error))),
                Err(_) => return Err(state.trouble(Unanswered::Late)),
            },
        };
        let answer = timeout(PATIENCE, question(&session)).await;
        state.next = (began + EVERY).max(Instant::now() + began.elapsed() * REST);
        match answer {
            Ok(Ok(answer)) => {
                state.session = Some(session);
                Ok(answer)
            }
            Ok(Err(error)) => {
                let refusal = Unanswered::Store(error.to_string());
                if error.fault() == Fault::Transient {
                    return Err(state.trouble(refusal));
                }
                state.session = Some(session);
                Err(refusal)
            }
            Err(_) => {
                session.cancel().await;
                Err(state.trouble(Unanswered::Late))
            }
        }
    }

    /// What the store calls itself, once it was asked.
    pub(super) fn engine(&self) -> Option<String> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Leaves the store alone until someone asks again.
    pub(super) async fn rest(&self) {
        self.state.lock().await.session = None;
    }

    async fn connect(&self, state: &mut State) -> Result<Session, String> {
        let address = match (&state.opened, &self.door.password) {
            (Some(address), _) => address.clone(),
            (None, None) => self.door.address.clone(),
            (None, Some(source)) => {
                let password = self.door.identity.secret(source).await.map_err(|error| error.to_string())?;
                self.door.address.with_rotating_password(password)
            }
        };
        let session = Session::connect(&address).await.map_err(|error| error.to_string())?;
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.engine());
        state.opened = Some(address);
        Ok(session)
    }
}

impl State {
    fn trouble(&mut self, what: Unanswered) -> Unanswered {
        self.next = Instant::now() + PAUSE;
        what
    }
}
