//! What proves to Event Hubs who this is, kept fresh while clients use it.
//!
//! ```text
//! RotatingSecret ─┐             ┌─ password ──▶ rd_kafka_sasl_set_credentials, by each client's attendant
//!                 ├──▶ keeper ──┤
//! TokenSource ────┘     ▲       └─ token ─────▶ ClientContext::generate_oauth_token
//!                       └── refused, accepted ◀── every client
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rdkafka::client::OAuthToken;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::KafkaError;
use super::settings::{EventHubAccess, Proof};
use crate::base::{RotatingSecret, Secret, SecretReader, Token, TokenSource, check_connection_string};

/// A refused connection string is read again so often, until it is accepted.
const REREAD: Duration = Duration::from_secs(10);
/// A token is renewed so long before it ends. Entra's libraries hand out a new one in the last 5 minutes only.
const MARGIN: Duration = Duration::from_secs(240);
/// A program that was let in before does not call it hopeless before so long a time of refusals.
const GRACE: Duration = Duration::from_secs(5);
/// The shortest and the longest pause before a failed renewal is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What all clients of one endpoint share.
pub(super) struct Login {
    pub access: EventHubAccess,
    password: watch::Sender<Option<Secret>>,
    token: Mutex<Option<Token>>,
    /// Why there is no newer token.
    failure: Mutex<Option<String>>,
    /// Why the service last refused what it was shown; none once it has accepted it.
    refusal: Mutex<Option<String>>,
    /// Why it is no use to wait, while that is so: one sentence.
    hopeless: Mutex<Option<String>>,
    /// Whether there is a refusal, for those who come by often.
    is_refused: AtomicBool,
    was_accepted: AtomicBool,
    changed: Notify,
}

