use std::fmt;

use azure_core::http::Url;

/// An event hub, and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHubAddress {
    /// The namespace's host name.
    pub host: String,
    /// The event hub's name.
    pub hub: String,
    /// Where the namespace is reached, if not at its own name and port 5671.
    pub endpoint: Option<Url>,
}

impl fmt::Display for EventHubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.hub)?;
        match &self.endpoint {
            Some(endpoint) => write!(f, " (at {endpoint})"),
            None => Ok(()),
        }
    }
}
