use std::collections::VecDeque;

use azure_core::credentials::Secret as Key;
use azure_core::hmac::hmac_sha256;
use bytes::Bytes;
use serde_json::json;

use crate::azure::eventhub::outbox::Message;

/// The service's limit for a partition key, in characters.
const LONGEST_KEY: usize = 128;
/// Events in one batch, which the service bounds by its size only.
const MOST: usize = 10_000;

/// One request's body: the first events of one key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub events: usize,
    pub body: Bytes,
}

impl Batch {
    /// As many of these events, all of one key, as fit into `limit` bytes of body, but at least one. None if the first
    /// is no UTF-8 text.
    pub fn of(messages: &VecDeque<Message>, limit: usize) -> Option<Self> {
        let texts = messages.iter().map(|message| Some((text(&message.key)?, text(&message.payload)?)));
        Self::of_texts(texts, limit)
    }

    fn of_texts<'a>(texts: impl Iterator<Item = Option<(&'a str, &'a str)>>, limit: usize) -> Option<Self> {
        let (mut events, mut whole) = (0, b"[".to_vec());
        for text in texts.take(MOST) {
            let Some((key, body)) = text else { break };
            let entry = match partition_key(key) {
                Some(key) => json!({"Body": body, "BrokerProperties": {"PartitionKey": key}}),
                None => json!({"Body": body}),
            };
            let entry = entry.to_string();
            if events > 0 {
                if whole.len() + entry.len() + 2 > limit {
                    break;
                }
                whole.push(b',');
            }
            whole.extend_from_slice(entry.as_bytes());
            events += 1;
        }
        whole.push(b']');
        (events > 0).then(|| Batch { events, body: whole.into() })
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// What the service hashes to a partition. A longer key than it takes is shown by its digest: equal keys stay equal.
fn partition_key(key: &str) -> Option<String> {
    match key {
        "" => None,
        key if key.chars().count() <= LONGEST_KEY => Some(key.to_owned()),
        // No secret is needed, and an empty one is decoded without fail.
        key => hmac_sha256(key, &Key::new("")).ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn batch(texts: &[(&str, &str)], limit: usize) -> (usize, Value) {
        let batch = Batch::of_texts(texts.iter().map(|text| Some(*text)), limit).unwrap();
        assert!(batch.events == 1 || batch.body.len() <= limit);
        (batch.events, serde_json::from_slice(&batch.body).unwrap())
    }

    #[test]
    fn a_batch_is_what_fits_and_never_nothing() {
        let events = [("1", "{\"ä\":\n1}"), ("1", "b"), ("1", "c")];
        let (all, body) = batch(&events, 10_000);
        assert_eq!(all, 3);
        assert_eq!(body[0], json!({"Body": "{\"ä\":\n1}", "BrokerProperties": {"PartitionKey": "1"}}));
        assert_eq!(batch(&events[1..], 120).0, 2);
        assert_eq!(batch(&events[1..], 100).0, 1);
        assert_eq!(batch(&events, 1).0, 1);
        assert_eq!(Batch::of_texts([None].into_iter(), 100), None);
        assert_eq!(Batch::of_texts([Some(("1", "a")), None].into_iter(), 100).unwrap().events, 1);
    }

    #[test]
    fn a_key_is_sent_as_it_is_or_by_its_digest() {
        assert_eq!(partition_key(""), None);
        let longest = "ä".repeat(128);
        assert_eq!(partition_key(&longest), Some(longest.clone()));
        let (one, other) = (partition_key(&format!("{longest}1")).unwrap(), partition_key(&format!("{longest}2")));
        assert_eq!(one.len(), 44);
        assert_ne!(Some(one), other);
    }
}
