use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode};

use super::login::Login;
use super::throttle::Throttle;

/// What every client hands to librdkafka: its log goes to `tracing` at debug level, the last connection error is kept,
/// so that "unreachable" can say why, and refusals reach the login.
pub struct Context {
    login: Option<Arc<Login>>,
    throttle: Throttle,
    last_error: Mutex<Option<String>>,
}

impl Context {
    pub(super) fn new(login: Option<Arc<Login>>) -> Self {
        Context { login, throttle: Throttle::default(), last_error: Mutex::default() }
    }

    /// What the last failed connection ended with.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A client was let in, and got an answer.
    pub(super) fn accepted(&self) {
        if let Some(login) = &self.login {
            login.accepted();
        }
    }

    /// The sentence that says why it is no use to wait, if it is none.
    pub(super) fn hopeless(&self) -> Option<String> {
        self.login.as_ref()?.hopeless()
    }

    /// The library's reason, and what to do if that is known.
    pub(super) fn reason(&self, error: &Native) -> String {
        let code = match error {
            Native::AdminOp(code) => Some(*code),
            other => other.rdkafka_error_code(),
        };
        code.map_or_else(|| error.to_string(), |code| self.explain(code))
    }

    /// The same for a code.
    pub(super) fn explain(&self, code: RDKafkaErrorCode) -> String {
        use RDKafkaErrorCode as Code;
        let Some(login) = &self.login else { return code.to_string() };
        match code {
            Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed | Code::GroupAuthorizationFailed => {
                format!(
                    "{code}: either the namespace is on the Basic tier, which has no Kafka endpoint (move it to \
                     Standard), or this login lacks the right (give its identity the role Azure Event Hubs Data Sender \
                     to send or Data Receiver to read, or its policy the claim Send or Listen)"
                )
            }
            Code::MessageSizeTooLarge => {
                format!("{code}: Event Hubs takes events of up to 1 MB, so make it smaller or split it")
            }
            Code::MessageTimedOut | Code::AllBrokersDown | Code::BrokerTransportFailure => {
                login.hopeless().unwrap_or_else(|| code.to_string())
            }
            code => code.to_string(),
        }
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, "{message}");
    }

    fn error(&self, error: Native, reason: &str) {
        tracing::debug!(%error, "{reason}");
        let code = error.rdkafka_error_code();
        // "1/1 brokers are down" follows the error that says why, and says nothing itself.
        if code == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        let reason = reason.split(" (after ").next().unwrap_or(reason);
        // A failed handshake comes before anything is shown, and says nothing of it.
        if code == Some(RDKafkaErrorCode::Authentication)
            && !reason.contains("handshake failed")
            && let Some(login) = &self.login
        {
            let words = reason.rsplit_once("authentication error: ").map_or(reason, |(_, words)| words);
            login.refused(words);
        }
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    fn stats_raw(&self, statistics: &[u8]) {
        if let Some(login) = &self.login
            && let Some(delay) = self.throttle.noticed(statistics, Instant::now())
        {
            tracing::warn!(
                "throttled: {} delays requests by up to {} ms because the namespace's throughput units are used up; \
                 add units, or turn on auto-inflate",
                login.access.host,
                delay.as_millis()
            );
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        match &self.login {
            Some(login) => Ok(login.oauth_token()?),
            None => Err("this endpoint takes no tokens".into()),
        }
    }
}

impl ConsumerContext for Context {}
