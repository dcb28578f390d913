use std::time::Duration;

/// Why events were not taken over HTTPS, as one sentence that names the hub. None holds a token or a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpsError {
    /// The service knows who asks and refuses, or does not know it.
    #[error("{address} refuses {shown} ({reason}): {cure}")]
    Denied { address: String, shown: &'static str, reason: String, cure: &'static str },
    /// The namespace has no such hub.
    #[error("event hub {address} does not exist ({reason}): create it, or correct --event-hub")]
    Unknown { address: String, reason: String },
    /// There is no token or signature to show: a whole sentence.
    #[error("{reason}")]
    NoProof { reason: String, is_transient: bool },
    /// The service takes no event of this size.
    #[error("{address} takes no event of {size} bytes{}: make it smaller or split it", .reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default())]
    TooLarge { address: String, size: usize, reason: Option<String> },
    /// The service asks for less, or for patience.
    #[error("{address} is busy ({reason}): see whether the namespace has enough throughput units")]
    Busy { address: String, reason: String, pause: Option<Duration> },
    /// No answer, or half of one.
    #[error(
        "{address} cannot be reached over HTTPS now ({reason}): see that port 443 is open, or that HTTPS_PROXY names \
         the proxy and SSL_CERT_FILE its certificate authority"
    )]
    Away { address: String, reason: String },
    /// An answer that is not the service's, or a fault of it.
    #[error(
        "{address} has not taken events ({reason}): see whether something else answers in its place, such as a proxy's \
         page, or the service's status"
    )]
    Untaken { address: String, reason: String },
    /// Something repeating does not mend.
    #[error("{address} refuses ({reason})")]
    Refused { address: String, reason: String },
    /// An event that JSON cannot carry.
    #[error("an event for {address} is not UTF-8 text, and HTTPS carries text only: send it by Kafka or AMQP")]
    NotText { address: String },
    /// An event before this one was given up.
    #[error("sending to {address} has stopped")]
    Stopped { address: String },
}

impl HttpsError {
    /// Whether the same events may be taken later. A missing token counts: identity endpoints start after programs do.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            HttpsError::Busy { .. }
                | HttpsError::Away { .. }
                | HttpsError::Untaken { .. }
                | HttpsError::NoProof { is_transient: true, .. }
        )
    }
}
