use time::OffsetDateTime;

/// One blob as a listing or a look-up shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobEntry {
    /// The whole name inside its container.
    pub name: String,
    /// Changes with every new content; without quotes, so that a listing's and a look-up's are equal.
    pub etag: String,
    /// Bytes.
    pub size: u64,
    /// When its content was last written, by the service's clock.
    pub last_modified: OffsetDateTime,
    /// Whether it is in the archive tier, or on its way out of it: it cannot be read.
    pub archived: bool,
}
