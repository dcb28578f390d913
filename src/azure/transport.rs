use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::headers::HeaderName;
use azure_core::http::{
    AsyncRawResponse, AsyncResponseBody, ClientOptions, ExponentialRetryOptions, HttpClient, HttpClientOptions,
    Request, RetryOptions, Transport, UserAgentOptions, new_http_client,
};
use futures::{Stream, StreamExt as _, stream};

use super::access::Sas;
use super::failure::sas_error;
use crate::base::SecretError;

const CONTENT_RANGE: HeaderName = HeaderName::from_static("content-range");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");
/// An upload's answer may take a second longer for each of these bytes sent.
const SLOWEST_UPLOAD: u64 = 64 << 10;

/// Bytes of a refusal that are looked at.
const MOST_OF_A_REFUSAL: usize = 64 << 10;
/// How many signatures one request is tried with: each next one only if it was changed after the last was refused.
const MOST_SIGNATURES: usize = 3;

/// How often the SDK repeats a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    /// Never: the caller has a patience of its own.
    Never,
    /// A few times within seconds: nobody above repeats it.
    AFewTimes,
}

/// What is done to requests and answers on their way.
#[derive(Debug)]
pub(super) enum Manner {
    Plain,
    /// Requests are signed.
    Signed(Sas),
    /// Refusals of a tenant's authority are made such that the SDK can read them.
    Authority,
}

/// What every client of Azure's services is made with: our name in their logs, a limit for silence (before an answer,
/// and between two pieces of its body), and what is done on the way. The SDK itself has no such limit; its client waits
/// 60 s.
pub(super) fn options(silence: Duration, repeats: Repeats, manner: Manner) -> ClientOptions {
    // Decompression off, as the SDK has it: ranges count the bytes as they are stored.
    let inner = new_http_client(Some(HttpClientOptions { automatic_decompression: false }));
    let retry = match repeats {
        Repeats::Never => RetryOptions::none(),
        Repeats::AFewTimes => RetryOptions::exponential(ExponentialRetryOptions {
            max_retries: 3,
            max_total_elapsed: azure_core::time::Duration::seconds(10),
            ..ExponentialRetryOptions::default()
        }),
    };
    ClientOptions {
        retry,
        transport: Some(Transport::new(Arc::new(Impatient { inner, silence, manner }))),
        user_agent: UserAgentOptions { application_id: Some(application_id()) },
        ..ClientOptions::default()
    }
}

/// The same for requests that no SDK makes.
pub(super) fn client(silence: Duration) -> Arc<dyn HttpClient> {
    let inner = new_http_client(Some(HttpClientOptions { automatic_decompression: false }));
    Arc::new(Impatient { inner, silence, manner: Manner::Plain })
}

/// How the service's logs name this program; the SDK panics past 24 characters, and at a slash.
pub(super) fn application_id() -> String {
    format!("deltawave-{}", env!("CARGO_PKG_VERSION")).chars().take(24).collect()
}

#[derive(Debug)]
struct Impatient {
    inner: Arc<dyn HttpClient>,
    silence: Duration,
    manner: Manner,
}

impl Impatient {
    /// Sends a request once.
    async fn send(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let sending = request.body().len().unwrap_or_default() / SLOWEST_UPLOAD;
        let limit = self.silence.saturating_add(Duration::from_secs(sending));
        let answer = within(limit, self.inner.execute_request(request)).await??;
        let (status, mut headers, body) = answer.deconstruct();
        // What Azurite says of any range of an empty blob. The SDK cannot read it, and needs it for larger blobs only.
        if headers.get_optional_str(&CONTENT_RANGE) == Some("bytes 0--1/0") {
            headers.remove(CONTENT_RANGE);
        }
        Ok(AsyncRawResponse::new(status, headers, Box::pin(watched(body, self.silence))))
    }

    /// Sends a request with the SAS as it is now, and again with the next one if that is refused and there is one.
    /// A refused request did nothing, so that repeating it is safe whatever it is.
    async fn send_signed(&self, request: &Request, sas: &Sas) -> azure_core::Result<AsyncRawResponse> {
        let mut secret = sas.current().await.map_err(sas_error)?;
        for _ in 0..MOST_SIGNATURES {
            let refused = match sas.query(&secret) {
                Ok(query) => {
                    let mut signed = request.clone();
                    signed.body_mut().reset().await?;
                    sign(&mut signed, query);
                    let answer = self.send(&signed).await?;
                    if !matches!(u16::from(answer.status()), 401 | 403) {
                        return Ok(answer);
                    }
                    Ok(answer)
                }
                Err(error) => Err(sas_error(error)),
            };
            let why = match &refused {
                Ok(answer) => answer.headers().get_optional_str(&ERROR_CODE).unwrap_or("no reason given").to_owned(),
                Err(_) => "it is none".to_owned(),
            };
            let again = |error: SecretError| sas_error(error.after(&format!("the SAS was refused ({why}), and ")));
            if !sas.renew(&secret).await.map_err(again)? {
                return refused;
            }
            secret = sas.current().await.map_err(sas_error)?;
        }
        Err(azure_core::Error::with_message(ErrorKind::Io, "the SAS changed again and again"))
    }
}

impl HttpClient for Impatient {
    fn execute_request<'client, 'request, 'answer>(
        &'client self,
        request: &'request Request,
    ) -> Pin<Box<dyn Future<Output = azure_core::Result<AsyncRawResponse>> + Send + 'answer>>
    where
        'client: 'answer,
        'request: 'answer,
    {
        Box::pin(async move {
            match &self.manner {
                Manner::Plain => self.send(request).await,
                Manner::Signed(sas) => self.send_signed(request, sas).await,
                Manner::Authority => legible(self.send(request).await?).await,
            }
        })
    }
}

fn sign(request: &mut Request, sas: &str) {
    let url = request.url_mut();
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&{sas}"),
        _ => sas.to_owned(),
    };
    url.set_query(Some(&query));
}

/// Leaves of a refusal its error codes only. The SDK cannot read a description with a line end in it, which all of
/// them have, and would lose the codes with it; and a description may quote what was sent.
async fn legible(answer: AsyncRawResponse) -> azure_core::Result<AsyncRawResponse> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let (status, headers, mut body) = answer.deconstruct();
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await
        && bytes.len() < MOST_OF_A_REFUSAL
    {
        bytes.extend_from_slice(&piece?);
    }
    let said: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let codes: Vec<_> = said["error_codes"].as_array().into_iter().flatten().filter_map(|code| code.as_i64()).collect();
    let kept = serde_json::json!({"error_codes": codes, "error_description": ""}).to_string();
    Ok(AsyncRawResponse::from_bytes(status, headers, kept))
}

fn watched(
    body: AsyncResponseBody,
    silence: Duration,
) -> impl Stream<Item = azure_core::Result<azure_core::Bytes>> + Send {
    stream::unfold(Some(Box::pin(body)), move |body| async move {
        let mut body = body?;
        match within(silence, body.next()).await {
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(body))),
            Ok(Some(Err(error))) | Err(error) => Some((Err(error), None)),
            Ok(None) => None,
        }
    })
}

async fn within<T>(limit: Duration, answer: impl Future<Output = T>) -> azure_core::Result<T> {
    tokio::time::timeout(limit, answer)
        .await
        .map_err(|_| azure_core::Error::with_message(ErrorKind::Io, format!("no byte came for {limit:?}")))
}
