//! What a program says of itself over HTTP: whether it lives, whether it works, and its metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use super::gate::Gate;

/// What a running program can be asked.
pub trait Status: Send + Sync + 'static {
    /// Whether it can do its work now, and a JSON object that says what is wrong if not.
    fn readiness(&self) -> (bool, serde_json::Value);

    /// Brings metrics up to date that depend on the time they are read.
    fn refresh_metrics(&self);
}

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is taken or not of this machine.
    #[error("cannot listen on {address} (--http); choose a free address of this machine")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Metrics were set up before in this process.
    #[error("metrics cannot be recorded")]
    Metrics(#[from] BuildError),
}

/// The upper bounds of every `…_seconds` histogram.
const SECONDS: [f64; 12] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0];

/// The same of how fresh files are, which takes from under a second to hours.
const FRESHNESS: [f64; 16] =
    [0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0, 900.0, 3600.0];

/// An address that was taken.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

/// How often histograms are summed up.
const UPKEEP: std::time::Duration = std::time::Duration::from_secs(5);

/// Answers `/healthz`, `/readyz` and `/metrics` on `address` from now on, until the runtime ends.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(address: SocketAddr, status: Arc<dyn Status>) -> Result<SocketAddr, HttpError> {
    serve_on(listen(address).await?, status, Arc::new(Gate::open()), Router::new())
}

/// Takes an address.
///
/// # Errors
/// When it cannot be listened on.
pub async fn listen(address: SocketAddr) -> Result<Listening, HttpError> {
    let listen = |source| HttpError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    Ok(Listening { address: listener.local_addr().map_err(listen)?, listener })
}

/// As [`serve`], with `more` that has a gate of its own. Whoever does not pass the gate sees no metrics, and of readiness
/// only whether it is.
///
/// # Errors
/// When metrics were set up before in this process.
pub fn serve_on(
    listening: Listening,
    status: Arc<dyn Status>,
    gate: Arc<Gate>,
    more: Router,
) -> Result<SocketAddr, HttpError> {
    let Listening { listener, address: bound } = listening;
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Full("deltawave_loader_freshness_seconds".to_owned()), &FRESHNESS)?
        .install_recorder()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    describe_gauge!("process_start_time_seconds", "When the program began, in seconds since 1970");
    gauge!("process_start_time_seconds").set(now.as_secs_f64());
    tokio::spawn(keep_small(metrics.clone()));
    let router = Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(readiness))
        .route("/metrics", get(render))
        .with_state(Shared { status, metrics, gate })
        .merge(more);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "health and metrics are no longer served");
        }
    });
    tracing::info!(address = %bound, "serving /healthz, /readyz and /metrics");
    Ok(bound)
}

/// Histograms keep every value until they are summed up, which else happens only when someone reads the metrics.
async fn keep_small(metrics: PrometheusHandle) {
    let mut interval = tokio::time::interval(UPKEEP);
    loop {
        interval.tick().await;
        metrics.run_upkeep();
    }
}

#[derive(Clone)]
struct Shared {
    status: Arc<dyn Status>,
    metrics: PrometheusHandle,
    gate: Arc<Gate>,
}

async fn readiness(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let (ready, mut reason) = shared.status.readiness();
    if !shared.gate.admits(&headers).await {
        reason = serde_json::json!({ "ready": ready });
    }
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(reason)).into_response()
}

async fn render(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if !shared.gate.admits(&headers).await {
        let wanted = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, wanted, "send the token of --http-token in the header Authorization\n")
            .into_response();
    }
    shared.status.refresh_metrics();
    shared.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], shared.metrics.render()).into_response()
}
