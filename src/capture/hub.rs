use std::fmt;
use std::str::FromStr;

/// A partition of an event hub. The service numbers them from 0 without holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub i32);

/// The broker's number of a record inside its partition: rises by one a record, starts again when a hub is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(pub i64);

impl SequenceNumber {
    /// The number of the record that follows.
    pub fn next(self) -> Self {
        SequenceNumber(self.0.saturating_add(1))
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event hub by its full name. With a plain Kafka broker the hub is the topic and the namespace a free name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hub {
    namespace: String,
    name: String,
}

/// Why a text does not name an event hub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHub {
    /// A character that neither Event Hubs nor Kafka allows in a name.
    #[error("`{0}` is not a name: use letters, digits, `.`, `-` and `_`, at most 256 of them")]
    Name(String),
}

impl Hub {
    /// A hub of checked names.
    ///
    /// # Errors
    /// When either name is empty, longer than 256 characters or has characters that Event Hubs and Kafka refuse.
    pub fn new(namespace: &str, name: &str) -> Result<Self, InvalidHub> {
        for part in [namespace, name] {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if part.is_empty() || part.len() > 256 || !part.chars().all(allowed) {
                return Err(InvalidHub::Name(part.to_owned()));
            }
        }
        Ok(Hub { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// The Event Hubs namespace: the first label of its host name.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The event hub, which for Kafka clients is the topic.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for PartitionId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(PartitionId)
    }
}
