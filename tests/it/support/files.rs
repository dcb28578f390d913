//! Capture files in a container of the test's own.

use bytes::Bytes;
use deltawave::azure::blob::{BlobAddress, Container};
use deltawave::capture::{EnqueuedTime, FileName, FileWriter, Hub, NameFormat, OutgoingEvent, PartitionId};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::{azurite, unique};

/// When the window of minute 0 starts.
const EPOCH: OffsetDateTime = datetime!(2026-01-02 00:00 UTC);

/// Where a test's Capture files are, and how they are named.
#[derive(Clone)]
pub struct Files {
    pub container: Container,
    pub hub: Hub,
    pub format: NameFormat,
}

impl Files {
    /// A fresh container of the shared Azurite, for the hub `local/user-events`.
    pub async fn new() -> Files {
        let address = format!("{}/{}", azurite().await.blob_endpoint(), unique("capture"));
        Files::at(&address).await
    }

    /// The container or directory of that address, made if it is missing.
    pub async fn at(address: &str) -> Files {
        let address: BlobAddress = address.parse().unwrap();
        let container = Container::open(&address, None).unwrap();
        container.ensure().await.unwrap();
        Files { container, hub: Hub::new("local", "user-events").unwrap(), format: NameFormat::default() }
    }

    /// The same container as seen by another hub.
    pub fn of_hub(&self, name: &str) -> Files {
        Files { hub: Hub::new("local", name).unwrap(), ..self.clone() }
    }

    /// The same container with other names in it.
    pub fn named(&self, format: &str) -> Files {
        Files { format: format.parse().unwrap(), ..self.clone() }
    }

    /// What programs take as `--blob`.
    pub fn url(&self) -> String {
        self.container.address().to_string()
    }

    /// The name of the file whose window starts so many minutes after 2026-01-02 00:00.
    pub fn name(&self, partition: i32, minute: i64) -> String {
        let window_start = EPOCH + Duration::minutes(minute);
        self.format.format(&FileName { hub: self.hub.clone(), partition: PartitionId(partition), window_start })
    }

    pub async fn put(&self, name: &str, content: impl Into<Bytes>) {
        self.container.create(name, content.into()).await.unwrap();
    }

    /// Puts a file of these events, and gives its name.
    pub async fn add(&self, partition: i32, minute: i64, events: Vec<OutgoingEvent>) -> String {
        let name = self.name(partition, minute);
        self.put(&name, capture_file(events)).await;
        name
    }

    /// Puts files of so many plain events each, several at once: per partition, sequence numbers go on from file to
    /// file, beginning with those of `minutes`' first.
    pub async fn add_plain(&self, partitions: std::ops::Range<i32>, minutes: std::ops::Range<i64>, events: i64) {
        let files: Vec<_> =
            minutes.flat_map(|minute| partitions.clone().map(move |partition| (partition, minute))).collect();
        let put = |(partition, minute): (i32, i64)| async move {
            let numbers = minute * events..(minute + 1) * events;
            let name = self.name(partition, minute);
            let content = Bytes::from(capture_file(numbers.map(|number| plain(partition, number))));
            self.container.create(&name, content).await
        };
        stream::iter(files).map(put).buffer_unordered(8).try_collect::<()>().await.unwrap();
    }
}

/// An event that fits `user_event_log`, its id its sequence number, of an order that no two partitions share.
pub fn plain(partition: i32, number: i64) -> OutgoingEvent {
    let order = number * 100 + i64::from(partition);
    user(number, number, "insert", order)
}

/// A user's event.
pub fn user(number: i64, id: i64, op: &str, order: i64) -> OutgoingEvent {
    let body = format!(
        r#"{{"id":{id},"name":"user {id}","age":{},"op":"{op}","event_order":{order},"ts":"2026-01-02T03:04:05"}}"#,
        id % 90
    );
    event(number, body)
}

/// An event with that body.
pub fn event(number: i64, body: impl Into<Vec<u8>>) -> OutgoingEvent {
    OutgoingEvent {
        sequence_number: number,
        offset: (number * 64).to_string(),
        enqueued_time: EnqueuedTime::parse("1/2/2026 3:04:05 AM").unwrap(),
        system_properties: Vec::new(),
        properties: Vec::new(),
        body: Some(body.into()),
    }
}

/// The bytes of a Capture file.
pub fn capture_file(events: impl IntoIterator<Item = OutgoingEvent>) -> Vec<u8> {
    let mut writer = FileWriter::new(false).unwrap();
    events.into_iter().for_each(|event| writer.append(event).unwrap());
    writer.finish().unwrap()
}
