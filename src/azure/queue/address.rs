use std::fmt;
use std::str::FromStr;

use crate::azure::endpoint::{Dialect, Endpoint, without_secrets};

/// Where a storage queue is: the value of `--notifications`. `Display` and `Debug` never show a SAS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueAddress {
    pub(super) endpoint: Endpoint,
}

/// A text that is no queue address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{shown:?} {fault}; give https://ACCOUNT.queue.core.windows.net/QUEUE[?SAS] or \
     http://HOST:PORT/devstoreaccount1/QUEUE"
)]
pub struct AddressError {
    shown: String,
    fault: &'static str,
}

const DIALECT: Dialect = Dialect {
    label: ".queue.",
    not_one: "does not name one queue",
    bad_name: "has no valid queue name (3 to 63 lowercase letters, digits and single hyphens)",
};

impl QueueAddress {
    /// Whether [`Queue::open`](super::Queue::open) needs a token credential for this address.
    pub fn needs_credential(&self) -> bool {
        self.endpoint.needs_credential()
    }

    /// Whether it has a SAS of its own, which leaves no room for another.
    pub fn has_sas(&self) -> bool {
        self.endpoint.has_sas()
    }

    /// The queue of the same account whose name has `suffix` after this one's.
    ///
    /// # Errors
    /// When no queue has so long a name, or one with such a suffix.
    pub fn neighbour(&self, suffix: &str) -> Result<Self, AddressError> {
        let fault = "has too long a name: another queue is kept beside it, whose name is longer";
        let neighbour = self.endpoint.neighbour(suffix).map(|endpoint| QueueAddress { endpoint });
        neighbour.ok_or_else(|| AddressError { shown: self.to_string(), fault })
    }
}

impl FromStr for QueueAddress {
    type Err = AddressError;

    /// Reads one of the forms that [`AddressError`] lists.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let endpoint = Endpoint::parse(text, &DIALECT);
        endpoint
            .map(|endpoint| QueueAddress { endpoint })
            .map_err(|fault| AddressError { shown: without_secrets(text), fault })
    }
}

impl fmt::Display for QueueAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.endpoint.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> QueueAddress {
        text.parse().unwrap()
    }

    #[test]
    fn every_form_is_read_and_no_sas_shown() {
        let local = read("http://127.0.0.1:10001/devstoreaccount1/events");
        assert_eq!(local.to_string(), "http://127.0.0.1:10001/devstoreaccount1/events");
        assert!(!local.needs_credential());
        assert!(read("https://a.queue.core.windows.net/events/").needs_credential());
        let signed = read("https://a.queue.core.windows.net/events?sv=1&sig=hunter2");
        assert_eq!(signed.to_string(), "https://a.queue.core.windows.net/events");
        assert!(!signed.needs_credential());
        assert!(!format!("{signed:?}").contains("hunter2"));
    }

    #[test]
    fn a_neighbour_is_opened_by_the_same() {
        let poison = read("https://a.queue.core.windows.net/events?sv=1&sig=x").neighbour("-poison").unwrap();
        assert_eq!(poison, read("https://a.queue.core.windows.net/events-poison?sv=1&sig=x"));
        let long = read(&format!("https://a.queue.core.windows.net/{}", "q".repeat(57)));
        assert!(long.neighbour("-poison").unwrap_err().to_string().contains("too long a name"));
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_no_secret() {
        let refused = |text: &str| text.parse::<QueueAddress>().unwrap_err().to_string();
        let text = refused("https://a.blob.core.windows.net/events?sig=hunter2");
        assert!(text.starts_with("\"https://a.blob.core.windows.net/events\" does not name one queue; give"), "{text}");
        assert!(refused("https://a.queue.core.windows.net/Events").contains("no valid queue name"));
        assert!(refused("http://example.com/other/events").contains("is not encrypted"));
        assert!(!refused("AccountName=a;QueueEndpoint=x;AccountKey=hunter2").contains("hunter2"));
    }
}
