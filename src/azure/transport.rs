use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::headers::HeaderName;
use azure_core::http::{
    AsyncRawResponse, AsyncResponseBody, HttpClient, HttpClientOptions, Request, Transport, new_http_client,
};
use futures::{Stream, StreamExt as _, stream};

const CONTENT_RANGE: HeaderName = HeaderName::from_static("content-range");
/// An upload's answer may take a second longer for each of these bytes sent.
const SLOWEST_UPLOAD: u64 = 64 << 10;

/// The SDK's own HTTP client, giving up on a server that is silent for `silence`: before its answer, and between two
/// pieces of its answer's body. The SDK itself has no such setting; its client waits 60 s.
pub(super) fn impatient(silence: Duration) -> Transport {
    // Decompression off, as the SDK has it: ranges count the bytes as they are stored.
    let inner = new_http_client(Some(HttpClientOptions { automatic_decompression: false }));
    Transport::new(Arc::new(Impatient { inner, silence }))
}

#[derive(Debug)]
struct Impatient {
    inner: Arc<dyn HttpClient>,
    silence: Duration,
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
            let sending = request.body().len().unwrap_or_default() / SLOWEST_UPLOAD;
            let limit = self.silence.saturating_add(Duration::from_secs(sending));
            let answer = within(limit, self.inner.execute_request(request)).await??;
            let (status, mut headers, body) = answer.deconstruct();
            // What Azurite says of any range of an empty blob. The SDK cannot read it, and needs it for larger blobs only.
            if headers.get_optional_str(&CONTENT_RANGE) == Some("bytes 0--1/0") {
                headers.remove(CONTENT_RANGE);
            }
            Ok(AsyncRawResponse::new(status, headers, Box::pin(watched(body, self.silence))))
        })
    }
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
