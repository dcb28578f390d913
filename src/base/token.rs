use std::time::SystemTime;

use futures::future::BoxFuture;

use super::{Secret, SecretError};

/// A bearer token and when it ends.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token itself.
    pub secret: Secret,
    /// From then on it is refused.
    pub expires: SystemTime,
}

/// Hands out Entra tokens.
pub trait TokenSource: Send + Sync {
    /// A token for the scope; one that was handed out before while it has some minutes left, a new one after that.
    ///
    /// # Errors
    /// Nobody is signed in, or the issuer is away or refuses: one sentence without a secret in it.
    fn token<'a>(&'a self, scope: &'a str) -> BoxFuture<'a, Result<Token, SecretError>>;
}
