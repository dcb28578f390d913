//! What opens containers and queues beside what their addresses say.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use tokio::sync::OnceCell;

use crate::base::{RotatingSecret, Secret, SecretError, SecretReader, SecretSource};

/// What opens a container or a queue.
#[derive(Clone)]
pub enum Key {
    /// Tokens of the program's own identity.
    Token(Arc<dyn TokenCredential>),
    /// A shared access signature that may change while the program runs.
    Sas(Sas),
}

/// What a request is opened by, for the advice when it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opener {
    Token,
    Sas,
}

/// A shared access signature, as a URL query. Its clones share what was read.
#[derive(Clone)]
pub struct Sas(Source);

#[derive(Clone)]
enum Source {
    /// It came with the address.
    Fixed(Secret),
    /// It is read when the first request is made, and again when the service refuses it.
    Rotating(Arc<Rotating>),
}

struct Rotating {
    source: SecretSource,
    reader: Arc<dyn SecretReader>,
    read: OnceCell<RotatingSecret>,
}

impl Sas {
    /// One that does not change.
    pub(super) fn fixed(query: Secret) -> Self {
        Sas(Source::Fixed(query))
    }

    /// One that is read, and read again, from where it is kept. Nothing is read yet.
    pub(super) fn rotating(source: SecretSource, reader: Arc<dyn SecretReader>) -> Self {
        Sas(Source::Rotating(Arc::new(Rotating { source, reader, read: OnceCell::new() })))
    }

    /// What to sign the next request with: the secret as it is kept, and no more than [`query`] of it.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) async fn current(&self) -> Result<Secret, SecretError> {
        match &self.0 {
            Source::Fixed(query) => Ok(query.clone()),
            Source::Rotating(rotating) => Ok(rotating.open().await?.current()),
        }
    }

    /// After `refused` was refused: whether there is another one by now.
    ///
    /// # Errors
    /// It cannot be read again.
    pub(super) async fn renew(&self, refused: &Secret) -> Result<bool, SecretError> {
        match &self.0 {
            Source::Fixed(_) => Ok(false),
            Source::Rotating(rotating) => {
                let changed = rotating.open().await?.renew(refused).await?;
                if changed {
                    tracing::info!(source = %rotating.source, "the SAS was refused: another one was read and is used");
                }
                Ok(changed)
            }
        }
    }

    /// The query in what was read, whether it was kept bare, with its `?`, or as the whole URL.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn query<'a>(&self, secret: &'a Secret) -> Result<&'a str, SecretError> {
        let text = secret.expose().trim();
        let query = text.split_once('?').map_or(text, |(_, query)| query);
        if url::form_urlencoded::parse(query.as_bytes()).any(|(key, value)| key == "sig" && !value.is_empty()) {
            return Ok(query);
        }
        Err(SecretError::new(format!("{self} holds no SAS: it must be a URL query with a signature (sig)")))
    }
}

impl Rotating {
    async fn open(&self) -> Result<&RotatingSecret, SecretError> {
        let open = || RotatingSecret::open(self.source.clone(), Arc::clone(&self.reader));
        self.read.get_or_try_init(open).await
    }
}

impl fmt::Display for Sas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Fixed(_) => f.write_str("the address"),
            Source::Rotating(rotating) => write!(f, "{}", rotating.source),
        }
    }
}

impl fmt::Debug for Sas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sas({self})")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Token(_) => f.write_str("Key::Token"),
            Key::Sas(sas) => write!(f, "Key::{sas:?}"),
        }
    }
}
