//! When the next event is due.

use std::time::Duration;

use crate::settings::Rate;

/// How far sending may fall behind before the schedule starts afresh: a stall is made up for, but a pause of minutes
/// does not end in a burst of minutes.
const MAX_LAG: Duration = Duration::from_secs(1);

/// A schedule by elapsed time: event k is due k/rate after the start, so that late wake-ups do not add up and no sleep
/// per event is needed.
#[derive(Debug)]
pub struct Pacer {
    rate: Rate,
    base: Duration,
    sent: u64,
}

impl Pacer {
    /// A schedule that starts at elapsed time zero with an event.
    pub fn new(rate: Rate) -> Pacer {
        Pacer { rate, base: Duration::ZERO, sent: 0 }
    }

    /// How long to wait at this elapsed time; zero when an event is due.
    pub fn wait(&mut self, elapsed: Duration) -> Duration {
        let Rate::PerSecond(rate) = self.rate else { return Duration::ZERO };
        let due = Duration::try_from_secs_f64(self.sent as f64 / rate)
            .ok()
            .and_then(|offset| self.base.checked_add(offset))
            .unwrap_or(Duration::MAX);
        if elapsed.saturating_sub(due) > MAX_LAG {
            (self.base, self.sent) = (elapsed, 0);
        }
        due.saturating_sub(elapsed)
    }

    /// Notes that one event was sent.
    pub fn sent(&mut self) {
        self.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends whatever is due at each of the times and says how many that were.
    fn drive(pacer: &mut Pacer, times: impl Iterator<Item = Duration>) -> u32 {
        let mut events = 0;
        for now in times {
            while pacer.wait(now).is_zero() && events < 1_000_000 {
                pacer.sent();
                events += 1;
            }
        }
        events
    }

    #[test]
    fn the_average_is_exact_however_coarse_the_wake_ups() {
        for (rate, step_ms, expected) in [(1.0, 7, 11), (333.0, 7, 3331), (50_000.0, 20, 500_001), (0.5, 100, 6)] {
            let mut pacer = Pacer::new(Rate::PerSecond(rate));
            let times = (0..).map(|i| Duration::from_millis(i * step_ms)).take_while(|t| t.as_secs() < 10);
            let events = drive(&mut pacer, times.chain([Duration::from_secs(10)]));
            assert_eq!(events, expected, "at {rate}/s in 10 s");
        }
    }

    #[test]
    fn the_wait_is_until_the_next_event() {
        let mut pacer = Pacer::new(Rate::PerSecond(4.0));
        assert_eq!(pacer.wait(Duration::ZERO), Duration::ZERO);
        pacer.sent();
        assert_eq!(pacer.wait(Duration::from_millis(50)), Duration::from_millis(200));
    }

    #[test]
    fn a_long_pause_does_not_end_in_a_burst() {
        let mut pacer = Pacer::new(Rate::PerSecond(10.0));
        assert_eq!(drive(&mut pacer, [Duration::ZERO, Duration::from_secs(60)].into_iter()), 2);
        assert_eq!(drive(&mut pacer, [Duration::from_millis(60_900)].into_iter()), 9, "a short stall is made up for");
    }

    #[test]
    fn max_never_waits() {
        let mut pacer = Pacer::new(Rate::Max);
        pacer.sent();
        assert_eq!(pacer.wait(Duration::ZERO), Duration::ZERO);
    }
}
