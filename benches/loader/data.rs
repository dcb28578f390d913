//! Capture files of generated user events.

use bytes::Bytes;
use deltawave::azure::blob::Container;
use deltawave::capture::{
    EnqueuedTime, FileName, FileWriter, Hub, NameFormat, OutgoingEvent, PartitionId, PropertyValue,
};
use deltawave::producer::{Event, Op};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::Outcome;

/// Where the files' windows start.
pub const EPOCH: OffsetDateTime = datetime!(2026-11-20 00:00 UTC);

const NAMESPACE: &str = "local";
/// The hub the loader reads unless it is told otherwise.
pub const HUB: &str = "user-events";
const USERS: i64 = 100_000;

/// How many files of how many events.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub partitions: i32,
    /// In each partition, a minute apart.
    pub files: i64,
    /// In each file.
    pub events: i64,
    pub deflate: bool,
}

impl Shape {
    /// All events.
    pub fn total(self) -> i64 {
        i64::from(self.partitions) * self.files * self.events
    }
}

/// The name of a partition's file.
pub fn name(partition: i32, window_start: OffsetDateTime) -> Outcome<String> {
    let hub = Hub::new(NAMESPACE, HUB)?;
    Ok(NameFormat::default().format(&FileName { hub, partition: PartitionId(partition), window_start }))
}

/// Writes the files, sequence numbers going on from file to file.
pub async fn write(container: &Container, shape: Shape) -> Outcome<()> {
    let files = (0..shape.files).flat_map(|file| (0..shape.partitions).map(move |partition| (partition, file)));
    let puts = files.map(|(partition, file)| async move {
        let first = file * shape.events;
        let content = tokio::task::spawn_blocking(move || content(first, shape.events, shape.deflate)).await??;
        container.create(&name(partition, EPOCH + Duration::minutes(file))?, content).await?;
        Outcome::Ok(())
    });
    stream::iter(puts).buffer_unordered(4).try_collect().await
}

/// The bytes of a Capture file.
pub fn content(first: i64, events: i64, deflate: bool) -> Outcome<Bytes> {
    let mut writer = FileWriter::new(deflate)?;
    for number in first..first + events {
        writer.append(event(number)?)?;
    }
    Ok(writer.finish()?.into())
}

/// As a Kafka producer with the user as its key makes them.
pub fn event(number: i64) -> Outcome<OutgoingEvent> {
    // Users in no order, each with an insert, updates and deletes.
    let id = u32::try_from(number.wrapping_mul(7919).rem_euclid(USERS) + 1)?;
    let op = Op::ALL[usize::try_from(number.rem_euclid(3))?];
    let body = Event {
        id,
        name: (op != Op::Delete).then(|| format!("User {id}").into()),
        age: 18 + id % 63,
        op,
        event_order: 1_763_880_000_000_000 + number,
        ts: format!("2026-11-23T07:{:02}:{:02}", number / 60 % 60, number % 60).into(),
    };
    Ok(OutgoingEvent {
        sequence_number: number,
        offset: (number * 256).to_string(),
        enqueued_time: EnqueuedTime::from_utc(EPOCH + Duration::seconds(number / 1000)),
        system_properties: vec![("x-opt-partition-key".to_owned(), PropertyValue::String(id.to_string()))],
        properties: Vec::new(),
        body: Some(serde_json::to_vec(&body)?),
    })
}
