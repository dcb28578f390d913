//! What publishers report of the records they are given, whatever they speak to the broker.

/// A record the brokers have acknowledged: it is safe with them.
#[derive(Debug, Clone, Copy)]
pub struct Delivered<'a> {
    /// The record's key.
    pub key: &'a [u8],
    /// The record's value.
    pub payload: &'a [u8],
    /// Where it was written, where the sender knows it: over HTTPS the service chooses and does not say.
    pub partition: Option<i32>,
    /// At which offset, where the broker says so: Event Hubs does over Kafka only.
    pub offset: Option<i64>,
    /// What was given to the publisher.
    pub tag: usize,
}

/// A record of which no acknowledgement came. It may have been written all the same.
#[derive(Debug, Clone)]
pub struct Undelivered {
    /// The partition it was meant for; none if that was never settled.
    pub partition: Option<i32>,
    /// The broker's or the library's reason.
    pub reason: String,
}

/// Hears of every record's end. Called from one thread, in the order of the reports: for one partition that is the
/// order of its offsets. A slow listener slows the sender down.
pub trait DeliveryWatch: Send + Sync + 'static {
    /// The record is in.
    fn delivered(&self, record: &Delivered<'_>);
    /// The record was given up.
    fn undelivered(&self, record: Undelivered);
}

/// What became of a record handed to a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// Its end will be reported.
    Taken,
    /// The queue is full; nothing was taken. Try again a moment later.
    Full,
}
