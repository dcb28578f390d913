use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_core::credentials::Secret as Key;
use azure_core::hmac::hmac_sha256;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::error::HttpsError;
use crate::azure::eventhub::EventHubAddress;
use crate::base::{ConnectionString, RotatingSecret, Secret, SecretError, SecretReader, SecretSource, TokenSource};

/// What tokens are for, in every cloud.
const SCOPE: &str = "https://eventhubs.azure.net/.default";
/// How long a signature is valid, and how long it is used.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
const USE: Duration = Duration::from_secs(30 * 60);
/// How a signature begins that somebody made.
const SIGNATURE: &str = "SharedAccessSignature ";

/// What requests show to be let in: the program's token, or a signature by what `--connection-string` gives.
pub(super) struct Proof(Kind);

enum Kind {
    Token(Arc<dyn TokenSource>),
    Signature(Box<Signatures>),
}

/// Signatures by a secret, one after the other.
struct Signatures {
    address: EventHubAddress,
    secret: RotatingSecret,
    made: Mutex<Option<Made>>,
}

/// A signature, and what it was made by.
#[derive(Clone)]
struct Made {
    header: Secret,
    by: Secret,
    at: SystemTime,
}

impl Proof {
    /// Reads the secret, if there is one. Sends nothing.
    ///
    /// # Errors
    /// [`HttpsError::NoProof`]: it cannot be read, or is for something else.
    pub async fn open<I>(
        address: &EventHubAddress,
        source: Option<&SecretSource>,
        identity: &Arc<I>,
    ) -> Result<Self, HttpsError>
    where
        I: SecretReader + TokenSource + 'static,
    {
        let Some(source) = source else { return Ok(Proof(Kind::Token(Arc::clone(identity) as _))) };
        let secret = RotatingSecret::open(source.clone(), Arc::clone(identity) as _).await.map_err(unread)?;
        let proof =
            Proof(Kind::Signature(Box::new(Signatures { address: address.clone(), secret, made: Mutex::default() })));
        proof.header().await?;
        Ok(proof)
    }

    /// What it is, for sentences.
    pub fn shown(&self) -> &'static str {
        match self.0 {
            Kind::Token(_) => "this identity",
            Kind::Signature(_) => "the connection string",
        }
    }

    /// The value of `Authorization` now.
    ///
    /// # Errors
    /// [`HttpsError::NoProof`].
    pub async fn header(&self) -> Result<Secret, HttpsError> {
        match &self.0 {
            Kind::Token(source) => match source.token(SCOPE).await {
                Ok(token) => Ok(Secret::new(format!("Bearer {}", token.secret.expose()))),
                Err(error) => {
                    Err(HttpsError::NoProof { reason: error.to_string(), is_transient: error.is_transient() })
                }
            },
            Kind::Signature(signatures) => {
                let (read, secret) = (signatures.secret.current(), &signatures.secret);
                let mut made = signatures.current();
                // What was read while somebody wrote it is of no use, and what stands there now may be.
                if made.is_err() && secret.renew(&read).await.map_err(unread)? {
                    made = signatures.current();
                }
                made.map_err(|reason| HttpsError::NoProof { reason, is_transient: false })
            }
        }
    }

    /// After what was shown was refused: whether there is something else to show by now.
    ///
    /// # Errors
    /// [`HttpsError::NoProof`]: it cannot be read again.
    pub async fn renew(&self, refused: &Secret) -> Result<bool, HttpsError> {
        if let Kind::Signature(signatures) = &self.0 {
            let Some(by) = signatures.made_by(refused) else { return Ok(true) };
            let secret = &signatures.secret;
            if !secret.renew(&by).await.map_err(unread)? {
                return Ok(false);
            }
            tracing::info!(source = %secret.source(), "the connection string was refused: another one was read and is used");
        }
        Ok(self.header().await? != *refused)
    }
}

impl Signatures {
    /// One that lasts for a while.
    fn current(&self) -> Result<Secret, String> {
        let (by, now) = (self.secret.current(), SystemTime::now());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made
            && made.by == by
            && now.duration_since(made.at).is_ok_and(|age| age < USE)
        {
            return Ok(made.header.clone());
        }
        let header = header(&by, &self.address, now)?;
        *made = Some(Made { header: header.clone(), by, at: now });
        Ok(header)
    }

    /// The secret behind this one, if it is the newest.
    fn made_by(&self, header: &Secret) -> Option<Secret> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.as_ref().filter(|made| made.header == *header).map(|made| made.by.clone())
    }
}

