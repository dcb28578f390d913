//! Secrets that may change while a program runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;

use super::{Secret, SecretSource};

/// Why a secret could not be read: one sentence that names it and says what to do, and never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SecretError {
    text: String,
    passes: bool,
}

impl SecretError {
    /// Of what stays until someone mends it.
    pub fn new(text: impl Into<String>) -> Self {
        SecretError { text: text.into(), passes: false }
    }

    /// Of what may pass by itself: a keeper that is away.
    pub fn passing(text: impl Into<String>) -> Self {
        SecretError { text: text.into(), passes: true }
    }

    /// Whether reading it again may help.
    pub fn is_transient(&self) -> bool {
        self.passes
    }

    /// The same with words before it.
    #[must_use]
    pub fn after(self, words: &str) -> Self {
        SecretError { text: format!("{words}{}", self.text), ..self }
    }
}

/// Reads secrets from where they are kept.
pub trait SecretReader: Send + Sync {
    /// The secret as it is now; nothing is cached.
    ///
    /// # Errors
    /// It is not there, may not be read, or its keeper is away.
    fn read<'a>(&'a self, source: &'a SecretSource) -> BoxFuture<'a, Result<Secret, SecretError>>;
}

/// A secret that is read at the start, and again when the service it is for refuses it. Its clones share what was read.
#[derive(Clone)]
pub struct RotatingSecret {
    source: Arc<SecretSource>,
    reader: Arc<dyn SecretReader>,
    current: Arc<Mutex<Secret>>,
}

impl RotatingSecret {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// As [`SecretReader::read`].
    pub async fn open(source: SecretSource, reader: Arc<dyn SecretReader>) -> Result<Self, SecretError> {
        let current = reader.read(&source).await?;
        Ok(RotatingSecret { source: Arc::new(source), reader, current: Arc::new(Mutex::new(current)) })
    }

    /// As it was last read.
    pub fn current(&self) -> Secret {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads it again, after `refused` was refused. Gives whether there is another one to try; also when another clone
    /// has read it meanwhile.
    ///
    /// # Errors
    /// As [`SecretReader::read`]; what was read before stays.
    pub async fn renew(&self, refused: &Secret) -> Result<bool, SecretError> {
        if self.current() != *refused {
            return Ok(true);
        }
        let read = self.reader.read(&self.source).await?;
        let changed = read != *refused;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(changed)
    }

    /// Where it is kept, for messages.
    pub fn source(&self) -> &SecretSource {
        &self.source
    }
}

impl fmt::Debug for RotatingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RotatingSecret({})", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Changing(Mutex<Vec<&'static str>>);

    impl SecretReader for Changing {
        fn read<'a>(&'a self, _: &'a SecretSource) -> BoxFuture<'a, Result<Secret, SecretError>> {
            let next = self.0.lock().unwrap().pop();
            Box::pin(async move { next.map(Secret::new).ok_or_else(|| SecretError::new("gone")) })
        }
    }

    #[tokio::test]
    async fn a_refused_secret_is_read_again_once_for_all_clones() {
        let reader = Arc::new(Changing(Mutex::new(vec!["new", "old", "old"])));
        let secret = RotatingSecret::open("keyvault:x".parse().unwrap(), reader).await.unwrap();
        let (old, clone) = (secret.current(), secret.clone());
        assert!(!secret.renew(&old).await.unwrap());
        assert!(secret.renew(&old).await.unwrap());
        // Not read a fourth time, which would fail.
        assert!(clone.renew(&old).await.unwrap());
        assert_eq!(clone.current().expose(), "new");
        assert_eq!(secret.renew(&clone.current()).await, Err(SecretError::new("gone")));
        assert_eq!(secret.current().expose(), "new");
    }
}
