use std::time::Duration;

use time::OffsetDateTime;

/// When a window ends: whichever of the two comes first, each partition on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLimits {
    /// How long a window stays open.
    pub interval: Duration,
    /// The size of its file at which it is closed early, in bytes.
    pub size: u64,
}

/// One partition's open window.
///
/// Names are unique because starts are: every window starts at least one second after the one before, even when
/// several are filled within a second. The start then runs ahead of the clock, and a quiet moment lets it catch up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    start: OffsetDateTime,
    closes_at: OffsetDateTime,
}

impl Window {
    /// Opens the window that follows one which started at `previous`, if any did.
    pub fn open(now: OffsetDateTime, previous: Option<OffsetDateTime>, limits: WindowLimits) -> Self {
        let now_second = now.replace_nanosecond(0).unwrap_or(now);
        let start = previous.map_or(now_second, |previous| now_second.max(previous + Duration::from_secs(1)));
        Window { start, closes_at: now + limits.interval }
    }

    /// The time in the file's name, in whole seconds UTC.
    pub fn start(&self) -> OffsetDateTime {
        self.start
    }

    /// When it closes if it does not fill up before.
    pub fn closes_at(&self) -> OffsetDateTime {
        self.closes_at
    }

    /// Whether it must be closed now that its file has `bytes`.
    pub fn is_over(&self, now: OffsetDateTime, bytes: u64, limits: WindowLimits) -> bool {
        now >= self.closes_at || bytes >= limits.size
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const LIMITS: WindowLimits = WindowLimits { interval: Duration::from_secs(60), size: 1000 };

    #[test]
    fn closes_by_time_or_by_size() {
        let now = datetime!(2026-01-02 03:04:05.5 UTC);
        let window = Window::open(now, None, LIMITS);
        assert_eq!(window.start(), datetime!(2026-01-02 03:04:05 UTC));
        assert!(!window.is_over(now + Duration::from_secs(59), 999, LIMITS));
        assert!(window.is_over(now + Duration::from_secs(60), 0, LIMITS));
        assert!(window.is_over(now, 1000, LIMITS));
    }

    #[test]
    fn two_windows_of_a_second_and_a_clock_gone_back_get_names_of_their_own() {
        let now = datetime!(2026-01-02 03:04:05.2 UTC);
        let first = Window::open(now, None, LIMITS);
        let second = Window::open(now, Some(first.start()), LIMITS);
        assert_eq!(second.start(), first.start() + Duration::from_secs(1));
        let back = Window::open(now - Duration::from_secs(3600), Some(second.start()), LIMITS);
        assert_eq!(back.start(), second.start() + Duration::from_secs(1));
    }
}
