use crate::capture::{EnqueuedTime, OutgoingEvent, PropertyValue};
use crate::kafka::Record;

/// Where Event Hubs puts a Kafka record's key.
const KEY: &str = "x-opt-partition-key";

/// The record as Capture writes it: the offset is the sequence number, headers are properties.
pub(super) fn event(record: Record) -> OutgoingEvent {
    let enqueued_time = EnqueuedTime::from_kafka(record.timestamp);
    let system_properties = record.key.map(|key| (KEY.to_owned(), text_or_bytes(key))).into_iter().collect();
    // Kafka allows a header name several times, a map does not: the last one wins.
    let mut properties: Vec<(String, PropertyValue)> = Vec::with_capacity(record.headers.len());
    for (name, value) in record.headers {
        let value = value.map_or(PropertyValue::Null, text_or_bytes);
        match properties.iter_mut().find(|(known, _)| *known == name) {
            Some((_, earlier)) => *earlier = value,
            None => properties.push((name, value)),
        }
    }
    OutgoingEvent {
        sequence_number: record.offset,
        offset: record.offset.to_string(),
        enqueued_time,
        system_properties,
        properties,
        body: record.payload,
    }
}

fn text_or_bytes(value: Vec<u8>) -> PropertyValue {
    String::from_utf8(value).map_or_else(|error| PropertyValue::Bytes(error.into_bytes()), PropertyValue::String)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record { offset: 7, timestamp: Some(1_479_314_651_999), key: None, payload: None, headers: Vec::new() }
    }

    #[test]
    fn the_envelope_follows_the_record() {
        let event = event(Record { key: Some(b"k".to_vec()), payload: Some(b"p".to_vec()), ..record() });
        assert_eq!((event.sequence_number, event.offset.as_str()), (7, "7"));
        assert_eq!(event.enqueued_time.to_string(), "11/16/2016 4:44:11 PM");
        assert_eq!(event.system_properties, [(KEY.to_owned(), PropertyValue::String("k".to_owned()))]);
        assert_eq!(event.body.as_deref(), Some(&b"p"[..]));
    }

    #[test]
    fn bytes_that_are_no_text_stay_bytes_and_the_last_of_two_headers_wins() {
        let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
        let headers = vec![header("a", Some(b"1")), header("b", None), header("a", Some(&[0xff]))];
        let event = event(Record { key: Some(vec![0xfe]), headers, ..record() });
        assert_eq!(event.system_properties, [(KEY.to_owned(), PropertyValue::Bytes(vec![0xfe]))]);
        let expected = [("a", PropertyValue::Bytes(vec![0xff])), ("b", PropertyValue::Null)];
        assert_eq!(event.properties, expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(event.body, None);
    }

    #[test]
    fn a_record_without_a_usable_time_gets_the_same_one_each_time() {
        for timestamp in [None, Some(i64::MAX), Some(i64::MIN)] {
            assert_eq!(EnqueuedTime::from_kafka(timestamp).to_string(), "1/1/1970 12:00:00 AM", "{timestamp:?}");
        }
    }
}
