use std::sync::atomic::{AtomicU32, Ordering};

/// Whether records that are there already are to be expected: for a while after one was met.
#[derive(Debug, Default)]
pub(super) struct Repeats(AtomicU32);

/// For how many batches. Long enough that a repeated group costs few refused statements.
const WARY: u32 = 100;

impl Repeats {
    pub(super) fn seen(&self) {
        self.0.store(WARY, Ordering::Relaxed);
    }

    pub(super) fn expected(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_expected_for_a_while_after_one_was_met() {
        let repeats = Repeats::default();
        assert!(!repeats.expected());
        repeats.seen();
        assert!((0..WARY).all(|_| repeats.expected()));
        assert!(!repeats.expected());
    }
}
