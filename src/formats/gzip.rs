use std::io::Read as _;

use flate2::read::MultiGzDecoder;

/// What gzip begins with.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The most that a body may unpack to, in bytes: what a record may have.
const MOST: usize = 32 << 20;

/// Whether a body is gzip-compressed; what `Content-Encoding` says of it needs no look.
pub(super) fn is_packed(body: &[u8]) -> bool {
    body.starts_with(&MAGIC)
}

/// Unpacks a body into the buffer.
///
/// # Errors
/// When it is damaged, or larger than a record may be.
pub(super) fn unpack(body: &[u8], into: &mut Vec<u8>) -> Result<(), String> {
    into.clear();
    let read = MultiGzDecoder::new(body).take(MOST as u64 + 1).read_to_end(into);
    match read {
        Err(error) => Err(format!("body is gzip-compressed and damaged: {error}")),
        Ok(length) if length > MOST => Err(format!("body is gzip-compressed, of more than {} MiB", MOST >> 20)),
        Ok(_) => Ok(()),
    }
}
