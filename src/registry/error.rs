use crate::base::{SecretError, one_line};

/// Why there is no schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The registry has none such: a whole sentence.
    #[error("{0}")]
    Unknown(String),
    /// It does not take a schema: a whole sentence.
    #[error("{0}")]
    Unfit(String),
    /// It does not answer, or not as a registry does.
    #[error("schema registry {address} cannot be asked now: {reason}")]
    Away {
        /// The registry.
        address: String,
        /// Why.
        reason: String,
    },
    /// It refuses this program.
    #[error("schema registry {address} refuses ({reason}): {cure}")]
    Denied {
        /// The registry.
        address: String,
        /// What it answered.
        reason: String,
        /// What to do.
        cure: String,
    },
    /// There is nothing to show to it: a whole sentence.
    #[error("{reason}")]
    NoProof {
        /// Why.
        reason: String,
        /// Whether it may pass by itself.
        passes: bool,
    },
}

/// Characters of an answer that are told.
const REASON_LIMIT: usize = 200;

/// What a registry said, unless it quotes what it was sent.
pub(super) fn told(said: &str, secrets: &[&str]) -> String {
    if secrets.iter().any(|secret| !secret.is_empty() && said.contains(secret)) {
        return "(its answer quotes what it was sent, so it is not shown)".to_owned();
    }
    one_line(said, REASON_LIMIT)
}

impl RegistryError {
    pub(super) fn unread(error: SecretError) -> Self {
        RegistryError::NoProof { passes: error.is_transient(), reason: error.to_string() }
    }

    /// Whether it may pass by itself.
    pub fn passes(&self) -> bool {
        matches!(self, RegistryError::Away { .. } | RegistryError::NoProof { passes: true, .. })
    }
}
