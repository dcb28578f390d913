//! Counters become rates.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::subject::{Standing, Totals};

/// Over how long a rate is taken.
const SPAN: Duration = Duration::from_secs(10);

/// What there was, of late.
#[derive(Debug, Default)]
pub(super) struct Rates {
    readings: VecDeque<(Instant, [Option<u64>; 4])>,
    /// Partitions whose end is known.
    ends: usize,
}

/// Records a second on the way from stage to stage; none where nobody here can know.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Flow {
    /// That the broker takes.
    pub(super) arriving: Option<f64>,
    /// That come into Capture files.
    pub(super) captured: Option<f64>,
    /// Of files that are done.
    pub(super) loaded: Option<f64>,
    /// That the live lane makes rows of.
    pub(super) live: Option<f64>,
}

impl Rates {
    /// The rates with this reading.
    pub(super) fn read(&mut self, standing: &Standing, now: Instant) -> Flow {
        let Totals { sent, captured, loaded, rejected, live, .. } = standing.totals;
        let ends: Vec<u64> =
            standing.places.iter().filter_map(|place| place.end).map(|end| u64::try_from(end).unwrap_or(0)).collect();
        let at_broker = sent.or_else(|| (!ends.is_empty()).then(|| ends.iter().sum()));
        if std::mem::replace(&mut self.ends, ends.len()) != ends.len() {
            // The sum is of others now.
            self.readings.clear();
        }
        self.readings.push_back((now, [at_broker, captured, Some(loaded + rejected), live]));
        while self.readings.len() > 2 && now.duration_since(self.readings[1].0) >= SPAN {
            self.readings.pop_front();
        }
        let rate = |index: usize| {
            let ((first_at, first), (last_at, last)) = self.readings.front().zip(self.readings.back())?;
            let seconds = last_at.duration_since(*first_at).as_secs_f64();
            let (first, last) = first[index].zip(last[index])?;
            Some(if seconds > 0.2 { last.saturating_sub(first) as f64 / seconds } else { 0.0 })
        };
        Flow { arriving: rate(0), captured: rate(1), loaded: rate(2), live: rate(3) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let (mut rates, began) = (Rates::default(), Instant::now());
        let read = |rates: &mut Rates, second: u64, loaded| {
            let totals = Totals { loaded, ..Totals::default() };
            rates.read(&Standing { totals, ..Standing::default() }, began + Duration::from_secs(second))
        };
        assert_eq!(read(&mut rates, 0, 0), Flow { loaded: Some(0.0), ..Flow::default() });
        assert_eq!(read(&mut rates, 10, 1000).loaded, Some(100.0));
        assert_eq!(read(&mut rates, 20, 1500).loaded, Some(50.0));
    }
}