/// Checks that a text can be what `--connection-string` gives over HTTPS: a connection string of this hub or its
/// namespace, or a signature for one of them.
///
/// # Errors
/// What is wrong with it; the message continues "the connection string".
pub fn check_proof(text: &Secret, host: &str, hub: &str) -> Result<(), String> {
    let Some(fields) = text.expose().trim().strip_prefix(SIGNATURE) else {
        return ConnectionString::parse(text, host, hub).map(drop).map_err(|error| error.to_string());
    };
    let fields: Vec<_> = url::form_urlencoded::parse(fields.as_bytes()).collect();
    let field = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| &**value);
    let (Some(resource), Some(_)) = (field("sr"), field("sig")) else {
        return Err(
            "is no whole signature: it needs sr and sig (SharedAccessSignature sr=…&sig=…&se=…&skn=…)".to_owned()
        );
    };
    let place = resource.split_once("://").map_or(resource, |(_, place)| place).trim_end_matches('/');
    let (found, found_hub) = place.split_once('/').unwrap_or((place, hub));
    let found = found.split(':').next().unwrap_or_default();
    if !found.eq_ignore_ascii_case(host) || !found_hub.eq_ignore_ascii_case(hub) {
        return Err(format!(
            "is a signature for {found}/{found_hub}, and --event-hub names {host}/{hub}: use the one that belongs to \
             the other"
        ));
    }
    Ok(())
}

fn unread(error: SecretError) -> HttpsError {
    HttpsError::NoProof { reason: format!("--connection-string: {error}"), is_transient: error.is_transient() }
}

/// What a secret's text comes to at that time.
fn header(text: &Secret, address: &EventHubAddress, now: SystemTime) -> Result<Secret, String> {
    let told = |wrong: String| format!("--connection-string {wrong}");
    check_proof(text, &address.host, &address.hub).map_err(told)?;
    let text_itself = text.expose().trim();
    if text_itself.starts_with(SIGNATURE) {
        return Ok(Secret::new(text_itself));
    }
    match ConnectionString::parse(text, &address.host, &address.hub).map_err(|wrong| told(wrong.to_string()))? {
        ConnectionString::Signature(signature) => Ok(signature),
        ConnectionString::Key { name, key } => {
            let ends = (now + LIFETIME).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            sign(&format!("https://{}/{}", address.host, address.hub), &name, &key, ends)
                .map_err(|error| told(format!("cannot sign: {error}")))
        }
    }
}

/// A signature as the service documents it: of the encoded address and the second it ends, by the key's own letters.
/// Source: <https://learn.microsoft.com/rest/api/eventhub/generate-sas-token>.
fn sign(resource: &str, name: &str, key: &Secret, ends: u64) -> azure_core::Result<Secret> {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let resource = encoded(resource);
    // The SDK's function takes keys as storage has them.
    let key = Key::new(BASE64_STANDARD.encode(key.expose()));
    let signature = encoded(&hmac_sha256(&format!("{resource}\n{ends}"), &key)?);
    Ok(Secret::new(format!("{SIGNATURE}sr={resource}&sig={signature}&se={ends}&skn={}", encoded(name))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "contoso.servicebus.windows.net";

    #[test]
    fn a_signature_is_as_documented() {
        // By Python's urllib, hmac and base64, as in the service's documentation.
        let made =
            sign("https://contoso.servicebus.windows.net/user-events", "send", &Secret::new("a+key="), 1_800_000_000);
        assert_eq!(
            made.unwrap().expose(),
            "SharedAccessSignature sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2Fuser-events\
             &sig=%2FburF0H3Ev2yd9RoCbGzCkR261gIvOfuBwmd2MUken8%3D&se=1800000000&skn=send"
        );
    }

    #[test]
    fn what_cannot_prove_anything_is_told_without_it() {
        let check = |text: &str| check_proof(&Secret::new(text), HOST, "events");
        for good in [
            format!("SharedAccessSignature sr=https%3A%2F%2F{HOST}%2Fevents&sig=x&se=1&skn=y"),
            format!("SharedAccessSignature sr=sb%3A%2F%2F{HOST}%2F&sig=x&se=1&skn=y"),
            format!("Endpoint=sb://{HOST}/;SharedAccessKeyName=send;SharedAccessKey=k"),
        ] {
            assert_eq!(check(&good), Ok(()), "{good}");
        }
        for (bad, words) in [
            ("SharedAccessSignature sr=x&se=hunter2", "is no whole signature"),
            ("SharedAccessSignature sr=https%3A%2F%2Fother%2Fevents&sig=hunter2", "is a signature for other/events"),
            ("hunter2", "begins with Endpoint=sb://"),
        ] {
            let told = check(bad).unwrap_err();
            assert!(told.contains(words) && !told.contains("hunter2"), "{told}");
        }
    }
}
