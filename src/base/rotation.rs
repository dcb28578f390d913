//! Secrets that may change while a program runs.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;

use super::{Secret, SecretSource};

/// Why a secret could not be read: one sentence that names it and says what to do, and never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SecretError {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stays,
    Passes,
    Missing,
}

impl SecretError {
    /// Of what stays until someone mends it.
    pub fn new(text: impl Into<String>) -> Self {
        SecretError { text: text.into(), kind: Kind::Stays }
    }

    /// Of what may pass by itself: a keeper that is away.
    pub fn passing(text: impl Into<String>) -> Self {
        SecretError { text: text.into(), kind: Kind::Passes }
    }

    /// Of a secret that its keeper does not have.
    pub fn missing(text: impl Into<String>) -> Self {
        SecretError { text: text.into(), kind: Kind::Missing }
    }

    /// Whether reading it again may help.
    pub fn is_transient(&self) -> bool {
        self.kind == Kind::Passes
    }

    /// Whether its keeper answers and does not have it.
    pub fn is_missing(&self) -> bool {
        self.kind == Kind::Missing
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
    reading: Arc<tokio::sync::Mutex<()>>,
    /// How often it was read again.
    reads: Arc<AtomicU64>,
}

impl RotatingSecret {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// As [`SecretReader::read`].
    pub async fn open(source: SecretSource, reader: Arc<dyn SecretReader>) -> Result<Self, SecretError> {
        let current = reader.read(&source).await?;
        let (reading, reads) = (Arc::default(), Arc::default());
        Ok(RotatingSecret { source: Arc::new(source), reader, current: Arc::new(Mutex::new(current)), reading, reads })
    }

    /// As it was last read.
    pub fn current(&self) -> Secret {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads it again, after `refused` was refused. Gives whether there is another one to try; also when another clone
    /// has read it meanwhile. However many clones are refused at once, it is read once.
    ///
    /// # Errors
    /// As [`SecretReader::read`]; what was read before stays.
    pub async fn renew(&self, refused: &Secret) -> Result<bool, SecretError> {
        let reads = self.reads.load(Ordering::SeqCst);
        let _one_at_a_time = self.reading.lock().await;
        if self.current() != *refused {
            return Ok(true);
        }
        if self.reads.load(Ordering::SeqCst) != reads {
            return Ok(false);
        }
        let read = self.reader.read(&self.source).await?;
        self.reads.fetch_add(1, Ordering::SeqCst);
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

    struct Slow(AtomicU64);

    impl SecretReader for Slow {
        fn read<'a>(&'a self, _: &'a SecretSource) -> BoxFuture<'a, Result<Secret, SecretError>> {
            Box::pin(async move {
                self.0.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                Ok(Secret::new("same"))
            })
        }
    }

    #[tokio::test]
    async fn many_that_are_refused_at_once_read_it_once() {
        let reader = Arc::new(Slow(AtomicU64::new(0)));
        let secret = RotatingSecret::open("file:x".parse().unwrap(), Arc::clone(&reader) as _).await.unwrap();
        let refused = secret.current();
        let renewed = futures::future::join_all((0..50).map(|_| secret.renew(&refused))).await;
        assert!(renewed.into_iter().all(|renewed| renewed == Ok(false)));
        assert_eq!(reader.0.load(Ordering::SeqCst), 2);
        // Later it is read again.
        assert!(!secret.renew(&refused).await.unwrap());
        assert_eq!(reader.0.load(Ordering::SeqCst), 3);
    }
}
