use serde_json::{Map, Value, json};
use time::OffsetDateTime;

/// What a log says of a file's rows, so that readers skip what they do not look for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// How many rows.
    pub rows: u64,
    /// The event hub that all of them come from.
    pub hub: Option<String>,
    /// The lowest and highest number.
    pub numbers: Option<(i64, i64)>,
    /// The lowest and highest partition.
    pub partitions: Option<(i64, i64)>,
    /// The earliest and latest moment, in microseconds since 1970.
    pub times: Option<(i64, i64)>,
}

fn wider(range: &mut Option<(i64, i64)>, value: i64) {
    *range = Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))));
}

impl Stats {
    pub(super) fn add(&mut self, partition: i64, number: i64, at: i64) {
        self.rows += 1;
        wider(&mut self.partitions, partition);
        wider(&mut self.numbers, number);
        wider(&mut self.times, at);
    }

    /// Of rows of that hub, of which there are none yet.
    pub(super) fn of(hub: &str) -> Self {
        Stats { hub: Some(hub.to_owned()), ..Stats::default() }
    }

    /// The one partition that all of them come from, if it is known.
    pub(super) fn partition(&self) -> Option<(&str, i64)> {
        let (low, high) = self.partitions?;
        Some((self.hub.as_deref()?, low)).filter(|_| low == high)
    }

    pub(super) fn json(&self) -> String {
        let (mut low, mut high, mut nulls) = (Map::new(), Map::new(), Map::new());
        let hub = self.hub.as_ref().map(|hub| (json!(hub), json!(hub)));
        let mut say = |name: &str, range: Option<(Value, Value)>| {
            if let Some((lowest, highest)) = range {
                low.insert(name.to_owned(), lowest);
                high.insert(name.to_owned(), highest);
                nulls.insert(name.to_owned(), json!(0));
            }
        };
        say("event_hub", hub);
        say("partition_id", self.partitions.map(|(low, high)| (json!(low), json!(high))));
        say("sequence_number", self.numbers.map(|(low, high)| (json!(low), json!(high))));
        say("enqueued_at", self.times.and_then(|(low, high)| Some((json!(shown(low)?), json!(shown(high)?)))));
        json!({"numRecords": self.rows, "minValues": low, "maxValues": high, "nullCount": nulls}).to_string()
    }

    /// What some log says, be it another writer's; nothing of what it does not say.
    pub(super) fn parse(text: Option<&str>) -> Option<Stats> {
        let stats: Value = serde_json::from_str(text?).ok()?;
        let range = |name: &str| Some((stats["minValues"][name].as_i64()?, stats["maxValues"][name].as_i64()?));
        let (low, high) = (stats["minValues"]["event_hub"].as_str(), stats["maxValues"]["event_hub"].as_str());
        Some(Stats {
            hub: low.filter(|low| high == Some(*low)).map(str::to_owned),
            rows: stats["numRecords"].as_u64()?,
            numbers: range("sequence_number"),
            partitions: range("partition_id"),
            times: None,
        })
    }
}

/// A moment as a log has it.
fn shown(micros: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()?;
    let form = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    at.format(form).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_again() {
        let mut stats = Stats::of("user-events");
        [(0, 7, 5), (0, 5, 1_767_312_000_000_000)].iter().for_each(|(p, n, at)| stats.add(*p, *n, *at));
        let text = stats.json();
        assert!(text.contains("\"enqueued_at\":\"2026-01-02T00:00:00.000Z\""), "{text}");
        let read = Stats::parse(Some(&text)).unwrap();
        assert_eq!((read.rows, read.numbers, read.partitions), (2, Some((5, 7)), Some((0, 0))));
        assert_eq!((read.hub.as_deref(), read.partition()), (Some("user-events"), Some(("user-events", 0))));
        assert_eq!(Stats::parse(Some("{\"numRecords\":3}")).unwrap().numbers, None);
    }
}
