use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::batch::Batch;
use super::error::HttpsError;
use super::service::Service;
use crate::azure::eventhub::outbox::{Ends, Message, OUTCOME, PAUSES, SHORTEST};

/// Events that one lane holds at once; what follows waits in its queue.
const MOST: usize = 20_000;

/// Between two tries with something that was refused, for all lanes: each reads the secret again.
const REFUSED: Duration = Duration::from_secs(1);

/// Sends the events of its keys, one request after the other, the next only when the one before is acknowledged: so each
/// key's events keep their order. A request has one key's events only, because a batch goes to one partition.
pub(super) struct Lane {
    pub service: Arc<Service>,
    pub patience: Duration,
    pub ends: Ends,
}

/// Events that wait, by key; the key that has waited longest is next.
#[derive(Default)]
struct Waiting {
    keys: VecDeque<Vec<u8>>,
    events: HashMap<Vec<u8>, VecDeque<Message>>,
    count: usize,
}

impl Waiting {
    fn push(&mut self, message: Message) {
        self.count += 1;
        match self.events.get_mut(&message.key) {
            Some(events) => events.push_back(message),
            None => {
                self.keys.push_back(message.key.clone());
                self.events.insert(message.key.clone(), VecDeque::from([message]));
            }
        }
    }

    fn next(&mut self) -> Option<VecDeque<Message>> {
        let events = self.events.remove(&self.keys.pop_front()?)?;
        self.count -= events.len();
        Some(events)
    }

    /// What is left of a key goes behind the others.
    fn put_back(&mut self, events: VecDeque<Message>) {
        if let Some(first) = events.front() {
            self.count += events.len();
            self.keys.push_back(first.key.clone());
            self.events.insert(first.key.clone(), events);
        }
    }

    fn all(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.next()).flatten().collect()
    }
}

impl Lane {
    /// Sends until the queue ends. After the first event that is given up nothing more is sent.
    pub async fn run(self, mut queue: mpsc::UnboundedReceiver<Message>) {
        let mut waiting = Waiting::default();
        while let Some(message) = queue.recv().await {
            waiting.push(message);
            loop {
                while waiting.count < MOST
                    && let Ok(message) = queue.try_recv()
                {
                    waiting.push(message);
                }
                let Some(mut events) = waiting.next() else { break };
                match self.deliver(&events).await {
                    Ok(taken) => {
                        self.ends.acknowledged(events.drain(..taken).collect());
                        waiting.put_back(events);
                    }
                    Err(error) => {
                        self.ends.given_up(events.into(), error.to_string());
                        self.ends.given_up(waiting.all(), "an event before it was given up".to_owned());
                        // What follows must not overtake what was given up.
                        while let Some(message) = queue.recv().await {
                            self.ends.given_up(vec![message], "an event before it was given up".to_owned());
                        }
                        return;
                    }
                }
            }
        }
    }

    /// Sends the first of one key's events, as many as one request takes, and gives their number. It is tried until the
    /// oldest has waited long enough.
    async fn deliver(&self, events: &VecDeque<Message>) -> Result<usize, HttpsError> {
        let deadline = events.front().map_or_else(Instant::now, |oldest| oldest.queued) + self.patience;
        let (mut pause, mut limit) = (PAUSES.0, OUTCOME.0);
        loop {
            self.service.gate.pass(deadline).await?;
            let Some(batch) = Batch::of(events, self.service.largest()) else {
                return Err(HttpsError::NotText { address: self.service.address() });
            };
            let left = deadline.saturating_duration_since(Instant::now()).max(SHORTEST);
            let error = match self.service.send(&batch, limit.min(left)).await {
                Ok(()) => return Ok(batch.events),
                Err(error) => error,
            };
            if matches!(error, HttpsError::TooLarge { .. }) && batch.events > 1 {
                self.service.shrink(batch.body.len());
                continue;
            }
            if !self.service.may_mend(&error) || Instant::now() >= deadline {
                return Err(error);
            }
            match &error {
                HttpsError::Busy { pause: Some(asked), .. } => self.service.gate.shut(pause.max(*asked), &error),
                HttpsError::Denied { .. } => self.service.gate.shut(pause.max(REFUSED), &error),
                _ => tokio::time::sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await,
            }
            pause = (pause * 2).min(PAUSES.1);
            limit = (limit * 2).min(OUTCOME.1);
        }
    }
}
