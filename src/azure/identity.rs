//! Who the program is towards Azure: one credential, and the secrets it may read.

use std::fmt;
use std::sync::{Arc, OnceLock};

use azure_core::credentials::TokenCredential;
use futures::future::BoxFuture;

use super::access::{Key, Sas};
pub use super::credential::{CredentialKind, IdentitySettings};
use super::token;
use super::vault::Vault;
use crate::base::{RotatingSecret, Secret, SecretError, SecretReader, SecretSource, Token, TokenSource, chain};

/// The program's identity. The credential is made when it is first needed.
pub struct Identity {
    settings: IdentitySettings,
    credential: OnceLock<Result<Arc<dyn TokenCredential>, String>>,
    vault: OnceLock<Result<Vault, SecretError>>,
}

/// Why there is no credential.
#[derive(Debug, Clone, thiserror::Error)]
#[error("--credential {kind} (because {because}) cannot be used: {reason}")]
pub struct IdentityError {
    kind: CredentialKind,
    because: String,
    reason: String,
}

impl Identity {
    /// Sends nothing.
    pub fn new(settings: IdentitySettings) -> Arc<Self> {
        Arc::new(Identity { settings, credential: OnceLock::new(), vault: OnceLock::new() })
    }

    /// What it was made from.
    pub fn settings(&self) -> &IdentitySettings {
        &self.settings
    }

    /// The credential for Azure's services. Sends nothing; tokens are got when a service is asked.
    ///
    /// # Errors
    /// Its settings lack something: a variable or a file that the platform should provide.
    pub fn credential(&self) -> Result<Arc<dyn TokenCredential>, IdentityError> {
        self.credential.get_or_init(|| self.make()).clone().map_err(|reason| IdentityError {
            kind: self.settings.kind,
            because: self.settings.because.clone(),
            reason,
        })
    }

    /// What opens a container or a queue: the SAS given beside its address, or else a token if it takes one. Sends and
    /// reads nothing.
    ///
    /// # Errors
    /// As [`credential`](Self::credential).
    pub fn key(
        self: &Arc<Self>,
        needs_credential: bool,
        sas: Option<&SecretSource>,
    ) -> Result<Option<Key>, IdentityError> {
        match sas {
            Some(source) => Ok(Some(Key::Sas(Sas::rotating(source.clone(), Arc::clone(self) as _)))),
            None if needs_credential => self.credential().map(|credential| Some(Key::Token(credential))),
            None => Ok(None),
        }
    }

    /// Reads a secret that can be read again when it is refused.
    ///
    /// # Errors
    /// As [`SecretReader::read`].
    pub async fn secret(self: &Arc<Self>, source: &SecretSource) -> Result<RotatingSecret, SecretError> {
        RotatingSecret::open(source.clone(), Arc::clone(self) as _).await
    }

    async fn fresh_token(&self, scope: &str) -> Result<Token, SecretError> {
        let kind = self.settings.kind;
        let credential = self.credential().map_err(|error| SecretError::new(error.to_string()))?;
        let token = credential.get_token(&[scope], None).await.map_err(|error| {
            // What is away comes back; what is refused may be mended meanwhile.
            SecretError::passing(format!("no token for {scope} by --credential {kind}: {}", chain(&error)))
        })?;
        Ok(Token { secret: Secret::new(token.token.secret()), expires: token.expires_on.into() })
    }

    async fn read_once(&self, source: &SecretSource) -> Result<Secret, SecretError> {
        match source {
            SecretSource::Literal(secret) => Ok(secret.clone()),
            SecretSource::File(path) => match tokio::fs::read_to_string(path).await {
                Ok(text) => match text.trim_end_matches(['\r', '\n']) {
                    // Between emptying a file and writing it there is a moment.
                    "" => Err(SecretError::passing(format!("{source} is empty: write the secret into it"))),
                    text => Ok(Secret::new(text)),
                },
                Err(error) => Err(SecretError::new(format!(
                    "{source} cannot be read ({error}): see that the file is there and this user may read it"
                ))),
            },
            SecretSource::KeyVault { name, version } => self.vault()?.secret(name, version.as_deref()).await,
        }
    }

    fn vault(&self) -> Result<&Vault, SecretError> {
        let Some(url) = &self.settings.key_vault else {
            return Err(SecretError::new("secrets in a Key Vault need --key-vault-url"));
        };
        let credential = self.credential().map_err(|error| SecretError::new(error.to_string()))?;
        self.vault.get_or_init(|| Vault::open(url, credential)).as_ref().map_err(Clone::clone)
    }

    fn make(&self) -> Result<Arc<dyn TokenCredential>, String> {
        let IdentitySettings { kind, because, client_id, .. } = &self.settings;
        let credential = token::credential(&self.settings)?;
        tracing::info!(
            credential = %kind,
            because,
            client_id = client_id.as_deref().unwrap_or("none given"),
            "tokens for Azure's services"
        );
        Ok(credential)
    }
}

impl SecretReader for Identity {
    fn read<'a>(&'a self, source: &'a SecretSource) -> BoxFuture<'a, Result<Secret, SecretError>> {
        Box::pin(self.read_once(source))
    }
}

impl TokenSource for Identity {
    fn token<'a>(&'a self, scope: &'a str) -> BoxFuture<'a, Result<Token, SecretError>> {
        Box::pin(self.fresh_token(scope))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.settings).finish()
    }
}
