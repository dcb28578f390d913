use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::credentials::TokenCredential;
use azure_messaging_eventhubs::models::EventData;
use azure_messaging_eventhubs::{EventDataBatchOptions, SendEventOptions};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::address::EventHubAddress;
use super::client::{ANSWER, Client};
use super::error::EventHubError;
use super::link::Link;
use super::outbox::{Ends, LARGEST, Message, OUTCOME, Outbox, PAUSES, SHORTEST};
use super::partitioner;
use crate::base::{DeliveryWatch, Queued};

/// Events in one batch, which the service bounds by its size only.
const MOST: usize = 10_000;
/// Writes to one event hub over AMQP, at least once.
///
/// Each partition has a lane of its own, which sends one batch after the other and the next only when the one before
/// is acknowledged. So one key's events keep their order; what was sent and not acknowledged before a connection broke
/// is sent again, and may be there twice. After the first event that is given up its lane sends no more.
pub struct EventHubPublisher {
    address: EventHubAddress,
    lanes: Vec<mpsc::UnboundedSender<Message>>,
    outbox: Outbox,
    tasks: Vec<AbortHandle>,
}

impl EventHubPublisher {
    /// Connects and asks for the partitions, trying for `patience`, which is also how long each event is tried.
    ///
    /// # Errors
    /// What the last try said; at once what no trying mends.
    pub async fn open(
        address: EventHubAddress,
        credential: Arc<dyn TokenCredential>,
        patience: Duration,
        watch: impl DeliveryWatch,
    ) -> Result<Self, EventHubError> {
        let answer = ANSWER.min(patience.max(Duration::from_secs(1)));
        let link = Arc::new(Link::new(address.clone(), credential, answer));
        let partitions = partitions(&link, patience).await?;
        let outbox = Outbox::new(watch);
        let (mut lanes, mut tasks) = (Vec::new(), Vec::new());
        for partition in partitions {
            let (sender, queue) = mpsc::unbounded_channel();
            let lane = Lane { partition, link: Arc::clone(&link), patience, ends: outbox.ends(Some(partition)) };
            tasks.push(tokio::spawn(lane.run(queue)).abort_handle());
            lanes.push(sender);
        }
        Ok(EventHubPublisher { address, lanes, outbox, tasks })
    }

    /// Queues a copy of the event; never blocks.
    ///
    /// # Errors
    /// [`EventHubError::TooLarge`].
    pub fn send(&self, key: &[u8], payload: &[u8], tag: usize) -> Result<Queued, EventHubError> {
        let size = key.len() + payload.len();
        if size > LARGEST {
            return Err(EventHubError::TooLarge { address: self.address.to_string(), size });
        }
        let Some(message) = self.outbox.take(key, payload, tag) else { return Ok(Queued::Full) };
        let lane = &self.lanes[partitioner::partition(key, self.lanes.len())];
        if lane.send(message).is_err() {
            let address = self.address.to_string();
            return Err(EventHubError::Other { address, reason: "sending has stopped".to_owned() });
        }
        Ok(Queued::Taken)
    }

    /// Waits until every event's end was reported, at most `patience`. Blocks the thread.
    pub fn drain(&self, patience: Duration) {
        self.outbox.drain(patience);
    }
}

impl Drop for EventHubPublisher {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// The hub's partitions; the first thing that shows whether it is there and takes this identity.
async fn partitions(link: &Link, patience: Duration) -> Result<Vec<i32>, EventHubError> {
    let began = Instant::now();
    let mut pause = PAUSES.0;
    loop {
        let error = match ask(link).await {
            Ok(partitions) if partitions.is_empty() => {
                return Err(EventHubError::other(link.address(), "it has no partitions".to_owned()));
            }
            Ok(partitions) => return Ok(partitions),
            Err(error) => error,
        };
        if !link.may_mend(&error) || began.elapsed() >= patience {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn ask(link: &Link) -> Result<Vec<i32>, EventHubError> {
    let client = link.client().await?;
    let partitions = client.partitions().await;
    if partitions.is_err() {
        link.discard(&client).await;
    }
    partitions
}

/// One partition's way to the service.
struct Lane {
    partition: i32,
    link: Arc<Link>,
    patience: Duration,
    ends: Ends,
}

impl Lane {
    async fn run(self, mut queue: mpsc::UnboundedReceiver<Message>) {
        let mut waiting = VecDeque::new();
        while let Some(message) = queue.recv().await {
            waiting.push_back(message);
            while waiting.len() < MOST
                && let Ok(message) = queue.try_recv()
            {
                waiting.push_back(message);
            }
            while let Some(oldest) = waiting.front() {
                let deadline = oldest.queued + self.patience;
                match self.send(&waiting, deadline).await {
                    Ok(sent) => self.ends.acknowledged(waiting.drain(..sent).collect()),
                    Err(error) => {
                        self.ends.given_up(waiting.drain(..).collect(), error.reason());
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

    /// Sends as many as fit into a batch, trying until the deadline, and gives their number.
    async fn send(&self, waiting: &VecDeque<Message>, deadline: Instant) -> Result<usize, EventHubError> {
        let mut pause = PAUSES.0;
        let mut limit = OUTCOME.0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match self.attempt(waiting, limit.min(left.max(SHORTEST))).await {
                Ok(sent) => {
                    self.link.works();
                    return Ok(sent);
                }
                Err(error) => error,
            };
            if !self.link.may_mend(&error) || Instant::now() >= deadline {
                return Err(error);
            }
            tokio::time::sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
            pause = (pause * 2).min(PAUSES.1);
            limit = (limit * 2).min(OUTCOME.1);
        }
    }

    async fn attempt(&self, waiting: &VecDeque<Message>, limit: Duration) -> Result<usize, EventHubError> {
        let client = self.link.client().await?;
        let sent = self.send_batch(&client, waiting, limit).await;
        if let Err(error) = &sent
            && !error.leaves_link()
        {
            self.link.discard(&client).await;
        }
        sent
    }

    async fn send_batch(
        &self,
        client: &Client,
        waiting: &VecDeque<Message>,
        limit: Duration,
    ) -> Result<usize, EventHubError> {
        let sdk = client.sdk();
        let options = EventDataBatchOptions { partition_id: Some(self.partition.to_string()), ..Default::default() };
        let batch = client.within(sdk.create_batch(Some(options))).await?;
        let mut taken = 0;
        for message in waiting {
            let event = EventData::builder().with_body(message.payload.as_slice()).build();
            if !batch.try_add_event_data(event, None).map_err(|error| client.error(&error))? {
                break;
            }
            taken += 1;
        }
        if taken == 0 {
            return self.send_alone(client, waiting, limit).await;
        }
        client.outcome(limit + on_the_way(batch.size()), sdk.send_batch(batch, None)).await?;
        Ok(taken)
    }

    /// Sends one event by itself: as the first of a batch it would have to fit twice, by the SDK's count.
    async fn send_alone(
        &self,
        client: &Client,
        waiting: &VecDeque<Message>,
        limit: Duration,
    ) -> Result<usize, EventHubError> {
        let Some(message) = waiting.front() else { return Ok(0) };
        let event = EventData::builder().with_body(message.payload.as_slice()).build();
        let options = SendEventOptions { partition_id: Some(self.partition.to_string()) };
        let limit = limit + on_the_way(message.payload.len() as u64);
        client.outcome(limit, client.sdk().send_event(event, Some(options))).await?;
        Ok(1)
    }
}

/// What so many bytes may take on a slow line: a second for each 64 KiB.
fn on_the_way(bytes: u64) -> Duration {
    Duration::from_millis(bytes * 1000 / (64 << 10))
}
