//! The identity endpoint of a container group or app, handing out tokens that nobody signed.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinHandle;

/// What a caller has to send, to show that it runs here.
const HEADER: &str = "of-this-test";

/// Listens until it is dropped.
pub struct Tokens {
    port: u16,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    subject: String,
    /// Seconds that a token is said to last.
    lifetime: i64,
    /// Seconds that it lasts less than said.
    lie: i64,
    handed_out: AtomicU64,
    /// How many more are handed out before there are no more.
    left: AtomicI64,
    asked: Mutex<Vec<String>>,
}

impl Tokens {
    /// For this subject; each lasts so many seconds, and so many less than it says.
    pub async fn start(subject: &str, lifetime: i64, lie: i64) -> Tokens {
        let shared = Arc::new(Shared {
            subject: subject.to_owned(),
            lifetime,
            lie,
            handed_out: AtomicU64::new(0),
            left: AtomicI64::new(i64::MAX),
            asked: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = axum::Router::new().route("/token", get(answer)).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Tokens { port, shared, server }
    }

    /// Makes a program ask here.
    pub fn serve(&self, command: &mut Command) {
        let endpoint = format!("http://127.0.0.1:{}/token", self.port);
        command.env("IDENTITY_ENDPOINT", endpoint).env("IDENTITY_HEADER", HEADER);
        command.env_remove("AZURE_FEDERATED_TOKEN_FILE");
    }

    /// How many were handed out.
    pub fn handed_out(&self) -> u64 {
        self.shared.handed_out.load(Ordering::SeqCst)
    }

    /// How many more will be.
    pub fn leave(&self, tokens: i64) {
        self.shared.left.store(tokens, Ordering::SeqCst);
    }

    /// What was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> (StatusCode, Json<Value>) {
    if headers.get("x-identity-header").is_none_or(|header| header != HEADER) {
        return (StatusCode::BAD_REQUEST, Json(json!({"message": "no header"})));
    }
    shared.asked.lock().unwrap().push(query.unwrap_or_default());
    if shared.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
        return (StatusCode::BAD_REQUEST, Json(json!({"message": "no identity any more"})));
    }
    shared.handed_out.fetch_add(1, Ordering::SeqCst);
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let expires = now + shared.lifetime;
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let ends = expires - shared.lie;
    let claims = json!({"sub": shared.subject, "iat": ends - shared.lifetime, "exp": ends});
    let token = format!("{}.{}.", part(json!({"alg": "none"})), part(claims));
    let answer = json!({
        "access_token": token, "expires_on": expires.to_string(), "resource": "x", "token_type": "Bearer"
    });
    (StatusCode::OK, Json(answer))
}
