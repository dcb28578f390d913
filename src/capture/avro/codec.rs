use std::fmt;
use std::str::FromStr;

/// How the blocks of a file are compressed: `avro.codec` in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all; what Capture writes by default.
    Null,
    /// Raw deflate; what the setting `AvroDeflate` gives.
    Deflate,
    /// Snappy with a trailing CRC-32, as Avro defines it.
    Snappy,
    /// Zstandard.
    Zstandard,
}

/// A codec we cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("codec `{0}` is none of null, deflate, snappy, zstandard")]
pub struct UnknownCodec(String);

impl FromStr for Codec {
    type Err = UnknownCodec;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "null" => Ok(Codec::Null),
            "deflate" => Ok(Codec::Deflate),
            "snappy" => Ok(Codec::Snappy),
            "zstandard" => Ok(Codec::Zstandard),
            other => Err(UnknownCodec(other.chars().take(64).collect())),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Codec::Null => "null",
            Codec::Deflate => "deflate",
            Codec::Snappy => "snappy",
            Codec::Zstandard => "zstandard",
        })
    }
}
