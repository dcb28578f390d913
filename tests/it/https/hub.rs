//! An event hub's REST side, played as its reference has it: it checks every header and signature, takes events by their
//! partition key, and fails where a test wants it to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde_json::Value;

use crate::support::cloud::{Answer, Asked, Ending, Played, claims};

pub const HOST: &str = "contoso.servicebus.windows.net";
pub const HUB: &str = "user-events";
/// The policy that may send.
pub const POLICY: &str = "send";

/// What happens to a request instead of its 201.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Not taken: this status, with that in Retry-After.
    Refused(u16, Option<&'static str>),
    /// Not taken: 403 because of a quota.
    Quota,
    /// Not taken: somebody else answers 200 with a page.
    Page,
    /// Not taken: the connection is cut off within the answer's head.
    Cut,
    /// Taken, and the connection is cut off within the answer's head.
    TakenAndCut,
    /// Taken, and the connection is cut off behind the head that says 201.
    CutInBody,
    /// Taken, and no answer ever.
    TakenAndSilent,
}

/// An event as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub key: String,
    pub body: String,
}

/// Plays the namespace `contoso` with the hub `user-events` until it is dropped.
pub struct Hub {
    pub server: Played,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The keys of the policy, either of which signs; none for tokens only.
    keys: Vec<String>,
    /// Bytes of a body.
    largest: usize,
    taken: Vec<Taken>,
    /// When each request came, and how many events it brought.
    requests: Vec<(Instant, usize)>,
    /// By the number of the request, counted from 0.
    script: HashMap<usize, Trouble>,
    always: Option<Trouble>,
    /// What was wrong with requests.
    faults: Vec<String>,
}

impl Hub {
    pub async fn start() -> Hub {
        let shared = Arc::new(Shared::default());
        shared.state.lock().unwrap().largest = 1_046_528;
        let hub = Arc::clone(&shared);
        let server = Played::https(move |asked: &Asked| hub.answer(asked)).await;
        Hub { server, shared }
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.shared.state.lock().unwrap())
    }

    /// From now on these keys sign, and no others.
    pub fn keys(&self, keys: &[&str]) {
        self.state(|state| state.keys = keys.iter().map(|key| (*key).to_owned()).collect());
    }

    /// From now on it takes bodies of so many bytes.
    pub fn largest(&self, bytes: usize) {
        self.state(|state| state.largest = bytes);
    }

    /// What happens to which requests.
    pub fn script(&self, troubles: impl IntoIterator<Item = (usize, Trouble)>) {
        self.state(|state| state.script.extend(troubles));
    }

    /// What happens to all requests from now on.
    pub fn always(&self, trouble: Option<Trouble>) {
        self.state(|state| state.always = trouble);
    }

    /// What arrived, in its order.
    pub fn taken(&self) -> Vec<Taken> {
        self.state(|state| state.taken.clone())
    }

    /// When requests came, with the number of events in each.
    pub fn requests(&self) -> Vec<(Instant, usize)> {
        self.state(|state| state.requests.clone())
    }

    /// Asserts that nothing was wrong with any request.
    pub fn assert_sound(&self) {
        self.state(|state| assert!(state.faults.is_empty(), "{:#?}", state.faults));
    }
}

impl Shared {
    fn answer(&self, asked: &Asked) -> Answer {
        let mut state = self.state.lock().unwrap();
        let number = state.requests.len();
        let events = match events(asked) {
            Ok(events) => events,
            Err(fault) => {
                state.faults.push(fault);
                return refusal(400, "The request is not as documented");
            }
        };
        state.requests.push((Instant::now(), events.len()));
        if !asked.path.starts_with(&format!("/{HUB}/")) {
            return refusal(
                404,
                "The messaging entity 'sb://contoso.servicebus.windows.net/nowhere' could not be found",
            );
        }
        if let Err(why) = proven(asked, &state.keys) {
            return refusal(401, &why);
        }
        if asked.body.len() > state.largest {
            return refusal(413, "");
        }
        let trouble = state.script.remove(&number).or(state.always);
        let mut take = || state.taken.extend(events.iter().cloned());
        // The service's 201 has no body; one that is given is the peer's own affair.
        let done = || Answer::text(201, "application/xml; charset=utf-8", "<done/>".to_owned());
        match trouble {
            None => {
                take();
                done().ending(Ending::Kept)
            }
            Some(Trouble::Refused(status, pause)) => {
                let answer = refusal(status, "The server was unable to process the request");
                match pause {
                    Some("a date") => answer.with("retry-after", in_two_seconds()),
                    Some(seconds) => answer.with("retry-after", seconds),
                    None => answer,
                }
            }
            Some(Trouble::Quota) => refusal(403, "The quota of the namespace was exceeded"),
            Some(Trouble::Page) => Answer::text(200, "text/html", "<html>Please accept our terms</html>".to_owned()),
            Some(Trouble::Cut) => done().ending(Ending::CutInHead),
            Some(Trouble::TakenAndCut) => {
                take();
                done().ending(Ending::CutInHead)
            }
            Some(Trouble::CutInBody) => {
                take();
                done().ending(Ending::CutInBody)
            }
            Some(Trouble::TakenAndSilent) => {
                take();
                done().ending(Ending::Silence)
            }
        }
    }
}