/// Renews until it is dropped.
pub(super) struct Keeper {
    pub login: Arc<Login>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Gets the first password or token, and goes on from there.
    ///
    /// # Errors
    /// [`KafkaError::Login`] when there is none, or when it is for something else.
    pub async fn open<I>(access: &EventHubAccess, identity: &Arc<I>) -> Result<Keeper, KafkaError>
    where
        I: SecretReader + TokenSource + 'static,
    {
        let login = Arc::new(Login {
            access: access.clone(),
            password: watch::Sender::new(None),
            token: Mutex::default(),
            failure: Mutex::default(),
            refusal: Mutex::default(),
            hopeless: Mutex::default(),
            is_refused: AtomicBool::new(false),
            was_accepted: AtomicBool::new(false),
            changed: Notify::new(),
        });
        let kept = Arc::clone(&login);
        let task = match &access.proof {
            Proof::ConnectionString(source) => {
                let reader = Arc::clone(identity) as _;
                let secret = RotatingSecret::open(source.clone(), reader)
                    .await
                    .map_err(|error| KafkaError::Login(format!("--connection-string: {error}")))?;
                let password = secret.current();
                login.check(&password).map_err(KafkaError::Login)?;
                login.password.send_replace(Some(password));
                tokio::spawn(async move { kept.keep_password(&secret).await })
            }
            Proof::EntraToken => {
                let scope = format!("https://{}/.default", access.host);
                let first = identity.token(&scope).await.map_err(|error| KafkaError::Login(error.to_string()))?;
                *lock(&login.token) = Some(first);
                let source = Arc::clone(identity);
                tokio::spawn(async move { kept.keep_token(&*source, &scope).await })
            }
        };
        Ok(Keeper { login, task })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Login {
    /// The password of the moment, if it is one; the receiver hears of every other one.
    pub fn password(&self) -> watch::Receiver<Option<Secret>> {
        self.password.subscribe()
    }

    /// What `generate_oauth_token` gives. Never waits: the library calls it on threads that must not.
    ///
    /// # Errors
    /// The token has ended, and there is no newer one yet.
    pub fn oauth_token(&self) -> Result<OAuthToken, String> {
        let token = lock(&self.token).clone().ok_or("no token is used")?;
        if token.expires <= SystemTime::now() {
            return Err(lock(&self.failure).clone().unwrap_or_else(|| "the token has ended".to_owned()));
        }
        let lifetime = token.expires.duration_since(SystemTime::UNIX_EPOCH).map_err(|error| error.to_string())?;
        Ok(OAuthToken {
            token: token.secret.expose().to_owned(),
            principal_name: "deltawave".to_owned(),
            lifetime_ms: i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX),
        })
    }

    /// The service refused the password or the token.
    pub fn refused(&self, reason: &str) {
        *lock(&self.refusal) = Some(reason.to_owned());
        self.is_refused.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// The service let a client in.
    pub fn accepted(&self) {
        if !self.was_accepted.load(Ordering::Relaxed) || self.is_refused.load(Ordering::Relaxed) {
            self.was_accepted.store(true, Ordering::Relaxed);
            self.is_refused.store(false, Ordering::Release);
            *lock(&self.refusal) = None;
            if lock(&self.hopeless).take().is_some() {
                tracing::info!("{} lets this program in again", self.access.host);
            }
            self.changed.notify_one();
        }
    }

    /// Why it is no use to wait, if so.
    pub fn hopeless(&self) -> Option<String> {
        lock(&self.hopeless).clone()
    }

    /// Notes why it is no use to wait. Who is connecting reports it itself; later it is told here, once.
    fn give_up_hope(&self, sentence: String) {
        let mut hopeless = lock(&self.hopeless);
        if self.was_accepted.load(Ordering::Relaxed) && hopeless.as_ref() != Some(&sentence) {
            tracing::error!("{sentence}");
        }
        *hopeless = Some(sentence);
    }

    fn check(&self, password: &Secret) -> Result<(), String> {
        let EventHubAccess { host, hub, .. } = &self.access;
        check_connection_string(password, host, hub).map_err(|error| format!("--connection-string {error}"))
    }

    async fn keep_password(&self, secret: &RotatingSecret) {
        loop {
            self.changed.notified().await;
            while self.is_refused.load(Ordering::Acquire) {
                self.reread(secret).await;
                tokio::select! { () = self.changed.notified() => {}, () = sleep(REREAD) => {} }
            }
        }
    }

    async fn reread(&self, secret: &RotatingSecret) {
        let (host, source) = (&self.access.host, secret.source());
        let used = self.password.borrow().clone().unwrap_or_else(|| secret.current());
        let reason = lock(&self.refusal).clone().unwrap_or_default();
        match secret.renew(&used).await {
            Ok(true) => {
                let new = secret.current();
                match self.check(&new) {
                    Ok(()) => {
                        tracing::info!(
                            "{host} refused the connection string, and {source} has another one: using that"
                        );
                        self.password.send_replace(Some(new));
                    }
                    Err(wrong) => self.give_up_hope(wrong),
                }
            }
            Ok(false) => self.give_up_hope(format!(
                "{host} refuses the connection string ({reason}): its key was renewed or its policy deleted, or the \
                 namespace takes Entra tokens only, so copy it anew from the portal (Shared access policies) into {}, \
                 or leave --connection-string out",
                match secret.source() {
                    crate::base::SecretSource::Literal(_) => "--connection-string".to_owned(),
                    source => source.to_string(),
                }
            )),
            Err(error) => self.give_up_hope(format!("{host} refuses the connection string, and a new one: {error}")),
        }
    }

    async fn keep_token(&self, source: &impl TokenSource, scope: &str) {
        let first = lock(&self.token).as_ref().map_or(RETRY.0, until_renewal);
        let mut renewal = Instant::now() + first;
        let mut verdict: Option<Instant> = None;
        loop {
            tokio::select! {
                () = sleep_until(renewal) => renewal = Instant::now() + self.renew_token(source, scope).await,
                () = sleep_until(verdict.unwrap_or(renewal)), if verdict.is_some() => {
                    verdict = None;
                    self.token_refused();
                }
                () = self.changed.notified() => {
                    // A token that ends while it is shown is refused too, and the next one is not.
                    let patience = if self.was_accepted.load(Ordering::Relaxed) { GRACE } else { Duration::ZERO };
                    let refused = self.is_refused.load(Ordering::Acquire);
                    verdict = refused.then(|| verdict.unwrap_or(Instant::now() + patience));
                }
            }
        }
    }

    fn token_refused(&self) {
        let host = &self.access.host;
        let Some(reason) = lock(&self.refusal).clone() else { return };
        let failure = lock(&self.failure).clone();
        self.give_up_hope(failure.unwrap_or_else(|| {
            format!(
                "{host} refuses the Entra token ({reason}): check that this machine's clock is right and that \
                 --credential and --client-id name an identity of the namespace's tenant"
            )
        }));
    }

    /// Gives how long to wait for the next time.
    async fn renew_token(&self, source: &impl TokenSource, scope: &str) -> Duration {
        match source.token(scope).await {
            Ok(token) => {
                tracing::debug!(scope, "the token was renewed");
                let pause = until_renewal(&token);
                *lock(&self.token) = Some(token);
                if lock(&self.failure).take().is_some() {
                    tracing::info!("tokens for {} are renewed again", self.access.host);
                }
                pause
            }
            Err(error) => {
                let left = lock(&self.token).as_ref().map_or(Duration::ZERO, left);
                let told = lock(&self.failure).replace(error.to_string()).is_some();
                if !told {
                    tracing::warn!("{error}: the one in use ends in {} s, trying again", left.as_secs());
                }
                (left / 10).clamp(RETRY.0, RETRY.1)
            }
        }
    }
}

fn left(token: &Token) -> Duration {
    token.expires.duration_since(SystemTime::now()).unwrap_or_default()
}

/// Before the library asks for a new one, which is after four fifths of what was left; never more often than needed.
fn until_renewal(token: &Token) -> Duration {
    let left = left(token);
    left.saturating_sub(MARGIN).max(left / 2).max(RETRY.0 / 2)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
