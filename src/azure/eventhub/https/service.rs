use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::headers::HeaderName;
use azure_core::http::{AsyncRawResponse, HttpClient, Method, RawResponse, Request, Url};
use azure_core::time::OffsetDateTime;
use futures::StreamExt as _;

use super::batch::Batch;
use super::error::HttpsError;
use super::gate::Gate;
use super::proof::Proof;
use crate::azure::eventhub::EventHubAddress;
use crate::azure::eventhub::outbox::OUTCOME;
use crate::azure::failure::{retry_after, root, unsaid};
use crate::azure::transport;
use crate::base::{Secret, one_line};

/// Bytes of a body to begin with: what the Standard tier takes, less what it adds.
const LARGEST_BODY: usize = 1_000_000;
/// How often one request is tried with another proof, each time only if there is another one.
const MOST_PROOFS: usize = 3;
/// Bytes of a refusal that are looked at, and characters that are told.
const MOST_OF_A_REFUSAL: usize = 16 << 10;
const REASON_LIMIT: usize = 200;
/// What the service is asked to do within, in seconds; and its version.
const QUERY: &str = "timeout=60&api-version=2014-01";

/// One event hub, as all lanes share it.
pub(super) struct Service {
    address: EventHubAddress,
    url: Url,
    client: Arc<dyn HttpClient>,
    proof: Proof,
    pub gate: Gate,
    largest: AtomicUsize,
    /// Whether anything was ever taken: the service knows this identity, and what it refuses now may pass.
    known: AtomicBool,
    down: AtomicBool,
}

impl Service {
    /// Sends nothing.
    ///
    /// # Errors
    /// The address is no URL.
    pub fn new(address: EventHubAddress, proof: Proof) -> Result<Self, HttpsError> {
        let url = format!("https://{}/{}/messages?{QUERY}", address.host, address.hub).parse::<Url>();
        let url =
            url.map_err(|error| HttpsError::Refused { address: address.to_string(), reason: error.to_string() })?;
        Ok(Service {
            address,
            url,
            client: transport::client(OUTCOME.1),
            proof,
            gate: Gate::default(),
            largest: AtomicUsize::new(LARGEST_BODY),
            known: AtomicBool::new(false),
            down: AtomicBool::new(false),
        })
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Bytes of a body that the service has not refused.
    pub fn largest(&self) -> usize {
        self.largest.load(Ordering::Relaxed)
    }

    /// After a body of this size was refused: smaller ones from now on.
    pub fn shrink(&self, refused: usize) {
        let smaller = refused / 2;
        if smaller < self.largest.fetch_min(smaller, Ordering::Relaxed) {
            tracing::info!(event_hub = %self.address, bytes = smaller, "the hub takes smaller batches only");
        }
    }

    /// Sends a batch once, and again at once if it was refused for what it showed and there is something else to show.
    /// Each may be without an answer for `limit`.
    ///
    /// # Errors
    /// What the service, or whatever stands before it, answered. Only after a refusal the events are certainly not there.
    pub async fn send(&self, batch: &Batch, limit: Duration) -> Result<(), HttpsError> {
        let mut shown = self.proof.header().await?;
        for _ in 0..MOST_PROOFS {
            let error = match self.post(batch, &shown, limit).await {
                Ok(()) => {
                    self.works();
                    return Ok(());
                }
                Err(error) => error,
            };
            if !matches!(error, HttpsError::Denied { .. }) || !self.proof.renew(&shown).await? {
                return Err(error);
            }
            shown = self.proof.header().await?;
        }
        Err(HttpsError::NoProof {
            reason: "the connection string changed again and again".to_owned(),
            is_transient: true,
        })
    }

    /// Whether to try again after this, which is then told once.
    pub fn may_mend(&self, error: &HttpsError) -> bool {
        let refused = matches!(error, HttpsError::Denied { .. } | HttpsError::NoProof { .. });
        let mends = error.is_transient() || (refused && self.known.load(Ordering::Relaxed));
        if mends && !self.down.swap(true, Ordering::Relaxed) {
            tracing::warn!(event_hub = %self.address, reason = %error, "no acknowledgement, events wait");
        }
        mends
    }

    fn works(&self) {
        self.known.store(true, Ordering::Relaxed);
        if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed) {
            tracing::info!(event_hub = %self.address, "events are acknowledged again");
        }
    }

