//! The users of a store and their passwords: what `init` does once and `guard` again and again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::azure::identity::Identity;
use crate::base::{Secret, SecretError, SecretReader as _, SecretSource};
use crate::settings::{Latest, SetupSettings};
use crate::store::{
    InvalidPassword, Kind, Session, StoreAddress, StoreError, User, check_password, create_history, create_objects,
    grant, open_user, set_own_password, set_user,
};

/// Why users cannot be made. It never holds a password.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A password cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A password that was read cannot be set.
    #[error("{flag}: the password from {origin} {reason}")]
    Password {
        /// Which.
        flag: &'static str,
        /// Where it was read.
        origin: SecretSource,
        /// Why.
        reason: InvalidPassword,
    },
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A password was set, and the store still asks for none.
    #[error(
        "store {0}: it still lets {1} in without a password after one was set; look at its authentication settings"
    )]
    StillOpen(String, String),
}

/// Every password, as it was last read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Passwords {
    /// To connect with.
    store: Option<Secret>,
    root: Option<Secret>,
    loader: Option<Secret>,
    reader: Option<Secret>,
}

/// One store and its users.
pub(super) struct Setup {
    settings: SetupSettings,
    identity: Arc<Identity>,
    /// What let us in, the last first, for when the password to set is a new one, or the store lost that one again.
    worked: Mutex<Vec<Secret>>,
}

impl Setup {
    pub(super) fn new(settings: SetupSettings) -> Self {
        let identity = Identity::new(settings.identity.clone());
        Setup { settings, identity, worked: Mutex::default() }
    }

    pub(super) fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    pub(super) fn store(&self) -> &StoreAddress {
        &self.settings.store
    }

    /// Reads every password that was given.
    ///
    /// # Errors
    /// The first that cannot be read or set.
    pub(super) async fn read(&self) -> Result<Passwords, SetupError> {
        let SetupSettings { store_password, root_password, loader_password, reader_password, .. } = &self.settings;
        let store = match store_password {
            None => None,
            Some(source) => Some(self.identity.read(source).await?),
        };
        Ok(Passwords {
            store,
            root: self.to_set("--root-password", root_password.as_ref()).await?,
            loader: self.to_set("--loader-password", loader_password.as_ref()).await?,
            reader: self.to_set("--reader-password", reader_password.as_ref()).await?,
        })
    }

    async fn to_set(&self, flag: &'static str, source: Option<&SecretSource>) -> Result<Option<Secret>, SetupError> {
        let Some(source) = source else { return Ok(None) };
        let password = self.identity.read(source).await?;
        match check_password(&password) {
            Ok(()) => Ok(Some(password)),
            Err(reason) => Err(SetupError::Password { flag, origin: source.clone(), reason }),
        }
    }

    /// Connects: with the password to set, which a store without one does not ask for, else with those that let us in
    /// last, else with the one given to connect with.
    ///
    /// # Errors
    /// What the last try said.
    pub(super) async fn connect(&self, passwords: &Passwords) -> Result<Session, StoreError> {
        let address = &self.settings.store;
        let tries = self.known(passwords);
        let Some((last, tries)) = tries.split_last() else { return Session::connect(address).await };
        for password in tries {
            match Session::connect(&address.with_password(password)).await {
                Err(error) if error.is_wrong_password() => {}
                connected => return connected.inspect(|_| self.remember(password)),
            }
        }
        Session::connect(&address.with_password(last)).await.inspect(|_| self.remember(last))
    }

    /// Passwords that may let us in, the likeliest first.
    fn known(&self, passwords: &Passwords) -> Vec<Secret> {
        let mut known: Vec<Secret> = Vec::new();
        let worked = self.worked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for password in passwords.root.clone().into_iter().chain(worked).chain(passwords.store.clone()) {
            if !known.contains(&password) {
                known.push(password);
            }
        }
        known
    }

    fn remember(&self, password: &Secret) {
        let mut worked = self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        worked.retain(|known| known != password);
        worked.insert(0, password.clone());
        worked.truncate(2);
    }

    /// Makes the tables and views that are wanted and not there yet, and tells each one's name.
    ///
    /// # Errors
    /// When the store refuses or is away.
    pub(super) async fn create(&self, session: &Session, made: impl Fn(&'static str)) -> Result<(), StoreError> {
        match self.settings.latest {
            Latest::Made => create_objects(session, made).await,
            Latest::Left => create_history(session, made).await,
        }
    }

    /// Sets every password that was read, making users that are not there, and tells whose.
    ///
    /// # Errors
    /// When the store refuses, or asks for no password though one was set.
    pub(super) async fn set(
        &self,
        session: &Session,
        passwords: &Passwords,
        told: impl Fn(&str),
    ) -> Result<(), SetupError> {
        if let Some(password) = &passwords.root {
            set_own_password(session, &self.settings.store, password, &self.known(passwords)).await?;
            self.remember(password);
            if session.kind() == Kind::RisingWave {
                self.closed_without(session).await?;
            }
            told(self.settings.store.user());
        }
        for (user, password) in [(User::Loader, &passwords.loader), (User::Reader, &passwords.reader)] {
            match password {
                Some(password) => {
                    set_user(session, user, password).await?;
                    told(user.name());
                }
                // What was made anew has no rights of before.
                None => grant(session, user).await?,
            }
        }
        Ok(())
    }

    /// Asserts that no superuser gets in without a password. A new one may take a moment to count everywhere.
    async fn closed_without(&self, session: &Session) -> Result<(), SetupError> {
        const SETTLING: Duration = Duration::from_secs(5);
        let store = &self.settings.store;
        let deadline = Instant::now() + SETTLING;
        while let Some(user) = open_user(session, store).await? {
            if Instant::now() >= deadline {
                return Err(SetupError::StillOpen(store.to_string(), user));
            }
            sleep(Duration::from_millis(250)).await;
        }
        Ok(())
    }
}
