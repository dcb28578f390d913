use super::summary::Summary;
use crate::base::Undelivered;

/// An event the broker has acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledged<'a> {
    /// The record key: the row's id as text.
    pub key: &'a [u8],
    /// The event as it was sent: what [`unwrapped`](super::unwrapped) takes.
    pub payload: &'a [u8],
    /// Where it was written, where that is known: not over HTTPS.
    pub partition: Option<i32>,
    /// At which offset, where the broker says so: Event Hubs does over Kafka only.
    pub offset: Option<i64>,
}

/// Hears of a run's events. Of their ends it is told from one thread, for each partition in the order of its offsets; a slow observer
/// slows the producer down, which is also a way to hold it back.
pub trait Observer: Send + Sync + 'static {
    /// One event is in.
    fn acknowledged(&self, event: &Acknowledged<'_>);

    /// Broker and topic are there, and events are sent from now on.
    fn opened(&self) {}

    /// One event was handed to the broker's client. Called from the thread that sends.
    fn sent(&self) {}

    /// Sending waits for room in the client's queue. Called from the thread that sends.
    fn waits(&self) {}

    /// One event was given up; it may have arrived all the same.
    fn given_up(&self, _event: &Undelivered) {}

    /// The run is over, well or not; nothing follows. Not called when the run failed before its first event.
    fn finished(&self, _summary: &Summary) {}
}

impl<F: Fn(&Acknowledged<'_>) + Send + Sync + 'static> Observer for F {
    fn acknowledged(&self, event: &Acknowledged<'_>) {
        self(event);
    }
}
