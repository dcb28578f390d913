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

/// Asks servers for what they have, with the same trust in certificates and proxies as all else over HTTPS.
#[derive(Debug, Clone)]
pub struct Getter(Arc<dyn HttpClient>);

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

impl Getter {
    /// Sends nothing.
    pub fn new() -> Self {
        Getter(transport::client(SILENCE))
    }

    /// Asks once.
    ///
    /// # Errors
    /// Why there is no whole answer, without what was sent.
    pub async fn get(&self, url: &Url, authorization: Option<&Secret>) -> Result<Got, String> {
        let mut request = Request::new(url.clone(), Method::Get);
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

impl Default for Getter {
    fn default() -> Self {
        Getter::new()
    }
}
