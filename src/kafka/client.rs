use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode};

/// What every client hands to librdkafka: its log goes to `tracing` at debug level, and the last connection error is
/// kept, so that "unreachable" can say why.
#[derive(Debug, Default)]
pub struct Context {
    last_error: Mutex<Option<String>>,
}

impl Context {
    /// What the last failed connection ended with.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, "{message}");
    }

    fn error(&self, error: Native, reason: &str) {
        tracing::debug!(%error, "{reason}");
        // "1/1 brokers are down" follows the error that says why, and says nothing itself.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            let reason = reason.split(" (after ").next().unwrap_or(reason);
            *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Context {}

/// The library's reason without its "Meta data fetch error:" prefix.
pub(super) fn reason(error: &Native) -> String {
    match error {
        Native::AdminOp(code) => code.to_string(),
        other => other.rdkafka_error_code().map_or_else(|| other.to_string(), |code| code.to_string()),
    }
}
