use crate::azure::eventhub::EventHubAddress;
use crate::base::SecretSource;

/// An event hub over HTTPS.
#[derive(Debug, Clone)]
pub struct HttpsSettings {
    /// The hub.
    pub address: EventHubAddress,
    /// What opens it, if not the program's identity.
    pub connection_string: Option<SecretSource>,
}
