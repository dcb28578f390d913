//! What an SDK error says, without the secrets it may quote.

use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::RawResponse;
use azure_core::time::{OffsetDateTime, parse_rfc7231};

/// The innermost cause: the outer ones quote the request's URL, and with it the SAS.
pub(super) fn root(error: &azure_core::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    match text.find("sig=") {
        Some(at) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

/// How long the service asks to be left alone, if its answer says so.
pub(super) fn retry_after(answer: &RawResponse, now: OffsetDateTime) -> Option<Duration> {
    let text = answer.headers().get_optional_str(&"retry-after".into())?;
    match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Duration::try_from(parse_rfc7231(text).ok()? - now).ok(),
    }
}

pub(super) fn has_code(error: &azure_core::Error, wanted: &str) -> bool {
    matches!(error.kind(), ErrorKind::HttpResponse { error_code: Some(code), .. } if code == wanted)
}
