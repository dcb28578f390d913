//! Where the certificate is kept, and what there was of it last: read again and again, as it may change, run out, or not
//! be there yet.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use openssl::ssl::SslAcceptor;
use tokio::sync::watch;
use tokio::time::sleep;

use super::certificate::{CertificateError, Shown, Text};
use super::health::Health;
use crate::azure::identity::Identity;
use crate::base::{SecretReader as _, SecretSource, chain};
use crate::settings::CertificateSource;

/// A certificate that is about to run out is looked at more often, down to this.
const SHORTEST: Duration = Duration::from_secs(1);

pub(super) struct Keeper {
    source: CertificateSource,
    identity: Arc<Identity>,
    health: Arc<Health>,
    reread: Duration,
    /// So that what was read first does not replace what was read last.
    looking: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    usable: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    shown: Option<Shown>,
    /// What the one that is shown was made from.
    digest: [u8; 32],
    complaint: Option<String>,
}

impl Keeper {
    /// Files are read; what is in a vault is so only by [`keep`](Self::keep), as that may take long.
    ///
    /// # Errors
    /// When files are of no use now. What a vault does not have may still come.
    pub(super) async fn open(
        source: &CertificateSource,
        identity: &Arc<Identity>,
        health: &Arc<Health>,
        reread: Duration,
    ) -> Result<Self, CertificateError> {
        let keeper = Keeper {
            source: source.clone(),
            identity: Arc::clone(identity),
            health: Arc::clone(health),
            reread,
            looking: tokio::sync::Mutex::default(),
            state: Mutex::default(),
            usable: watch::Sender::new(false),
        };
        if matches!(source, CertificateSource::Files { .. }) {
            keeper.look().await?;
        }
        Ok(keeper)
    }

    /// Looks again, every so often, and before the certificate runs out. Never ends.
    pub(super) async fn keep(&self) -> std::convert::Infallible {
        if matches!(self.source, CertificateSource::Vault(_)) {
            self.refresh().await;
        }
        loop {
            let until = self.lock().shown.as_ref().map(|shown| shown.until);
            let left = until.map(|until| until.duration_since(SystemTime::now()).unwrap_or_default());
            sleep(left.map_or(self.reread, |left| self.reread.min((left / 2).max(SHORTEST)))).await;
            self.refresh().await;
        }
    }

    /// Whether there is a certificate to show, and each change of that.
    pub(super) fn usable(&self) -> watch::Receiver<bool> {
        self.usable.subscribe()
    }

    /// What to accept a client with; files count as they are now. Nothing while there is no certificate that is valid.
    pub(super) async fn acceptor(&self) -> Option<SslAcceptor> {
        if matches!(self.source, CertificateSource::Files { .. }) {
            self.refresh().await;
        }
        let state = self.lock();
        state.shown.as_ref().filter(|shown| shown.until > SystemTime::now()).map(|shown| shown.acceptor.clone())
    }

    /// What is of no use, such as half of a new pair, leaves all as it was; it is complained of once.
    async fn refresh(&self) {
        if let Err(error) = self.look().await {
            self.complain(&error);
        }
    }

    async fn look(&self) -> Result<(), CertificateError> {
        let _one_at_a_time = self.looking.lock().await;
        let read = self.read().await;
        let mut state = self.lock();
        let now = SystemTime::now();
        let had = state.shown.is_some();
        state.shown.take_if(|shown| shown.until <= now);
        let taken = read.and_then(|text| {
            let digest = text.digest();
            if state.shown.is_none() || state.digest != digest {
                let shown = text.shown()?;
                self.health.certificate(shown.until);
                let days_left = shown.until.duration_since(now).unwrap_or_default().as_secs() / 86_400;
                let what = if had { " was replaced" } else { "" };
                tracing::info!(days_left, "certificate {}{what}", self.place());
                (state.shown, state.digest) = (Some(shown), digest);
            }
            state.complaint = None;
            self.health.certificate_trouble(None);
            Ok(())
        });
        let usable = state.shown.is_some();
        drop(state);
        self.usable.send_if_modified(|before| std::mem::replace(before, usable) != usable);
        taken
    }

    fn complain(&self, error: &CertificateError) {
        let reason = chain(error);
        let mut state = self.lock();
        let before = match state.shown {
            Some(_) => "going on with the certificate from before",
            None => "the port stays shut",
        };
        // The reason may end in a command, which people take from here.
        let complaint = format!("{before}: {reason}");
        if state.complaint.as_ref() != Some(&complaint) {
            tracing::warn!("{complaint}");
            self.health.certificate_trouble(Some(&complaint));
            state.complaint = Some(complaint);
        }
    }

    async fn read(&self) -> Result<Text, CertificateError> {
        const FLAG: &str = "--tls-certificate";
        match &self.source {
            CertificateSource::Files { certificate, key } if certificate == key => {
                let (place, bytes) = file(FLAG, certificate).await?;
                Ok(Text::One(place, bytes))
            }
            CertificateSource::Files { certificate, key } => {
                Ok(Text::Files { certificate: file(FLAG, certificate).await?, key: file("--tls-key", key).await? })
            }
            CertificateSource::Vault(secret) => {
                let place = format!("{FLAG} {secret}");
                match (self.identity.read(secret).await, secret) {
                    (Ok(text), _) => Ok(Text::One(place, text.expose().as_bytes().to_vec())),
                    (Err(error), SecretSource::KeyVault { name, version: None }) if error.is_missing() => {
                        Err(CertificateError::Missing { place, vault: self.vault(), name: name.clone() })
                    }
                    (Err(source), _) => Err(CertificateError::Vault { place, source }),
                }
            }
        }
    }

    /// The vault as `az` names it.
    fn vault(&self) -> String {
        let url = self.identity.settings().key_vault.as_ref();
        let host = url.and_then(|url| url.host_str()).unwrap_or_default();
        host.split('.').next().unwrap_or_default().to_owned()
    }

    fn place(&self) -> String {
        match &self.source {
            CertificateSource::Files { certificate, .. } => certificate.display().to_string(),
            CertificateSource::Vault(secret) => secret.to_string(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn file(flag: &'static str, path: &Path) -> Result<(String, Vec<u8>), CertificateError> {
    let failed = |source| CertificateError::Read { flag, path: path.to_owned(), source };
    Ok((format!("{flag} {}", path.display()), tokio::fs::read(path).await.map_err(failed)?))
}
