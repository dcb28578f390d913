//! Credentials that say in one sentence why they give no token, and what to do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_identity::{
    ClientAssertionCredentialOptions, DeveloperToolsCredential, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::credential::{CredentialKind, IdentitySettings};
use super::failure::root;
use super::transport::{Manner, Repeats, options};

/// How long an identity endpoint may be silent.
const SILENCE: Duration = Duration::from_secs(5);
/// How long a token may take, every repeat and the start of `az` included.
const PATIENCE: Duration = Duration::from_secs(30);

/// The credential of these settings. Sends nothing.
///
/// # Errors
/// The platform lacks a variable or a file that it should provide: a sentence without a secret.
pub(super) fn credential(settings: &IdentitySettings) -> Result<Arc<dyn TokenCredential>, String> {
    let client_id = settings.client_id.clone();
    let client_options = |manner| options(SILENCE, Repeats::AFewTimes, manner);
    let made: azure_core::Result<Arc<dyn TokenCredential>> = match settings.kind {
        CredentialKind::ManagedIdentity => ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
            user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
            client_options: client_options(Manner::Plain),
        }))
        .map(|credential| credential as _),
        CredentialKind::Workload => WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
            client_id: client_id.clone(),
            credential_options: ClientAssertionCredentialOptions { client_options: client_options(Manner::Authority) },
            ..WorkloadIdentityCredentialOptions::default()
        }))
        .map(|credential| credential as _),
        CredentialKind::Developer => DeveloperToolsCredential::new(None).map(|credential| credential as _),
    };
    match made {
        Ok(inner) => Ok(Arc::new(Plainly { inner, kind: settings.kind, client_id })),
        Err(error) => Err(unmade(settings.kind, &error)),
    }
}

/// A credential whose errors are one sentence each, of [`ErrorKind::Credential`], and that answers within 30 s.
#[derive(Debug)]
struct Plainly {
    inner: Arc<dyn TokenCredential>,
    kind: CredentialKind,
    client_id: Option<String>,
}

#[async_trait]
impl TokenCredential for Plainly {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let reason = match tokio::time::timeout(PATIENCE, self.inner.get_token(scopes, options)).await {
            Ok(Ok(token)) => return Ok(token),
            Ok(Err(error)) => why(self.kind, self.client_id.as_deref(), &Failure::of(&error)),
            Err(_) => {
                why(self.kind, self.client_id.as_deref(), &Failure::Away(format!("nothing came for {PATIENCE:?}")))
            }
        };
        Err(azure_core::Error::with_message(ErrorKind::Credential, reason))
    }
}

/// What a failure comes down to, below the layers that wrap it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// An answer of this status, and the authority's own codes if it gave some.
    Refused(u16, Option<String>),
    /// No answer.
    Away(String),
    /// Anything else, in the SDK's words.
    Other(String),
}

impl Failure {
    fn of(error: &azure_core::Error) -> Self {
        let mut layer: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(cause) = layer {
            if let Some(known) = cause.downcast_ref::<azure_core::Error>() {
                match known.kind() {
                    ErrorKind::HttpResponse { status, error_code, .. } => {
                        return Failure::Refused(u16::from(*status), error_code.clone());
                    }
                    ErrorKind::Connection | ErrorKind::Io => return Failure::Away(root(known)),
                    _ => {}
                }
            }
            layer = cause.source();
        }
        Failure::Other(error.to_string())
    }
}

/// Why a credential could not be made.
fn unmade(kind: CredentialKind, error: &azure_core::Error) -> String {
    let text = error.to_string();
    let unset = |variable: &str| {
        format!(
            "{variable} is not set: see that the pod has the label azure.workload.identity/use: \"true\" and its \
             service account the identity's client ID"
        )
    };
    match kind {
        CredentialKind::Workload if text.contains("no tenant ID") => unset("AZURE_TENANT_ID"),
        CredentialKind::Workload if text.contains("no token file") => unset("AZURE_FEDERATED_TOKEN_FILE"),
        CredentialKind::Workload if text.contains("no client id") => unset("AZURE_CLIENT_ID"),
        CredentialKind::Workload if text.contains("federated token from file") => format!(
            "the service account's token cannot be read ({}): see that AZURE_FEDERATED_TOKEN_FILE names a file that \
             is there and readable",
            root(error)
        ),
        _ => format!("{}: choose another --credential", root(error)),
    }
}

