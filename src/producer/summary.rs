use std::fmt;
use std::time::Duration;

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events handed to the broker's client.
    pub sent: u64,
    /// Events the broker acknowledged.
    pub acknowledged: u64,
    /// Acknowledged events with op `insert`.
    pub inserts: u64,
    /// Acknowledged events with op `update`.
    pub updates: u64,
    /// Acknowledged events with op `delete`.
    pub deletes: u64,
    /// Acknowledged events with another op or none.
    pub others: u64,
    /// From the first event to the last acknowledgement.
    pub elapsed: Duration,
}

impl Summary {
    /// Events that were sent and not acknowledged. They may have arrived all the same.
    pub fn failed(&self) -> u64 {
        self.sent.saturating_sub(self.acknowledged)
    }

    /// Acknowledged events per second.
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.acknowledged as f64 / seconds } else { 0.0 }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { sent, acknowledged, inserts, updates, deletes, others, elapsed } = self;
        let events = if *sent == 1 { "event" } else { "events" };
        write!(f, "{sent} {events} sent, {acknowledged} acknowledged, {} failed", self.failed())?;
        write!(f, " in {:.1} s ({:.1}/s)", elapsed.as_secs_f64(), self.rate())?;
        write!(f, ": {inserts} insert, {updates} update, {deletes} delete")?;
        if *others > 0 {
            write!(f, ", {others} other")?;
        }
        Ok(())
    }
}
