//! Who may see what a program serves over HTTP, beside its health.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use crate::base::{RotatingSecret, Secret};

/// Why a token guards nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the token ({0}) has less than 16 characters, which are soon guessed; make one by `openssl rand -hex 24` (--http-token)"
)]
pub struct WeakToken(String);

/// Lets in everybody, or whoever has the token: as a Bearer token, or as the cookie that the token was changed for.
#[derive(Debug, Default)]
pub struct Gate {
    token: Option<RotatingSecret>,
    /// When the token was read last.
    read: Mutex<Option<Instant>>,
}

/// What a browser keeps.
const COOKIE: &str = "deltawave";
/// For how long, in seconds.
const KEPT: u32 = 12 * 60 * 60;

/// The token is read again when it is so old: then one that was replaced opens nothing any more.
const AGE: Duration = Duration::from_secs(60);
/// And when something else is shown, but not more often than that.
const AGE_AT_REFUSAL: Duration = Duration::from_secs(5);

/// The shortest token.
const LEAST: usize = 16;

impl Gate {
    /// One that everybody may pass.
    pub fn open() -> Self {
        Gate::default()
    }

    /// One that only the token opens.
    ///
    /// # Errors
    /// When the token is soon guessed.
    pub fn guarded(token: RotatingSecret) -> Result<Self, WeakToken> {
        if token.current().expose().len() < LEAST {
            return Err(WeakToken(token.source().to_string()));
        }
        Ok(Gate { token: Some(token), read: Mutex::new(Some(Instant::now())) })
    }

    /// Whether it asks for a token at all.
    pub fn is_guarded(&self) -> bool {
        self.token.is_some()
    }

    /// Whether whoever sent these headers may pass.
    pub async fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        self.read_again(token, AGE).await;
        if let Some(shown) = bearer(headers) {
            return self.is_token(shown).await;
        }
        let wanted = pass(&token.current());
        cookies(headers).any(|shown| same(shown, &wanted))
    }

    /// Whether this is the token.
    pub async fn is_token(&self, shown: &str) -> bool {
        let Some(token) = &self.token else { return true };
        if same(shown, token.current().expose()) {
            return true;
        }
        self.read_again(token, AGE_AT_REFUSAL).await;
        same(shown, token.current().expose())
    }

    /// What a browser is given for the token; `over_tls` if it is to be sent back over TLS only.
    pub fn cookie(&self, over_tls: bool) -> Option<HeaderValue> {
        let pass = pass(&self.token.as_ref()?.current());
        let secure = if over_tls { "; Secure" } else { "" };
        HeaderValue::from_str(&format!("{COOKIE}={pass}; Path=/; Max-Age={KEPT}; HttpOnly; SameSite=Strict{secure}"))
            .ok()
    }

    async fn read_again(&self, token: &RotatingSecret, age: Duration) {
        let due = {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            let due = read.is_none_or(|read| read.elapsed() >= age);
            if due {
                *read = Some(Instant::now());
            }
            due
        };
        if due && let Err(error) = token.renew(&token.current()).await {
            tracing::warn!("{error}; the token that was read before goes on to open the page");
        }
    }
}

/// What a cookie holds: it opens what the token opens, for as long as the token is the same, and does not tell it.
fn pass(token: &Secret) -> String {
    let sign = || {
        let key = PKey::hmac(token.expose().as_bytes())?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        signer.update(b"deltawave page")?;
        signer.sign_to_vec()
    };
    // Nothing is like nothing: see `same`.
    sign().map(|signed| URL_SAFE_NO_PAD.encode(signed)).unwrap_or_default()
}

/// In a time that does not tell how much of it is right.
fn same(shown: &str, wanted: &str) -> bool {
    !wanted.is_empty() && shown.len() == wanted.len() && memcmp::eq(shown.as_bytes(), wanted.as_bytes())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::BoxFuture;

    use super::*;
    use crate::base::{SecretError, SecretReader, SecretSource};

    struct Literal;

    impl SecretReader for Literal {
        fn read<'a>(&'a self, source: &'a SecretSource) -> BoxFuture<'a, Result<Secret, SecretError>> {
            Box::pin(async move {
                match source {
                    SecretSource::Literal(secret) => Ok(secret.clone()),
                    _ => Err(SecretError::new("no such place")),
                }
            })
        }
    }

    async fn gate(token: &str) -> Result<Gate, WeakToken> {
        Gate::guarded(RotatingSecret::open(token.parse().unwrap(), Arc::new(Literal)).await.unwrap())
    }

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[tokio::test]
    async fn only_the_token_and_what_it_was_changed_for_open_it() {
        let gate = gate("0123456789abcdef").await.unwrap();
        assert!(!gate.admits(&HeaderMap::new()).await);
        for (header, opens) in
            [("Bearer 0123456789abcdef", true), ("bearer 0123456789abcdef", true), ("Bearer 0123456789abcdeF", false)]
        {
            assert_eq!(gate.admits(&headers(header::AUTHORIZATION, header)).await, opens, "{header}");
        }
        let cookie = gate.cookie(false).unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.ends_with("; HttpOnly; SameSite=Strict") && !cookie.contains("0123456789abcdef"), "{cookie}");
        let (pass, _) = cookie.split_once(';').unwrap();
        assert!(gate.admits(&headers(header::COOKIE, &format!("other=1; {pass}"))).await);
        assert!(!gate.admits(&headers(header::COOKIE, "deltawave=")).await);
        assert!(!gate.admits(&headers(header::COOKIE, "deltawave=0123456789abcdef")).await);
        assert!(gate.cookie(true).unwrap().to_str().unwrap().ends_with("; Secure"));
    }

    #[tokio::test]
    async fn a_token_that_is_soon_guessed_is_none() {
        let error = gate("0123456789").await.unwrap_err().to_string();
        assert!(error.contains("less than 16") && !error.contains("0123456789"), "{error}");
        assert!(Gate::open().admits(&HeaderMap::new()).await);
    }
}
