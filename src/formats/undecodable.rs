use super::SchemaId;

/// Why a record makes no rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecodable {
    /// It is to make none: a tombstone.
    Nothing,
    /// It is none of its route's format.
    Bad(String),
    /// It names a schema of which nothing is known yet: ask for it, and decode again.
    Schema(SchemaId),
}

impl From<String> for Undecodable {
    fn from(reason: String) -> Self {
        Undecodable::Bad(reason)
    }
}
