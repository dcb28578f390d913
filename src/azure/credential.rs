//! Which credential a program uses.

use std::fmt;

use azure_core::http::Url;

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

/// What an [`Identity`](super::identity::Identity) is made from.
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
