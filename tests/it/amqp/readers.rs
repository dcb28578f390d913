//! The side of the played event hub that gives events out, by links that break off where a test wants them to.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use fe2o3_amqp::Sender;
use fe2o3_amqp::types::definitions::{AmqpError, Error, ErrorCondition, LinkError};
use fe2o3_amqp::types::messaging::{Data, Message, MessageAnnotations};
use fe2o3_amqp::types::primitives::{Symbol, Timestamp, Value};
use time::OffsetDateTime;
use tokio::time::sleep;

use super::peer::Taken;

/// What befalls a link that reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is closed after so many events, without a word.
    Closed(usize),
    /// It is taken away after so many events.
    Stolen(usize),
    /// It is closed at once: there are five readers.
    Sixth,
    /// It is closed after so many events: too busy.
    Busy(usize),
    /// It says nothing any more after so many events, and stays.
    Silent(usize),
}

/// Who reads, and how.
pub struct Readers {
    /// When the hub was made, in milliseconds since 1970: all its events are of that time.
    epoch: AtomicI64,
    /// How often it was made anew.
    lives: AtomicU64,
    fates: Mutex<HashMap<usize, VecDeque<Fate>>>,
    /// The same of the first link that asks for that number.
    fates_at: Mutex<HashMap<(usize, i64), Fate>>,
    links: AtomicUsize,
    /// Consumer groups and places that were asked for.
    asked: Mutex<Vec<(String, i64)>>,
}

impl Readers {
    pub fn new() -> Readers {
        Readers {
            epoch: AtomicI64::new(now()),
            lives: AtomicU64::new(0),
            fates: Mutex::default(),
            fates_at: Mutex::default(),
            links: AtomicUsize::new(0),
            asked: Mutex::default(),
        }
    }

    /// When its events are taken.
    pub fn epoch(&self) -> OffsetDateTime {
        let millis = i128::from(self.epoch.load(Ordering::SeqCst));
        OffsetDateTime::from_unix_timestamp_nanos(millis * 1_000_000).unwrap()
    }

    /// What befalls the next links of a partition.
    pub fn script(&self, partition: usize, fates: impl IntoIterator<Item = Fate>) {
        self.fates.lock().unwrap().entry(partition).or_default().extend(fates);
    }

    /// What befalls the first link of a partition that asks for that number.
    pub fn script_at(&self, partition: usize, number: i64, fate: Fate) {
        self.fates_at.lock().unwrap().insert((partition, number), fate);
    }

    /// Links so far.
    pub fn links(&self) -> usize {
        self.links.load(Ordering::SeqCst)
    }

    /// Consumer groups that were read by.
    pub fn groups(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(group, _)| group.clone()).collect()
    }

    /// Groups and first numbers that were asked for.
    pub fn asked(&self) -> Vec<(String, i64)> {
        self.asked.lock().unwrap().clone()
    }

    /// The hub was made anew, a second later than the one before.
    pub fn anew(&self) {
        self.epoch.fetch_add(1000, Ordering::SeqCst);
        self.lives.fetch_add(1, Ordering::SeqCst);
    }

    /// Gives a partition's events to a link until it ends.
    pub async fn give(&self, mut sender: Sender, events: &[Mutex<Vec<Taken>>], address: &str, filter: &str) {
        let (group, partition) = address.split_once("/ConsumerGroups/").unwrap().1.split_once("/Partitions/").unwrap();
        let partition: usize = partition.parse().unwrap();
        let mut next = first(filter);
        self.links.fetch_add(1, Ordering::SeqCst);
        self.asked.lock().unwrap().push((group.to_owned(), next));
        let at = self.fates_at.lock().unwrap().remove(&(partition, next));
        let fate = at.or_else(|| self.fates.lock().unwrap().get_mut(&partition).and_then(VecDeque::pop_front));
        let error = |condition: ErrorCondition, text: &str| Error::new(condition, Some(text.to_owned()), None);
        let custom = |name: &str| ErrorCondition::Custom(Symbol::from(name.to_owned()));
        let (life, mut given) = (self.lives.load(Ordering::SeqCst), 0);
        if fate == Some(Fate::Sixth) {
            let text = "Exceeded the maximum number of allowed receivers per partition in a consumer group which is 5. \
                        List of connected receivers - nil, nil, nil, nil, nil";
            let _ = sender.close_with_error(error(AmqpError::ResourceLimitExceeded.into(), text)).await;
            return;
        }
        if next > events[partition].lock().unwrap().len() as i64 {
            let text = format!("The supplied sequence number '{next}' is invalid");
            let _ = sender.close_with_error(error(custom("com.microsoft:argument-error"), &text)).await;
            return;
        }
        loop {
            match fate {
                Some(Fate::Closed(after)) if given >= after => {
                    let _ = sender.close().await;
                    return;
                }
                Some(Fate::Stolen(after)) if given >= after => {
                    let text = "New receiver with higher epoch of '1' is created hence current receiver is getting disconnected";
                    let _ = sender.close_with_error(error(LinkError::Stolen.into(), text)).await;
                    return;
                }
                Some(Fate::Busy(after)) if given >= after => {
                    let text = "The request was terminated because the entity is being throttled";
                    let _ = sender.close_with_error(error(custom("com.microsoft:server-busy"), text)).await;
                    return;
                }
                Some(Fate::Silent(after)) if given >= after => {
                    sender.on_detach().await;
                    return;
                }
                _ => {}
            }
            if self.lives.load(Ordering::SeqCst) != life {
                let _ = sender.close_with_error(error(AmqpError::NotFound.into(), "the entity was deleted")).await;
                return;
            }
            let event = events[partition].lock().unwrap().get(usize::try_from(next).unwrap()).cloned();
            let Some(event) = event else {
                sleep(Duration::from_millis(10)).await;
                continue;
            };
            let annotations = MessageAnnotations::builder()
                .insert(Symbol::from("x-opt-sequence-number"), Value::Long(next))
                .insert(Symbol::from("x-opt-offset"), Value::String((next * 64).to_string()))
                .insert(
                    Symbol::from("x-opt-enqueued-time"),
                    Value::Timestamp(Timestamp::from(self.epoch.load(Ordering::SeqCst))),
                )
                .build();
            let body = Data(event.body.into_bytes().into());
            if sender.send(Message::builder().message_annotations(annotations).data(body).build()).await.is_err() {
                return;
            }
            (next, given) = (next + 1, given + 1);
        }
    }
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp() * 1000 + 321
}

/// The number that a filter wants first.
fn first(filter: &str) -> i64 {
    let after = |words: &str| filter.split_once(words).map(|(_, rest)| rest.split('\'').next().unwrap().to_owned());
    match after("x-opt-sequence-number >'").or_else(|| after("x-opt-sequence-number > '")) {
        Some(number) => number.parse::<i64>().unwrap() + 1,
        None => {
            assert!(filter.contains("x-opt-offset > '-1'"), "{filter}");
            0
        }
    }
}
