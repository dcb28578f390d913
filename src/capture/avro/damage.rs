use std::io;

use super::codec::UnknownCodec;

/// Why reading a file ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes could not be had; says nothing about the file.
    #[error("the file's bytes could not be had")]
    Source(#[source] io::Error),
    /// The file itself is bad from some point on. What was read before that point is good.
    #[error(transparent)]
    Damage(#[from] Damage),
}

/// Where a file is bad, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}, at byte {at}")]
pub struct Damage {
    /// The byte position in the file: of the block for what is inside one, since a compressed record has none.
    pub at: u64,
    /// What is wrong there.
    pub kind: DamageKind,
}

/// What can be wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// The first four bytes are not Avro's.
    #[error("not an Avro file: it does not start with `Obj` and 1")]
    WrongMagic,
    /// The header cannot be read.
    #[error("the header is not Avro's: {0}")]
    Header(String),
    /// Blocks are compressed in a way we do not know.
    #[error(transparent)]
    Codec(#[from] UnknownCodec),
    /// An Avro file, but not one of Capture's.
    #[error("not a Capture file: {0}")]
    OtherSchema(String),
    /// The file ends inside its header or a block.
    #[error("the file ends early: {0}")]
    Truncated(&'static str),
    /// A block's header makes no sense.
    #[error("a block says it has {count} records in {size} bytes")]
    BlockHeader {
        /// Records it claims.
        count: i64,
        /// Bytes it claims.
        size: i64,
    },
    /// A block is not followed by the file's sync marker.
    #[error("a block does not end with the file's sync marker")]
    WrongSync,
    /// A block does not decompress.
    #[error("a block does not decompress as {codec}: {reason}")]
    Decompress {
        /// The file's codec.
        codec: super::Codec,
        /// What the decompressor said.
        reason: String,
    },
    /// A record does not fit the file's own schema.
    #[error("record {index} of a block does not fit the file's schema: {reason}")]
    Record {
        /// Counted from 0 in the block.
        index: u64,
        /// What does not fit.
        reason: String,
    },
    /// A record, or a block that must be held whole, is larger than we are willing to hold.
    #[error("{what} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
}
