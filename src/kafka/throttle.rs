use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// At most so often is throttling told.
const PERIOD: Duration = Duration::from_secs(60);

/// What the library's statistics say of answers that were delayed because a quota is used up.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: HashMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    throttle: Option<Window>,
}

/// Milliseconds since the statistics before.
#[derive(Deserialize)]
struct Window {
    max: i64,
}

/// Tells once a minute that the service throttles.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    told: Mutex<Option<Instant>>,
}

impl Throttle {
    /// The longest delay of a request, when there was one and it is to be told now.
    pub fn noticed(&self, statistics: &[u8], now: Instant) -> Option<Duration> {
        let longest = longest(statistics)?;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| now.saturating_duration_since(told) < PERIOD) {
            return None;
        }
        *told = Some(now);
        Some(longest)
    }
}

fn longest(statistics: &[u8]) -> Option<Duration> {
    let statistics: Statistics = serde_json::from_slice(statistics).ok()?;
    let windows = statistics.brokers.into_values().filter_map(|broker| broker.throttle);
    let longest = windows.map(|window| window.max).max()?;
    u64::try_from(longest).ok().filter(|longest| *longest > 0).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_delay_of_any_broker_is_told_once_a_minute() {
        let statistics = br#"{"name":"x","brokers":{"a":{"throttle":{"min":0,"max":0,"cnt":3}},
            "b":{"throttle":{"max":750,"cnt":1}},"c":{}}}"#;
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.noticed(statistics, now), Some(Duration::from_millis(750)));
        assert_eq!(throttle.noticed(statistics, now + Duration::from_secs(59)), None);
        assert_eq!(throttle.noticed(statistics, now + PERIOD), Some(Duration::from_millis(750)));
        assert_eq!(throttle.noticed(br#"{"brokers":{"a":{"throttle":{"max":0}}}}"#, now + PERIOD * 3), None);
        assert_eq!(throttle.noticed(b"nonsense", now + PERIOD * 3), None);
    }
}