/// Why there is no token, and what to do. Never quotes a body or a description, which may hold anything.
fn why(kind: CredentialKind, client_id: Option<&str>, failure: &Failure) -> String {
    match (kind, failure) {
        (CredentialKind::ManagedIdentity, Failure::Refused(400, _)) => match client_id {
            Some(id) => {
                format!("the managed identity {id} is not assigned to this machine: assign it, or correct --client-id")
            }
            None => {
                "this machine has no managed identity, or several: assign one, or name one by --client-id".to_owned()
            }
        },
        (CredentialKind::ManagedIdentity, Failure::Refused(status, _)) => format!(
            "the managed identity endpoint refuses ({status}): see that an identity is assigned to this machine, and \
             that IDENTITY_ENDPOINT and IDENTITY_HEADER are its own, if they are set"
        ),
        (CredentialKind::ManagedIdentity, Failure::Away(reason)) => format!(
            "no managed identity endpoint answers here ({reason}): run this in Azure with an identity assigned, or \
             choose another --credential"
        ),
        (CredentialKind::Workload, Failure::Refused(status, code)) => {
            let code = code.as_deref().map(|code| format!(" AADSTS{code}")).unwrap_or_default();
            format!(
                "the authority refuses the service account's token ({status}{code}): check the federated credential's \
                 issuer, subject and audience, and AZURE_TENANT_ID and AZURE_CLIENT_ID"
            )
        }
        (CredentialKind::Workload, Failure::Away(reason)) => format!(
            "the authority cannot be reached ({reason}): let this network to AZURE_AUTHORITY_HOST, which is \
             https://login.microsoftonline.com if it is not set"
        ),
        (CredentialKind::Developer, Failure::Other(text)) => undeveloped(text),
        (CredentialKind::Developer, Failure::Away(reason)) => {
            format!("az gives no token ({reason}): run `az login`, or choose another --credential")
        }
        (CredentialKind::Developer, Failure::Refused(status, _)) => {
            format!("az gives no token ({status}): run `az login`, or choose another --credential")
        }
        (CredentialKind::ManagedIdentity | CredentialKind::Workload, Failure::Other(_)) => {
            format!("what answers for {kind} is no token: see what listens there, or choose another --credential")
        }
    }
}

/// Of what `az` and `azd` said, one line each.
fn undeveloped(text: &str) -> String {
    if text.contains("az not found on PATH") && text.contains("azd not found on PATH") {
        return "neither az nor azd is on PATH: install the Azure CLI and run `az login`, or choose another \
                --credential (managed-identity in Azure, workload in Kubernetes)"
            .to_owned();
    }
    if text.contains("az login") || text.contains("azd auth login") {
        return "nobody is signed in to az or azd: run `az login`, or choose another --credential".to_owned();
    }
    "az and azd give no token: see what `az account get-access-token` says, or choose another --credential".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_says_what_to_do() {
        let (managed, workload, developer) =
            (CredentialKind::ManagedIdentity, CredentialKind::Workload, CredentialKind::Developer);
        let away = Failure::Away("refused".to_owned());
        for (kind, client_id, failure, words) in [
            (managed, Some("id-1"), Failure::Refused(400, None), "identity id-1 is not assigned"),
            (managed, None, Failure::Refused(400, None), "name one by --client-id"),
            (managed, None, Failure::Refused(403, None), "IDENTITY_HEADER"),
            (managed, None, away.clone(), "answers here (refused): run this in Azure"),
            (managed, None, Failure::Other("hunter2".to_owned()), "is no token"),
            (
                workload,
                None,
                Failure::Refused(400, Some("700213".to_owned())),
                "(400 AADSTS700213): check the federated",
            ),
            (workload, None, away.clone(), "AZURE_AUTHORITY_HOST"),
            (developer, None, away, "run `az login`"),
            (developer, None, Failure::Other("az not found on PATH\nazd not found on PATH".to_owned()), "install"),
            (developer, None, Failure::Other("Please run 'az login' to setup".to_owned()), "nobody is signed in"),
            (developer, None, Failure::Other("hunter2".to_owned()), "az account get-access-token"),
        ] {
            let text = why(kind, client_id, &failure);
            assert!(text.contains(words) && text.contains(": ") && !text.contains("hunter2"), "{text}");
        }
    }
}
