use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_messaging_eventhubs::models::ReceivedEventData;
use azure_messaging_eventhubs::{
    ConsumerClient, EventReceiver, OpenReceiverOptions, RetryOptions, StartLocation, StartPosition,
};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::address::EventHubAddress;
use super::client::{ANSWER, name, token, within};
use super::error::EventHubError;
use crate::capture::{PartitionId, SequenceNumber};
use crate::ledger::{Log, LogError, LogPartition, LogRead, LogRecord, PartitionEnds};

/// Events that the service may send ahead.
const AHEAD: u32 = 300;

/// How long a link may take to be detached.
const CLOSING: Duration = Duration::from_secs(5);

/// Events between the connection and its reader.
const UNDER_WAY: usize = 64;

/// An event hub that is read at its end over AMQP, by a consumer group that remembers nothing. Each partition has a
/// connection of its own, so that what breaks one leaves the others as they are.
pub struct EventHubTail(Arc<Hub>);

struct Hub {
    address: EventHubAddress,
    credential: Arc<dyn TokenCredential>,
    group: String,
}

impl EventHubTail {
    /// Sends nothing.
    pub fn new(address: EventHubAddress, credential: Arc<dyn TokenCredential>, group: &str) -> Self {
        EventHubTail(Arc::new(Hub { address, credential, group: group.to_owned() }))
    }
}

impl fmt::Display for EventHubTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, consumer group {}", self.0.address, self.0.group)
    }
}

impl Hub {
    async fn client(&self) -> Result<ConsumerClient, EventHubError> {
        token(&self.address, &self.credential, ANSWER).await?;
        let mut builder = ConsumerClient::builder()
            .with_application_id(name())
            .with_consumer_group(self.group.clone())
            .with_retry_options(RetryOptions { max_retries: 0, ..RetryOptions::default() });
        if let Some(endpoint) = &self.address.endpoint {
            builder = builder.with_custom_endpoint(endpoint.to_string());
        }
        let opening = builder.open(&self.address.host, self.address.hub.clone(), Arc::clone(&self.credential));
        within(&self.address, ANSWER, opening).await
    }
}

impl Log for EventHubTail {
    fn partitions(&self) -> BoxFuture<'_, Result<Vec<PartitionId>, LogError>> {
        Box::pin(async move {
            let client = self.0.client().await.map_err(failed)?;
            let asked = within(&self.0.address, ANSWER, client.get_eventhub_properties()).await.map_err(failed)?;
            let id = |id: &String| id.parse().map(PartitionId).ok();
            let mut ids: Vec<_> = asked.partition_ids.iter().filter_map(id).collect();
            ids.sort_unstable();
            Ok(ids)
        })
    }

    fn open(&self, partition: PartitionId) -> BoxFuture<'_, Result<Box<dyn LogPartition>, LogError>> {
        let hub = Arc::clone(&self.0);
        Box::pin(async move {
            let client = Arc::new(hub.client().await.map_err(failed)?);
            Ok(Box::new(Partition { hub, client, partition, receiving: None }) as Box<dyn LogPartition>)
        })
    }
}

struct Partition {
    hub: Arc<Hub>,
    client: Arc<ConsumerClient>,
    partition: PartitionId,
    receiving: Option<Receiving>,
}

/// What a link gives, which a task of its own reads, since its stream borrows from it.
struct Receiving {
    events: mpsc::Receiver<Result<LogRead, EventHubError>>,
    /// The link is detached when this goes.
    _stop: DropGuard,
}

