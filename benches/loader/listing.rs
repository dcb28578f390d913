//! A blob service that has nothing but names: it answers listings as Azure does, by prefix, start and page, out of a
//! sorted list, and counts them. Azurite goes through all its blobs for every page, which would measure Azurite.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use tokio::net::TcpListener;

use super::Outcome;

/// The etag of every blob.
pub const ETAG: &str = "0x1";
const PAGE: usize = 1000;

/// A container as its listings show it.
pub struct Listing {
    /// What programs take as `--blob`.
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    /// In byte order.
    names: Vec<String>,
    requests: AtomicU64,
}

impl Listing {
    /// Answers until the runtime ends.
    pub async fn serve(mut names: Vec<String>) -> Outcome<Self> {
        names.sort_unstable();
        let shared = Arc::new(Shared { names, requests: AtomicU64::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}/devstoreaccount1/capture", listener.local_addr()?);
        let router = Router::new().fallback(answer).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Listing { address, shared })
    }

    /// How many listings were asked for so far, each page counted.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> impl IntoResponse {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let query = query.unwrap_or_default();
    let asked = |name: &str| {
        let found = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let prefix = asked("prefix");
    let from = prefix.clone().max(asked("startFrom")).max(asked("marker"));
    let start = shared.names.partition_point(|name| *name < from);
    let mut found = shared.names[start..].iter().take_while(|name| name.starts_with(&prefix));
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"capture\">\
         <Prefix>{prefix}</Prefix><MaxResults>{PAGE}</MaxResults><Blobs>"
    );
    for name in found.by_ref().take(PAGE) {
        // Writing to a string does not fail.
        let _ = write!(
            xml,
            "<Blob><Name>{name}</Name><Properties><Last-Modified>Fri, 20 Nov 2026 00:00:00 GMT</Last-Modified>\
             <Etag>{ETAG}</Etag><Content-Length>508</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
        );
    }
    let next = found.next().map(String::as_str).unwrap_or_default();
    let _ = write!(xml, "</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>");
    ([(CONTENT_TYPE, "application/xml")], xml)
}
