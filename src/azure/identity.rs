//! Who the program is towards Azure: one credential, and the secrets it may read.

use std::fmt;
use std::sync::{Arc, OnceLock};

use azure_core::credentials::TokenCredential;
use azure_core::http::Url;
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use futures::future::BoxFuture;

use super::vault::Vault;
use crate::base::{RotatingSecret, Secret, SecretError, SecretReader, SecretSource, Token, TokenSource, chain};

/// How tokens are got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// The identity of the virtual machine, container group or app this runs in.
    ManagedIdentity,
    /// The identity federated with a Kubernetes service account.
    Workload,
    /// Whoever is signed in to `az` or `azd` on this machine.
    Developer,
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CredentialKind::ManagedIdentity => "managed-identity",
            CredentialKind::Workload => "workload",
            CredentialKind::Developer => "developer",
        })
    }
}

/// What an [`Identity`] is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentitySettings {
    /// How tokens are got.
    pub kind: CredentialKind,
    /// What decided for it, for the start line: a flag or a variable.
    pub because: String,
    /// The client ID of a user-assigned identity.
    pub client_id: Option<String>,
    /// Where `keyvault:` secrets are.
    pub key_vault: Option<Url>,
}

impl Default for IdentitySettings {
    /// Whoever is signed in on this machine, and no vault.
    fn default() -> Self {
        let because = "nothing names another".to_owned();
        IdentitySettings { kind: CredentialKind::Developer, because, client_id: None, key_vault: None }
    }
}

/// The program's identity. The credential is made when it is first needed.
pub struct Identity {
    settings: IdentitySettings,
    credential: OnceLock<Result<Arc<dyn TokenCredential>, String>>,
}

/// Why there is no credential.
#[derive(Debug, Clone, thiserror::Error)]
#[error("--credential {kind} (by {because}) cannot be used: {reason}")]
pub struct IdentityError {
    kind: CredentialKind,
    because: String,
    reason: String,
}

impl Identity {
    /// Sends nothing.
    pub fn new(settings: IdentitySettings) -> Arc<Self> {
        Arc::new(Identity { settings, credential: OnceLock::new() })
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
        self.credential.get_or_init(|| make(&self.settings)).clone().map_err(|reason| IdentityError {
            kind: self.settings.kind,
            because: self.settings.because.clone(),
            reason,
        })
    }

    /// The credential for what is opened by a token only, and none for what is not.
    ///
    /// # Errors
    /// As [`credential`](Self::credential).
    pub fn credential_if(&self, needed: bool) -> Result<Option<Arc<dyn TokenCredential>>, IdentityError> {
        needed.then(|| self.credential()).transpose()
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
        let credential = self.credential().map_err(|error| SecretError(error.to_string()))?;
        let token = credential.get_token(&[scope], None).await.map_err(|error| {
            // The tools of a developer's machine explain themselves over several lines.
            let reason = chain(&error).split_whitespace().collect::<Vec<_>>().join(" ");
            SecretError(format!("no token for {scope} by --credential {kind}: {reason}"))
        })?;
        Ok(Token { secret: Secret::new(token.token.secret()), expires: token.expires_on.into() })
    }

    async fn read_once(&self, source: &SecretSource) -> Result<Secret, SecretError> {
        match source {
            SecretSource::Literal(secret) => Ok(secret.clone()),
            SecretSource::File(path) => match tokio::fs::read_to_string(path).await {
                Ok(text) => Ok(Secret::new(text.trim_end_matches(['\r', '\n']))),
                Err(error) => Err(SecretError(format!("{source} cannot be read: {error}"))),
            },
            SecretSource::KeyVault { name, version } => {
                let Some(url) = &self.settings.key_vault else {
                    return Err(SecretError(format!("{source} needs --key-vault-url")));
                };
                let credential = self.credential().map_err(|error| SecretError(error.to_string()))?;
                Vault::open(url, credential)?.secret(name, version.as_deref()).await
            }
        }
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

fn make(settings: &IdentitySettings) -> Result<Arc<dyn TokenCredential>, String> {
    let client_id = settings.client_id.clone();
    let credential: azure_core::Result<Arc<dyn TokenCredential>> = match settings.kind {
        CredentialKind::ManagedIdentity => ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
            user_assigned_id: client_id.map(UserAssignedId::ClientId),
            ..Default::default()
        }))
        .map(|credential| credential as _),
        CredentialKind::Workload => {
            WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions { client_id, ..Default::default() }))
                .map(|credential| credential as _)
        }
        CredentialKind::Developer => DeveloperToolsCredential::new(None).map(|credential| credential as _),
    };
    credential.map_err(|error| chain(&error))
}
