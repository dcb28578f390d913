use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::process::Command;

use super::{Answer, Asked, Played};

/// What the platform gives to show the identity endpoint.
pub const HEADER: &str = "aGVhZGVyLW9mLXRoZS1wbGF0Zm9ybQ";

/// The endpoint where an app or a container group gets the tokens of its managed identity.
pub struct ManagedIdentity {
    endpoint: Played,
    lifetime: Arc<AtomicI64>,
    status: Arc<AtomicU16>,
}

impl ManagedIdentity {
    pub async fn start() -> ManagedIdentity {
        let (lifetime, status) = (Arc::new(AtomicI64::new(3600)), Arc::new(AtomicU16::new(200)));
        let (seconds, wanted) = (Arc::clone(&lifetime), Arc::clone(&status));
        let endpoint = Played::http(move |asked: &Asked| {
            let status = wanted.load(Ordering::SeqCst);
            if status != 200 || asked.header("x-identity-header") != Some(HEADER) {
                return Answer::json(if status == 200 { 403 } else { status }, json!({"error": "refused"}));
            }
            let expires = OffsetDateTime::now_utc().unix_timestamp() + seconds.load(Ordering::SeqCst);
            let resource = asked.query("resource").unwrap();
            Answer::json(
                200,
                json!({
                    "access_token": token(&resource, expires), "expires_on": expires.to_string(),
                    "resource": resource, "token_type": "Bearer",
                }),
            )
        })
        .await;
        ManagedIdentity { endpoint, lifetime, status }
    }

    /// From now on tokens last so many seconds.
    pub fn last(&self, seconds: i64) {
        self.lifetime.store(seconds, Ordering::SeqCst);
    }

    /// From now on it answers with that status; 200 gives tokens.
    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub fn port(&self) -> u16 {
        self.endpoint.port()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.endpoint.asked()
    }

    pub fn show(&self, command: &mut Command) {
        command
            .env("IDENTITY_ENDPOINT", format!("http://127.0.0.1:{}/token", self.endpoint.port()))
            .env("IDENTITY_HEADER", HEADER);
    }
}

/// A token as Azurite takes it: it looks at the claims and at no signature.
pub fn token(audience: &str, expires: i64) -> String {
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let issued = OffsetDateTime::now_utc().unix_timestamp() - 60;
    let claims = json!({
        "aud": audience, "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
        "iat": issued, "nbf": issued, "exp": expires,
    });
    format!("{}.{}.{}", part(json!({"alg": "none", "typ": "JWT"})), part(claims), "c2lnbmF0dXJl")
}

/// What a bearer's token claims.
pub fn claims(asked: &Asked) -> Option<Value> {
    let token = asked.header("authorization")?.strip_prefix("Bearer ")?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?).ok()
}
