//! The comparison at the end: producer, broker, Capture files and store, each counted for itself.

use std::collections::HashMap;
use std::fmt;
use std::io::Cursor;
use std::ops::ControlFlow;

use futures::StreamExt as _;
use time::OffsetDateTime;

use super::components::Components;
use super::error::UpError;
use super::pipeline::Pipeline;
use super::sent::UserRow;
use super::view::grouped;
use crate::azure::blob::Container;
use crate::capture::{EnqueuedTime, PartitionId, ReadLimits, read_events};
use crate::store::Session;

/// Where the stages stood before the first event, so that only this run is counted.
pub(super) struct Start {
    at: EnqueuedTime,
    /// Each partition's next offset.
    offsets: HashMap<PartitionId, i64>,
}

/// The largest Capture file that is read back.
const FILE_LIMIT: u64 = 1 << 30;

impl Start {
    pub(super) async fn take(pipeline: &Pipeline, components: &Components) -> Result<Self, UpError> {
        let ends = ends(pipeline, components).await?;
        Ok(Start { at: EnqueuedTime::from_utc(OffsetDateTime::now_utc()), offsets: ends })
    }

    /// Counts every stage and compares.
    ///
    /// # Errors
    /// When a stage cannot be asked.
    pub(super) async fn compare(
        &self,
        pipeline: &Pipeline,
        components: &Components,
        session: &Session,
    ) -> Result<Report, UpError> {
        let sent = pipeline.sent.events();
        let taken: i64 = ends(pipeline, components)
            .await?
            .iter()
            .map(|(partition, end)| end - self.offsets.get(partition).copied().unwrap_or(0))
            .sum();
        let captured = self.captured(pipeline, components).await?;
        let loaded = self.stored(pipeline, session, "user_event_log").await?;
        let rejected = self.stored(pipeline, session, "rejected_events").await?;
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let counts = vec![
            ("producer", "acknowledged by the broker", sent),
            ("broker", "in the topic", count(taken)),
            ("capture", "in Capture files, read back", captured),
            ("loader", "in user_event_log + rejected_events", count(loaded) + count(rejected)),
        ];
        let (users, wrong) = state_differences(pipeline, session).await?;
        Ok(Report { counts, loaded: count(loaded), rejected: count(rejected), users, wrong })
    }

    /// Records of this run in the files, by reading them.
    async fn captured(&self, pipeline: &Pipeline, components: &Components) -> Result<u64, UpError> {
        let container = Container::open(components.blob(), None)?;
        let prefix = pipeline.name_format().prefix(pipeline.hub(), None, None);
        let mut pages = container.list(&prefix, None);
        let mut records = 0;
        while let Some(page) = pages.next().await {
            for entry in page? {
                let Some(name) = pipeline.name_format().parse(pipeline.hub(), &entry.name) else { continue };
                let from = self.offsets.get(&name.partition).copied().unwrap_or(0);
                let file = container.get(&entry.name, FILE_LIMIT).await?;
                let read = read_events(Cursor::new(file), ReadLimits::default(), |event| {
                    let recent = EnqueuedTime::parse(event.enqueued_time).is_ok_and(|at| at >= self.at);
                    records += u64::from(event.sequence_number >= from && recent);
                    ControlFlow::Continue(())
                });
                read.map_err(|error| UpError::File { blob: entry.name, reason: error.to_string() })?;
            }
        }
        Ok(records)
    }

    /// Records of this run in a table.
    async fn stored(&self, pipeline: &Pipeline, session: &Session, table: &str) -> Result<i64, UpError> {
        let at = self.at.sql();
        let mut records = 0;
        for (PartitionId(partition), offset) in &self.offsets {
            records += session
                .query_number(&format!(
                    "SELECT count(*) FROM {table} WHERE event_hub = '{}' AND partition_id = {partition} \
                     AND sequence_number >= {offset} AND enqueued_at >= '{at}'::timestamp",
                    pipeline.hub().name()
                ))
                .await?;
        }
        Ok(records)
    }
}

/// Each partition's next offset.
async fn ends(pipeline: &Pipeline, components: &Components) -> Result<HashMap<PartitionId, i64>, UpError> {
    let cluster = components.cluster().await?;
    let mut ends = HashMap::new();
    for partition in cluster.partitions(pipeline.hub().name()).await? {
        let (_, end) = cluster.watermarks(pipeline.hub().name(), partition).await?;
        ends.insert(PartitionId(partition), end);
    }
    Ok(ends)
}

/// How many users this run made events about, and every one whose row in `latest_user_state` is not what was sent.
async fn state_differences(pipeline: &Pipeline, session: &Session) -> Result<(usize, Vec<String>), UpError> {
    let expected = pipeline.sent.expected();
    let (_, rows) = session.query_text("SELECT id, name, age, op, ts FROM latest_user_state").await?;
    let mut found: HashMap<u32, Vec<UserRow>> = HashMap::new();
    for row in rows {
        if let (Some(Ok(id)), Ok(row)) = (row.first().cloned().flatten().map(|id| id.parse()), UserRow::try_from(row)) {
            found.entry(id).or_default().push(row);
        }
    }
    let mut wrong: Vec<_> = expected
        .iter()
        .filter(|(id, expected)| found.get(id).map(Vec::as_slice).unwrap_or_default() != expected.as_slice())
        .map(|(id, expected)| {
            let shown = |rows: &[UserRow]| match rows {
                [] => "no row".to_owned(),
                rows => rows
                    .iter()
                    .map(|row| row.clone().map(Option::unwrap_or_default).join(" "))
                    .collect::<Vec<_>>()
                    .join(" and "),
            };
            let found = found.get(id).map(Vec::as_slice).unwrap_or_default();
            format!("id {id}: sent {}, found {}", shown(expected.as_slice()), shown(found))
        })
        .collect();
    wrong.sort();
    Ok((expected.len(), wrong))
}

/// What the comparison found.
#[derive(Debug)]
pub(super) struct Report {
    /// Stage, what was counted, and how many.
    counts: Vec<(&'static str, &'static str, u64)>,
    loaded: u64,
    rejected: u64,
    users: usize,
    wrong: Vec<String>,
}

impl Report {
    /// Whether nothing was lost or doubled on the way, and the latest state is what was sent.
    pub(super) fn agrees(&self) -> bool {
        self.counts.iter().all(|(_, _, count)| *count == self.counts[0].2) && self.wrong.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = self.counts[0].2;
        writeln!(f, "\n{:<10} {:>14}  what was counted", "stage", "events")?;
        for (stage, what, count) in &self.counts {
            let mark = if *count == sent { "✓" } else { "✗" };
            writeln!(f, "{stage:<10} {:>14}  {mark} {what}", grouped(*count))?;
            if *stage == "loader" && self.rejected > 0 {
                writeln!(
                    f,
                    "{:<10} {:>14}    loaded {}, rejected {}",
                    "",
                    "",
                    grouped(self.loaded),
                    grouped(self.rejected)
                )?;
            }
        }
        let (right, mark) = (self.users - self.wrong.len(), if self.wrong.is_empty() { "✓" } else { "✗" });
        writeln!(f, "{:<10} {right:>14}  {mark} of {} users in latest_user_state as sent", "state", self.users)?;
        for difference in self.wrong.iter().take(10) {
            writeln!(f, "    {difference}")?;
        }
        write!(f, "{}", if self.agrees() { "all agree" } else { "THEY DISAGREE" })
    }
}
