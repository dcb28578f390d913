use std::error::Error;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core_amqp::{AmqpDescribedError, AmqpError, AmqpErrorCondition, AmqpErrorKind};
use azure_messaging_eventhubs::EventHubsError;
use azure_messaging_eventhubs::error::ErrorKind as Kind;

use super::address::EventHubAddress;
use crate::base::one_line;

/// Why a call to an event hub failed, as one sentence that names the hub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventHubError {
    /// The service knows who asks and refuses, or does not know it.
    #[error(
        "{address} refuses this identity ({reason}): give it the role Azure Event Hubs Data Sender (Receiver, to \
         only look), and see that the namespace lets its network in"
    )]
    Denied { address: String, reason: String },
    /// The namespace has no such hub.
    #[error("event hub {address} does not exist ({reason}): create it, or correct --event-hub")]
    Unknown { address: String, reason: String },
    /// The credential gave no token.
    #[error("no token for {address} ({reason}): check --credential and the identity it names")]
    NoToken { address: String, reason: String },
    /// The service takes no event of this size.
    #[error("{address} takes no event of {size} bytes")]
    TooLarge { address: String, size: usize },
    /// The service is too busy for this identity or hub at the moment.
    #[error("{address} is busy ({reason}): see whether the namespace has enough throughput units")]
    Busy { address: String, reason: String },
    /// A partition has as many readers of one consumer group as the service allows.
    #[error(
        "{address} lets no more readers in ({reason}): at most 5 may read a partition by one consumer group, so name one of \
         the loader's own by --live-group"
    )]
    Readers { address: String, reason: String },
    /// It may work later: no connection, one that broke, throttling, a fault of the service.
    #[error("{address} cannot be reached over AMQP now ({reason}): see that port 5671 is open")]
    Transient { address: String, reason: String },
    /// Something repeating does not mend.
    #[error("{address} refuses ({reason})")]
    Other { address: String, reason: String },
}

/// Longer reasons are cut: the service adds tracking ids and times.
const REASON_LIMIT: usize = 200;

impl EventHubError {
    /// Whether the same call may succeed later. A missing token counts: identity endpoints start after programs do.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            EventHubError::Transient { .. }
                | EventHubError::NoToken { .. }
                | EventHubError::Busy { .. }
                | EventHubError::Readers { .. }
        )
    }

    /// Whether the connection and its links are as good as before.
    pub(super) fn leaves_link(&self) -> bool {
        matches!(self, EventHubError::Busy { .. } | EventHubError::TooLarge { .. })
    }

    /// What the service or the library said, without the address.
    pub fn reason(&self) -> String {
        match self {
            EventHubError::Denied { reason, .. }
            | EventHubError::Unknown { reason, .. }
            | EventHubError::NoToken { reason, .. }
            | EventHubError::Transient { reason, .. }
            | EventHubError::Busy { reason, .. }
            | EventHubError::Readers { reason, .. }
            | EventHubError::Other { reason, .. } => reason.clone(),
            EventHubError::TooLarge { size, .. } => format!("an event of {size} bytes is too large"),
        }
    }

    pub(super) fn other(address: &EventHubAddress, reason: String) -> Self {
        EventHubError::Other { address: address.to_string(), reason }
    }

    pub(super) fn no_token(address: &EventHubAddress, reason: String) -> Self {
        EventHubError::NoToken { address: address.to_string(), reason: cut(&reason) }
    }

    pub(super) fn silent(address: &EventHubAddress, waited: Duration) -> Self {
        let reason = format!("no answer within {} s", waited.as_secs());
        EventHubError::Transient { address: address.to_string(), reason }
    }

    /// As [`new`](Self::new), of one who reads: a link that the service closes while it is read from comes as the text of the
    /// protocol library's own error.
    pub(super) fn of_reader(address: &EventHubAddress, error: &EventHubsError) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        let mut last = error.to_string();
        while let Some(error) = cause {
            last = error.to_string();
            cause = error.source();
        }
        match Self::new(address, error) {
            known if !last.contains("RemoteClosed") && !last.contains("RemoteDetached") => known,
            _ => closed(address.to_string(), &last),
        }
    }

    /// What an error of the SDK means. Its own text is left out where a part of it says what happened: it repeats
    /// itself at every layer.
    pub(super) fn new(address: &EventHubAddress, error: &EventHubsError) -> Self {
        let address = address.to_string();
        match &error.kind {
            Kind::SendRejected(Some(described)) | Kind::ConsumerDisconnected(Some(described)) => {
                return by_condition(address, described);
            }
            Kind::InvalidManagementResponse => {
                return EventHubError::Other { address, reason: "its properties make no sense".to_owned() };
            }
            _ => {}
        }
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        let mut last = error.to_string();
        while let Some(error) = cause {
            if let Some(amqp) = error.downcast_ref::<AmqpError>() {
                match amqp.kind() {
                    AmqpErrorKind::AmqpDescribedError(described) => return by_condition(address, described),
                    AmqpErrorKind::ManagementStatusCode(code, text) => {
                        let reason = cut(text.as_deref().unwrap_or("no reason given"));
                        return by_status(address, u16::from(*code), reason);
                    }
                    _ => {}
                }
            }
            if let Some(core) = error.downcast_ref::<azure_core::Error>()
                && matches!(core.kind(), ErrorKind::Credential)
            {
                return EventHubError::NoToken { address, reason: cut(&crate::azure::failure::root(core)) };
            }
            last = error.to_string();
            cause = error.source();
        }
        EventHubError::Transient { address, reason: cut(&last) }
    }
}