    async fn post(&self, batch: &Batch, shown: &Secret, limit: Duration) -> Result<(), HttpsError> {
        let mut request = Request::new(self.url.clone(), Method::Post);
        let json = "application/vnd.microsoft.servicebus.json";
        request.insert_header(HeaderName::from_static("content-type"), json);
        request.insert_header(HeaderName::from_static("authorization"), shown.expose().to_owned());
        request.insert_header(HeaderName::from_static("user-agent"), transport::application_id());
        request.set_body(batch.body.clone());
        // As the client itself, a second more for each 64 KiB.
        let limit = limit + Duration::from_secs(batch.body.len() as u64 >> 16);
        let answer = match tokio::time::timeout(limit, self.client.execute_request(&request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.unanswered(&error)),
            Err(_) => return Err(self.away(format!("no answer within {} s", limit.as_secs()))),
        };
        let answer = gather(answer).await;
        match u16::from(answer.status()) {
            201 => Ok(()),
            status => Err(self.refusal(status, &answer, batch)),
        }
    }

    fn unanswered(&self, error: &azure_core::Error) -> HttpsError {
        match error.kind() {
            ErrorKind::Connection | ErrorKind::Io => self.away(root(error)),
            _ => HttpsError::Refused { address: self.address(), reason: root(error) },
        }
    }

    fn away(&self, reason: String) -> HttpsError {
        HttpsError::Away { address: self.address(), reason }
    }

    fn refusal(&self, status: u16, answer: &RawResponse, batch: &Batch) -> HttpsError {
        let (address, said) = (self.address(), detail(answer.body().as_ref()));
        let reason = if said.is_empty() { status.to_string() } else { format!("{status} {said}") };
        // The service says 403 of a quota and of a size too.
        let lower = said.to_ascii_lowercase();
        let is_size =
            lower.contains("size") && ["exceed", "too large", "limit"].iter().any(|word| lower.contains(word));
        match status {
            413 => HttpsError::TooLarge { address, size: batch.body.len(), reason: Some(reason) },
            400 | 403 if is_size => HttpsError::TooLarge { address, size: batch.body.len(), reason: Some(reason) },
            403 if lower.contains("quota") => HttpsError::Busy { address, reason, pause: None },
            401 | 403 => HttpsError::Denied {
                address,
                shown: self.proof.shown(),
                reason,
                cure: cure(self.proof.shown(), status),
            },
            404 | 410 => HttpsError::Unknown { address, reason },
            408 | 429 | 503 => {
                let pause = retry_after(answer, OffsetDateTime::now_utc());
                HttpsError::Busy { address, reason, pause }
            }
            300..=399 | 100..=299 | 407 | 500.. => HttpsError::Untaken { address, reason },
            _ => HttpsError::Refused { address, reason },
        }
    }
}

fn cure(shown: &str, status: u16) -> &'static str {
    match (shown, status) {
        ("this identity", 401) => {
            "see that --credential gives a token of the namespace's own tenant, that the identity has the role Azure \
             Event Hubs Data Sender, and that this machine's clock is right"
        }
        ("this identity", _) => {
            "give it the role Azure Event Hubs Data Sender, and see that the namespace lets this network in"
        }
        _ => {
            "copy it anew from the portal (Shared access policies, one that may send), and see that the namespace takes \
             keys at all, that it lets this network in, and that this machine's clock is right"
        }
    }
}

/// The answer with the beginning of its body. What breaks off behind the head changes nothing: the head tells what
/// became of the events.
async fn gather(answer: AsyncRawResponse) -> RawResponse {
    let (status, headers, mut body) = answer.deconstruct();
    let mut bytes = Vec::new();
    while bytes.len() < MOST_OF_A_REFUSAL
        && let Ok(Some(Ok(piece))) = tokio::time::timeout(Duration::from_secs(5), body.next()).await
    {
        bytes.extend_from_slice(&piece);
    }
    RawResponse::from_bytes(status, headers, bytes)
}

/// What a refusal says, without its tracking id and time.
fn detail(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let detail =
        text.split_once("<Detail>").and_then(|(_, rest)| rest.split_once("</Detail>")).map(|(detail, _)| detail);
    let detail = detail.unwrap_or_default();
    let detail = detail.split_once("TrackingId:").map_or(detail, |(said, _)| said);
    one_line(&unsaid(detail), REASON_LIMIT).trim_end_matches([' ', '.', ',']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_without_ids_and_signatures() {
        let said = "<Error><Code>401</Code><Detail>claim is empty. TrackingId:0b, Timestamp:2026</Detail></Error>";
        assert_eq!(detail(said.as_bytes()), "claim is empty");
        assert_eq!(detail(b"<Detail>bad sig=hunter2</Detail>"), "bad …");
        assert_eq!(detail(b"<html>a proxy's page</html>"), "");
    }
}
