use std::fmt;
use std::str::FromStr;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

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
}

/// Everything needed to reach one Kafka endpoint.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// The bootstrap address.
    pub broker: BrokerAddress,
    /// Encryption and credentials.
    pub security: Security,
}

/// The keys every client shares.
///
/// Keep-alive, metadata age and idle time are what Event Hubs asks of its clients, since its load balancer drops idle
/// connections without a word; any other broker is indifferent to them. The message limit stays under the
/// 1,046,528 bytes at which Event Hubs closes the connection. A broker that was away is tried every second: the library
/// checks what has waited too long only between two tries.
pub fn client_config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", settings.broker.to_string())
        .set("client.id", "deltawave")
        .set("socket.keepalive.enable", "true")
        .set("metadata.max.age.ms", "180000")
        .set("topic.metadata.refresh.interval.ms", "60000")
        .set("connections.max.idle.ms", "180000")
        .set("message.max.bytes", "1000000")
        .set("reconnect.backoff.max.ms", "1000")
        .set_log_level(RDKafkaLogLevel::Info);
    match settings.security {
        Security::Plaintext => config.set("security.protocol", "plaintext"),
    };
    config
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
