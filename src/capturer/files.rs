use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use time::OffsetDateTime;

use super::CaptureError;
use super::last::last_record;
use super::position::LastRecord;
use super::trouble::Trouble;
use crate::azure::blob::{BlobEntry, BlobError, Container};
use crate::capture::{FileName, FileWriter, Hub, NameFormat, PartitionId, WriteError};

/// How far back is looked for a partition's newest file with records, before everything is listed: a busy partition
/// costs one page, whatever its history.
const LOOK_BACK: [Duration; 3] = [hours(2), hours(48), hours(24 * 60)];
/// Partitions looked up at once.
const AT_ONCE: usize = 8;

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// What a partition's files end with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Newest {
    /// The start of the newest window, with records or without.
    pub window_start: Option<OffsetDateTime>,
    /// The newest record.
    pub record: Option<LastRecord>,
}

/// The Capture files of a container, looked at for where to go on. Every call repeats itself while the container is
/// away.
pub(super) struct Files {
    container: Container,
    format: NameFormat,
    empty_sizes: [u64; 2],
    trouble: Arc<Trouble>,
}

/// The newest of some files: of all, and of those with records.
#[derive(Debug, Clone, Default)]
struct Scan {
    any: Option<OffsetDateTime>,
    full: Option<(OffsetDateTime, String)>,
}

impl Files {
    /// # Errors
    /// [`WriteError`] when not even an empty file can be encoded.
    pub fn new(container: Container, format: NameFormat, trouble: Arc<Trouble>) -> Result<Self, WriteError> {
        let empty_sizes =
            [FileWriter::new(false)?.finish()?.len() as u64, FileWriter::new(true)?.finish()?.len() as u64];
        Ok(Files { container, format, empty_sizes, trouble })
    }

    /// What the files of each of these partitions end with.
    ///
    /// # Errors
    /// The container refuses, or the newest file is damaged.
    pub async fn newest(
        &self,
        hub: &Hub,
        partitions: &[PartitionId],
    ) -> Result<BTreeMap<PartitionId, Newest>, CaptureError> {
        // Without a prefix of their own all partitions are found in one listing instead of one each.
        let mut scans = match self.has_partition_prefix(hub) {
            true => BTreeMap::new(),
            false => self.scan(hub, None, None, None).await?,
        };
        let partitions = partitions.iter().map(|&partition| (partition, scans.remove(&partition)));
        let newest = stream::iter(partitions.collect::<Vec<_>>()).map(async |(partition, scan)| {
            let scan = match scan {
                Some(scan) => scan,
                None if self.has_partition_prefix(hub) => self.look_back(hub, partition).await?,
                None => Scan::default(),
            };
            Ok((partition, self.resolve(hub, partition, scan).await?))
        });
        newest.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// A file of a window after this one, if looking for one is cheap: if names begin with the partition and sort by
    /// time.
    ///
    /// # Errors
    /// The container refuses.
    pub async fn newer_than(
        &self,
        hub: &Hub,
        partition: PartitionId,
        known: Option<OffsetDateTime>,
    ) -> Result<Option<String>, CaptureError> {
        if !(self.has_partition_prefix(hub) && self.format.sorts_by_time()) {
            return Ok(None);
        }
        let since = known.map(|known| known + Duration::from_secs(1));
        let scan = self.scan(hub, Some(partition), since, None).await?.remove(&partition).unwrap_or_default();
        Ok(scan.any.map(|window_start| self.name(hub, partition, window_start)))
    }

    /// The name of one file.
    pub fn name(&self, hub: &Hub, partition: PartitionId, window_start: OffsetDateTime) -> String {
        self.format.format(&FileName { hub: hub.clone(), partition, window_start })
    }

    fn has_partition_prefix(&self, hub: &Hub) -> bool {
        self.format.prefix(hub, Some(PartitionId(0)), None) != self.format.prefix(hub, None, None)
    }

    async fn look_back(&self, hub: &Hub, partition: PartitionId) -> Result<Scan, CaptureError> {
        let now = OffsetDateTime::now_utc();
        if self.format.sorts_by_time() {
            for back in LOOK_BACK {
                let mut found = self.scan(hub, Some(partition), Some(now - back), None).await?;
                if let Some(scan) = found.remove(&partition).filter(|scan| scan.full.is_some()) {
                    return Ok(scan);
                }
            }
        }
        Ok(self.scan(hub, Some(partition), None, None).await?.remove(&partition).unwrap_or_default())
    }

    /// Reads the last record, stepping back over files that have none though their size is not that of our own empty
    /// ones.
    async fn resolve(&self, hub: &Hub, partition: PartitionId, mut scan: Scan) -> Result<Newest, CaptureError> {
        let window_start = scan.any;
        while let Some((start, blob)) = scan.full {
            let record = last_record(&self.container, &blob, &self.trouble).await?;
            if record.is_some() {
                return Ok(Newest { window_start, record });
            }
            let wanted = self.has_partition_prefix(hub).then_some(partition);
            scan = self.scan(hub, wanted, None, Some(start)).await?.remove(&partition).unwrap_or_default();
        }
        Ok(Newest { window_start, record: None })
    }

    /// Lists one partition's files, or the hub's, with a window start from `since` on and before `before`.
    async fn scan(
        &self,
        hub: &Hub,
        partition: Option<PartitionId>,
        since: Option<OffsetDateTime>,
        before: Option<OffsetDateTime>,
    ) -> Result<BTreeMap<PartitionId, Scan>, CaptureError> {
        let mut attempts = self.trouble.attempts(None);
        loop {
            match self.try_scan(hub, partition, since, before).await {
                Ok(found) => {
                    attempts.succeeded();
                    return Ok(found);
                }
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    async fn try_scan(
        &self,
        hub: &Hub,
        partition: Option<PartitionId>,
        since: Option<OffsetDateTime>,
        before: Option<OffsetDateTime>,
    ) -> Result<BTreeMap<PartitionId, Scan>, BlobError> {
        let prefix = self.format.prefix(hub, partition, None);
        let from = partition.zip(since).map(|(partition, since)| self.name(hub, partition, since));
        let mut pages = std::pin::pin!(self.container.list(&prefix, from.as_deref()));
        let mut found: BTreeMap<PartitionId, Scan> = BTreeMap::new();
        while let Some(page) = pages.try_next().await? {
            for entry in page {
                let Some(name) = self.format.parse(hub, &entry.name) else { continue };
                let wanted = partition.is_none_or(|partition| partition == name.partition)
                    && since.is_none_or(|since| name.window_start >= since)
                    && before.is_none_or(|before| name.window_start < before);
                if wanted {
                    found.entry(name.partition).or_default().add(name.window_start, entry, &self.empty_sizes);
                }
            }
        }
        Ok(found)
    }
}

impl Scan {
    fn add(&mut self, window_start: OffsetDateTime, entry: BlobEntry, empty_sizes: &[u64]) {
        self.any = self.any.max(Some(window_start));
        if !empty_sizes.contains(&entry.size) && self.full.as_ref().is_none_or(|(start, _)| *start < window_start) {
            self.full = Some((window_start, entry.name));
        }
    }
}
