//! What an SDK error says, without the secrets it may quote.

use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::RawResponse;
use azure_core::time::{OffsetDateTime, parse_rfc7231};

use crate::base::SecretError;

/// The innermost cause: the outer ones quote the request's URL.
pub(super) fn root(error: &azure_core::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    unsaid(&cause.to_string())
}

/// The first line of what a service says, up to what it may quote of a signature or a token.
pub(super) fn unsaid(text: &str) -> String {
    const MOST: usize = 300;
    let line = text.lines().next().unwrap_or_default();
    let lower = line.to_ascii_lowercase();
    let quoted = ["sig=", "sig%3d", "bearer "].into_iter().filter_map(|start| lower.find(start)).min();
    let end = quoted.unwrap_or(line.len()).min(line.floor_char_boundary(MOST));
    let kept = line.get(..end).unwrap_or_default();
    if end < line.len() { format!("{kept}…") } else { kept.to_owned() }
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

/// Why a request could not be signed, on its way through the SDK.
pub(super) fn sas_error(error: SecretError) -> azure_core::Error {
    azure_core::Error::new(ErrorKind::Credential, error)
}

/// Why a request could not be signed, if that is what the error is about.
pub(super) fn unsigned(error: &azure_core::Error) -> Option<&SecretError> {
    let mut cause: &dyn std::error::Error = error;
    loop {
        cause = cause.source()?;
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
    }
}
