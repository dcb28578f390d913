use std::sync::Arc;
use std::time::Duration;

use azure_core::http::headers::HeaderName;
use azure_core::http::{HttpClient, Method, Request, Url};
use futures::StreamExt as _;

use super::failure::root;
use super::transport;
use crate::base::Secret;

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(15);
/// Bytes of an answer.
const LARGEST: usize = 16 << 20;

/// Requests that no SDK makes, with the same trust in certificates and proxies as all else over HTTPS.
#[derive(Debug, Clone)]
pub struct Web(Arc<dyn HttpClient>);

/// An answer.
#[derive(Debug, Clone)]
pub struct Got {
    /// The HTTP status.
    pub status: u16,
    /// What it says the body is.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Web {
    /// Sends nothing.
    pub fn new() -> Self {
        Web(transport::client(SILENCE))
    }

    /// Asks once for what is there.
    ///
    /// # Errors
    /// Why there is no whole answer, without what was sent.
    pub async fn get(&self, url: &Url, authorization: Option<&Secret>) -> Result<Got, String> {
        self.ask(Request::new(url.clone(), Method::Get), authorization).await
    }

    /// Gives a body of that type, once.
    ///
    /// # Errors
    /// Why there is no whole answer, without what was sent: it may have been taken all the same.
    pub async fn post(
        &self,
        url: &Url,
        authorization: Option<&Secret>,
        content_type: &'static str,
        body: String,
    ) -> Result<Got, String> {
        let mut request = Request::new(url.clone(), Method::Post);
        request.insert_header(HeaderName::from_static("content-type"), content_type);
        request.set_body(body);
        self.ask(request, authorization).await
    }

    async fn ask(&self, mut request: Request, authorization: Option<&Secret>) -> Result<Got, String> {
        request.insert_header(HeaderName::from_static("user-agent"), transport::application_id());
        request.insert_header(HeaderName::from_static("accept"), "*/*");
        if let Some(authorization) = authorization {
            request.insert_header(HeaderName::from_static("authorization"), authorization.expose().to_owned());
        }
        let answer = self.0.execute_request(&request).await.map_err(|error| root(&error))?;
        let (status, headers, mut pieces) = answer.deconstruct();
        let content_type = headers.get_optional_str(&HeaderName::from_static("content-type")).unwrap_or_default();
        let (content_type, mut body) = (content_type.to_owned(), Vec::new());
        while let Some(piece) = pieces.next().await {
            body.extend_from_slice(&piece.map_err(|error| root(&error))?);
            if body.len() > LARGEST {
                return Err(format!("its answer has more than {} MiB", LARGEST >> 20));
            }
        }
        Ok(Got { status: status.into(), content_type, body })
    }
}

impl Default for Web {
    fn default() -> Self {
        Web::new()
    }
}