fn by_condition(address: String, described: &AmqpDescribedError) -> EventHubError {
    let name: &str = (&described.condition).into();
    let reason = cut(described.description.as_deref().filter(|text| !text.is_empty()).unwrap_or(name));
    match described.condition {
        AmqpErrorCondition::UnauthorizedAccess => EventHubError::Denied { address, reason },
        AmqpErrorCondition::NotFound | AmqpErrorCondition::ResourceDeleted => {
            EventHubError::Unknown { address, reason }
        }
        AmqpErrorCondition::ArgumentError
        | AmqpErrorCondition::ArgumentOutOfRangeError
        | AmqpErrorCondition::DecodeError
        | AmqpErrorCondition::InvalidField
        | AmqpErrorCondition::LinkPayloadSizeExceeded
        | AmqpErrorCondition::NotAllowed
        | AmqpErrorCondition::NotImplemented
        | AmqpErrorCondition::PreconditionFailed
        | AmqpErrorCondition::PublisherRevokedError => EventHubError::Other { address, reason },
        AmqpErrorCondition::ServerBusyError | AmqpErrorCondition::ResourceLimitExceeded => {
            EventHubError::Busy { address, reason }
        }
        _ => EventHubError::Transient { address, reason },
    }
}

/// The status of an answer to an authorisation or a management request.
fn by_status(address: String, code: u16, reason: String) -> EventHubError {
    match code {
        401 | 403 => EventHubError::Denied { address, reason: format!("{code}, {reason}") },
        404 => EventHubError::Unknown { address, reason },
        400..=499 if code != 408 && code != 429 => EventHubError::Other { address, reason },
        _ => EventHubError::Transient { address, reason: format!("{code}, {reason}") },
    }
}

/// What a link was closed with, as the protocol library shows it: `…Error { condition: …, description: Some("…"), …`.
fn closed(address: String, text: &str) -> EventHubError {
    let described = text.split_once("description: Some(\"").map(|(_, rest)| rest.split('"').next().unwrap_or(rest));
    let reason = cut(described.unwrap_or("the link was closed"));
    if text.contains("ResourceLimitExceeded") {
        return EventHubError::Readers { address, reason };
    }
    if text.contains("UnauthorizedAccess") {
        return EventHubError::Denied { address, reason };
    }
    if text.contains("server-busy") {
        return EventHubError::Busy { address, reason };
    }
    EventHubError::Transient { address, reason }
}

fn cut(text: &str) -> String {
    one_line(text, REASON_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeating_mends_is_told_from_what_it_does_not() {
        let status = |code| by_status("ns/hub".to_owned(), code, "why".to_owned());
        assert!(matches!(status(401), EventHubError::Denied { .. }));
        assert!(matches!(status(404), EventHubError::Unknown { .. }));
        assert!(status(429).is_transient() && status(503).is_transient() && !status(400).is_transient());
        let described = |condition| {
            by_condition("ns/hub".to_owned(), &AmqpDescribedError::new(condition, None, Default::default()))
        };
        assert!(described(AmqpErrorCondition::ServerBusyError).is_transient());
        let text = |condition: &str| {
            format!(
                "Local error: RemoteClosedWithError(Error {{ condition: {condition}, description: \
                                              Some(\"of 5. List\"), info: None }})"
            )
        };
        let sixth = closed("ns/hub".to_owned(), &text("AmqpError(ResourceLimitExceeded)")).to_string();
        assert!(
            sixth.starts_with("ns/hub lets no more readers in (of 5. List)") && sixth.contains("--live-group"),
            "{sixth}"
        );
        assert!(closed("ns/hub".to_owned(), &text("LinkError(Stolen)")).is_transient());
        let unknown = described(AmqpErrorCondition::NotFound).to_string();
        assert_eq!(unknown, "event hub ns/hub does not exist (amqp:not-found): create it, or correct --event-hub");
    }
}
