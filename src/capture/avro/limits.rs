/// What reading a file may hold in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// The largest record, in bytes, that is read. Event Hubs takes at most 1 MB, 20 MB on its dedicated tiers.
    pub record: usize,
    /// The largest snappy block, in bytes, packed or unpacked: snappy cannot be unpacked in a stream.
    pub snappy_block: usize,
    /// The bytes any file may unpack to. Past that only 200 times its own bytes, which no text is compressed to:
    /// a small file cannot keep us busy for ever.
    pub unpacked: u64,
}

impl Default for ReadLimits {
    fn default() -> Self {
        ReadLimits { record: 32 << 20, snappy_block: 64 << 20, unpacked: 1 << 30 }
    }
}
