use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::base::SecretSource;

/// One or more `host:port`, separated by commas: where a client first asks for the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress(String);

/// Why a text is no broker address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// No `:port` at the end of an entry.
    #[error("`{0}` has no port: write HOST:PORT, for example localhost:29092")]
    NoPort(String),
    /// The part after the last colon is no port.
    #[error("`{port}` in `{entry}` is not a port: write a number from 1 to 65535")]
    BadPort {
        /// The entry it stands in.
        entry: String,
        /// What stands for the port.
        port: String,
    },
    /// Nothing before the port, or an empty entry.
    #[error("`{0}` has no host: write HOST:PORT, for example localhost:29092")]
    NoHost(String),
}

impl FromStr for BrokerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut entries = Vec::new();
        for entry in text.split(',').map(str::trim) {
            if entry.is_empty() {
                return Err(AddressError::NoHost(text.to_owned()));
            }
            let (host, port) = entry.rsplit_once(':').ok_or_else(|| AddressError::NoPort(entry.to_owned()))?;
            if host.is_empty() {
                return Err(AddressError::NoHost(entry.to_owned()));
            }
            if !port.parse::<u16>().is_ok_and(|port| port > 0) {
                return Err(AddressError::BadPort { entry: entry.to_owned(), port: port.to_owned() });
            }
            entries.push(entry);
        }
        Ok(BrokerAddress(entries.join(",")))
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a client proves who it is, and whether the line is encrypted.
#[derive(Debug, Clone)]
pub enum Security {
    /// No encryption, no credentials: a broker on this machine or in a closed network.
    Plaintext,
    /// The Kafka endpoint of an event hub, over TLS.
    EventHub(EventHubAccess),
}

/// An event hub and how to be let in.
#[derive(Debug, Clone)]
pub struct EventHubAccess {
    /// The namespace's host name.
    pub host: String,
    /// The event hub's name, which for Kafka is the topic.
    pub hub: String,
    /// What proves who this is.
    pub proof: Proof,
    /// The certificate authorities to trust, a PEM file; else the system's.
    pub authorities: Option<PathBuf>,
}

/// What proves to Event Hubs who this is.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A connection string of the namespace or of the hub (SASL PLAIN).
    ConnectionString(SecretSource),
    /// A token of the program's identity (SASL OAUTHBEARER).
    EntraToken,
}

/// Everything needed to reach one Kafka endpoint.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// The bootstrap address.
    pub broker: BrokerAddress,
    /// Encryption and credentials.
    pub security: Security,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_entry_by_entry() {
        assert_eq!("a:1, [::1]:9092".parse::<BrokerAddress>().unwrap().to_string(), "a:1,[::1]:9092");
        assert_eq!("localhost".parse::<BrokerAddress>(), Err(AddressError::NoPort("localhost".into())));
        assert_eq!(":9092".parse::<BrokerAddress>(), Err(AddressError::NoHost(":9092".into())));
        assert_eq!("a:1,".parse::<BrokerAddress>(), Err(AddressError::NoHost("a:1,".into())));
        for port in ["0", "70000", "x", ""] {
            let entry = format!("a:{port}");
            assert_eq!(entry.parse::<BrokerAddress>(), Err(AddressError::BadPort { entry, port: port.into() }));
        }
    }
}
