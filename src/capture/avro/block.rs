use super::damage::DamageKind;

/// A block's bytes as its records are decoded from them.
pub(super) trait Block {
    /// Those that are unpacked and not stepped over.
    fn at_hand(&self) -> &[u8];

    /// Steps over a record.
    fn step(&mut self, length: usize);

    /// Gets at least one byte more, and at least as many as are at hand, so that a large record costs few copies; false
    /// at the end of the block.
    fn more(&mut self) -> Result<bool, DamageKind>;
}