impl LogPartition for Partition {
    fn ends(&mut self) -> BoxFuture<'_, Result<PartitionEnds, LogError>> {
        Box::pin(async move {
            let id = self.partition.to_string();
            let asked = self.client.get_partition_properties(&id);
            let properties = within(&self.hub.address, ANSWER, asked).await.map_err(failed)?;
            let last = properties.last_enqueued_sequence_number;
            Ok(PartitionEnds {
                partition: self.partition,
                earliest: SequenceNumber(properties.beginning_sequence_number),
                last: (last >= 0).then_some(SequenceNumber(last)),
                last_enqueued_at: properties.last_enqueued_time_utc.filter(|_| last >= 0).map(OffsetDateTime::from),
            })
        })
    }

    fn seek(&mut self, number: SequenceNumber) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(async move {
            // A link begins somewhere once; another place is another link, on a connection that knows nothing of the first.
            if self.receiving.take().is_some() {
                self.client = Arc::new(self.hub.client().await.map_err(failed)?);
            }
            let (out, events) = mpsc::channel(UNDER_WAY);
            let stop = CancellationToken::new();
            let link = Link {
                client: Arc::clone(&self.client),
                partition: self.partition,
                from: number,
                address: self.hub.address.clone(),
                out,
                stop: stop.clone(),
            };
            tokio::spawn(link.run());
            self.receiving = Some(Receiving { events, _stop: stop.drop_guard() });
            Ok(())
        })
    }

    fn next(&mut self) -> BoxFuture<'_, Result<LogRead, LogError>> {
        Box::pin(async move {
            let Some(receiving) = &mut self.receiving else { return std::future::pending().await };
            match receiving.events.recv().await {
                Some(read) => read.map_err(failed),
                None => Err(LogError(format!("{} ended the link of partition {}", self.hub.address, self.partition))),
            }
        })
    }
}

/// Hands on a partition's events from a number on.
struct Link {
    client: Arc<ConsumerClient>,
    partition: PartitionId,
    from: SequenceNumber,
    address: EventHubAddress,
    out: mpsc::Sender<Result<LogRead, EventHubError>>,
    stop: CancellationToken,
}

impl Link {
    /// Until the link ends, nobody takes its events, or it is told to stop.
    async fn run(self) {
        // Behind the number before it: the service takes the number of the last event, and none that is not given out yet.
        let location = match self.from.0.checked_sub(1) {
            Some(before) if before >= 0 => StartLocation::SequenceNumber(before),
            _ => StartLocation::Earliest,
        };
        let options = OpenReceiverOptions {
            prefetch: Some(AHEAD),
            start_position: Some(StartPosition { location, inclusive: false }),
            ..OpenReceiverOptions::default()
        };
        let opening = self.client.open_receiver_on_partition(self.partition.to_string(), Some(options));
        let receiver = match within(&self.address, ANSWER, opening).await {
            Ok(receiver) => receiver,
            Err(error) => {
                let _ = self.out.send(Err(error)).await;
                return;
            }
        };
        tokio::select! {
            () = self.hand_on(&receiver) => {}
            () = self.stop.cancelled() => {}
        }
        // So that the service does not count it among its readers any more.
        let _ = tokio::time::timeout(CLOSING, receiver.close()).await;
    }

    async fn hand_on(&self, receiver: &EventReceiver) {
        let mut events = receiver.stream_events();
        while let Some(event) = events.next().await {
            let read = match event {
                Ok(event) => record(&event)
                    .ok_or_else(|| EventHubError::other(&self.address, "an event has no number or no time".to_owned())),
                Err(error) => Err(EventHubError::of_reader(&self.address, &error)),
            };
            let ended = read.is_err();
            if self.out.send(read).await.is_err() || ended {
                return;
            }
        }
    }
}

fn record(event: &ReceivedEventData) -> Option<LogRead> {
    let number = SequenceNumber(event.sequence_number()?);
    let taken_at = OffsetDateTime::from(event.enqueued_time()?);
    // What the SDK gives is a body of one section of bytes; what Capture makes of others only its file says.
    Some(match event.event_data().body() {
        Some(body) => LogRead::Record(LogRecord { number, taken_at, body: Some(body.to_vec()) }),
        None => LogRead::Unreadable(number),
    })
}

fn failed(error: EventHubError) -> LogError {
    LogError(error.to_string())
}
