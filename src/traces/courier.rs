use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use crate::base::chain;

/// How long a request may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Takes requests of exporters, which run on threads of their own, to the program's runtime, and says when nobody takes
/// them.
#[derive(Debug)]
pub(super) struct Courier {
    /// Whom it sends to.
    to: String,
    client: reqwest::Client,
    runtime: Handle,
    in_trouble: AtomicBool,
}

impl Courier {
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(to: &str, runtime: &Handle) -> Result<Self, HttpError> {
        let client = reqwest::Client::builder().timeout(LIMIT).build()?;
        Ok(Courier { to: to.to_owned(), client, runtime: runtime.clone(), in_trouble: AtomicBool::new(false) })
    }

    /// Told once, until it is over.
    fn judge(&self, answer: &Result<Response<Bytes>, HttpError>) {
        let trouble = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            // With the address, which may hold a key, left out.
            Err(error) => Some(error.downcast_ref::<reqwest::Error>().map_or_else(
                || error.to_string(),
                |error| error.source().map_or_else(|| "no answer".to_owned(), chain),
            )),
        };
        match trouble {
            Some(reason) if !self.in_trouble.swap(true, Ordering::Relaxed) => {
                tracing::warn!("traces cannot be sent to {}: {reason}; they are lost until they can", self.to);
            }
            None if self.in_trouble.swap(false, Ordering::Relaxed) => {
                tracing::info!("traces are taken again by {}", self.to);
            }
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Courier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let answer = self.runtime.spawn(async move { client.send_bytes(request).await }).await?;
        self.judge(&answer);
        answer
    }
}