fn refusal(status: u16, detail: &str) -> Answer {
    let ids = "TrackingId:1b2c_G1, SystemTracker:contoso.servicebus.windows.net:user-events";
    let body =
        format!("<Error><Code>{status}</Code><Detail>{detail}. {ids}, Timestamp:2026-01-02T03:04:05</Detail></Error>");
    Answer::text(status, "application/xml; charset=utf-8", body)
}

/// As HTTP writes a time.
fn in_two_seconds() -> String {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    (time::OffsetDateTime::now_utc() + Duration::from_secs(2)).format(format).unwrap()
}

/// The events of a request, if it is as documented.
fn events(asked: &Asked) -> Result<Vec<Taken>, String> {
    let wrong = |what: &str| Err(format!("{what}: {} {} {:?}", asked.method, asked.path, asked.headers));
    let [path, query] = [asked.path.split('?').next(), asked.path.split('?').nth(1)].map(Option::unwrap_or_default);
    let header = |name: &str| asked.header(name).unwrap_or_default();
    if asked.method != "POST" || !path.ends_with("/messages") || query != "timeout=60&api-version=2014-01" {
        return wrong("the request line");
    }
    if header("host") != HOST || header("content-type") != "application/vnd.microsoft.servicebus.json" {
        return wrong("host or content type");
    }
    if header("content-length") != asked.body.len().to_string() || !header("user-agent").starts_with("deltawave-") {
        return wrong("length or user agent");
    }
    let Ok(Value::Array(items)) = serde_json::from_str(&asked.body) else { return wrong("no JSON array") };
    let event = |item: &Value| {
        let (fields, properties) = (item.as_object()?, item["BrokerProperties"].as_object()?);
        let key = properties["PartitionKey"].as_str()?;
        let whole = fields.len() == 2 && properties.len() == 1 && key.chars().count() <= 128;
        whole.then_some(Taken { key: key.to_owned(), body: item["Body"].as_str()?.to_owned() })
    };
    let Some(events) = items.iter().map(event).collect::<Option<Vec<_>>>() else { return wrong("an event") };
    // A batch goes to one partition, and so must have one key.
    if events.is_empty() || events.iter().any(|event| event.key != events[0].key) {
        return wrong("no event, or several keys");
    }
    Ok(events)
}

/// Why a request may not send, if it may not.
fn proven(asked: &Asked, keys: &[String]) -> Result<(), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let shown = asked.header("authorization").unwrap_or_default();
    if keys.is_empty() {
        let claims = claims(asked).ok_or("InvalidIssuer: Token issuer is invalid")?;
        let good = claims["aud"] == "https://eventhubs.azure.net" && claims["exp"].as_u64().unwrap() > now;
        return if good {
            Ok(())
        } else {
            Err("InvalidAudience: Authorization failed for specified action".to_owned())
        };
    }
    let fields = shown.strip_prefix("SharedAccessSignature ").ok_or("MalformedToken: no signature")?;
    // The signature is of the address as it is written there, encoded.
    let raw =
        |name: &str| fields.split('&').find_map(|field| field.strip_prefix(&format!("{name}="))).unwrap_or_default();
    let resource = raw("sr");
    let decoded = percent_encoding::percent_decode_str(resource).decode_utf8().unwrap().into_owned();
    if decoded != format!("https://{HOST}/{HUB}") || raw("skn") != POLICY {
        return Err(format!("InvalidSignature: for {decoded}"));
    }
    let ends: u64 = raw("se").parse().map_err(|_| "ExpiredToken: none")?;
    if !(now..now + 24 * 3600).contains(&ends) {
        return Err("ExpiredToken: The token is expired".to_owned());
    }
    let signatures = keys.iter().map(|key| sign(key, &format!("{resource}\n{ends}")));
    let shown = percent_encoding::percent_decode_str(raw("sig")).decode_utf8().unwrap();
    if signatures.into_iter().any(|signature| signature == shown) {
        Ok(())
    } else {
        Err("InvalidSignature: The token has an invalid signature".to_owned())
    }
}

fn sign(key: &str, text: &str) -> String {
    let key = PKey::hmac(key.as_bytes()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    BASE64_STANDARD.encode(signer.sign_oneshot_to_vec(text.as_bytes()).unwrap())
}

/// A signature that somebody made with a key, for an hour.
pub fn signature(key: &str) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let ends = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3600;
    let resource = encode(&format!("https://{HOST}/{HUB}"));
    let signature = encode(&sign(key, &format!("{resource}\n{ends}")));
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={ends}&skn={POLICY}")
}
