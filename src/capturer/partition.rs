use std::sync::Arc;

use metrics::histogram;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep_until};

use super::CaptureError;
use super::cursor::{Cursor, Step};
use super::file::{Committed, OpenFile, another};
use super::files::Newest;
use super::health;
use super::shared::Shared;
use crate::capture::{Hub, PartitionId, Window};
use crate::settings::{EmptyWindows, Until};
use crate::traces::{self, Moment, Trace, counted, said};

/// Captures one partition, window after window, until it is told to stop or has reached its end.
///
/// ```text
/// Newest (files) ─▶ Cursor (broker) ─▶ OpenFile ─▶ Committed ─▶ the next window
///     ▲                                                │ files of a killed predecessor appeared
///     └────────────────────────────────────────────────┘
/// ```
pub(super) struct Partition {
    pub hub: Hub,
    pub id: PartitionId,
    pub shared: Arc<Shared>,
}

/// Why a window ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    /// By time or size.
    Over,
    /// For good: told to stop, or all is captured.
    Last,
}

/// How a series of windows ended.
enum Series {
    Ended,
    /// A file appeared that was not there when the position was read from the files.
    Overtaken(String),
}

impl Partition {
    /// # Errors
    /// What waiting does not mend.
    pub async fn run(self, mut newest: Newest) -> Result<(), CaptureError> {
        let mut overtaken = false;
        loop {
            match self.windows(newest).await? {
                Series::Ended => return Ok(()),
                // A killed run leaves at most one file on its way.
                Series::Overtaken(blob) if overtaken => return Err(another(&self.shared.container, &blob)),
                Series::Overtaken(blob) => {
                    overtaken = true;
                    tracing::warn!(blob, "an earlier run's last file arrived late: going on after it");
                    let mut found = self.shared.files.newest(&self.hub, &[self.id]).await?;
                    newest = found.remove(&self.id).unwrap_or_default();
                }
            }
        }
    }

    async fn windows(&self, newest: Newest) -> Result<Series, CaptureError> {
        let Newest { window_start: mut previous, record } = newest;
        let Some(mut cursor) = Cursor::open(&self.hub, self.id, &self.shared, record).await? else {
            return Ok(Series::Ended);
        };
        let mut files = 0_u64;
        loop {
            if self.shared.shutdown.is_cancelled() || cursor.has_ended() {
                return Ok(Series::Ended);
            }
            let window = Window::open(OffsetDateTime::now_utc(), previous, self.shared.settings.limits);
            let name = self.shared.files.name(&self.hub, self.id, window.start());
            let (opened, blob) = (traces::now(), name.clone());
            let mut file = OpenFile::begin(name, self.shared.settings.codec)?;
            // What came before records that cannot be read is written: no later run gets past them either.
            let (closed, unreadable) = match self.fill(&mut file, window, &mut cursor).await {
                Err(error @ CaptureError::Kafka(_)) => (Closed::Last, Some(error)),
                closed => (closed?, None),
            };
            if self.is_wanted(&file, closed) {
                if let Some(blob) = self.shared.files.newer_than(&self.hub, self.id, previous).await? {
                    return match files {
                        0 => Ok(Series::Overtaken(blob)),
                        _ => Err(another(&self.shared.container, &blob)),
                    };
                }
                let trace = self.trace(blob, opened);
                let filled = traces::now();
                let began = Instant::now();
                let committed = file.commit(&self.shared.container, &self.shared.blob_trouble).await;
                let committed = committed.inspect_err(|error| trace.failed(|| error.to_string()))?;
                histogram!("deltawave_capture_upload_seconds").record(began.elapsed());
                trace.step("upload", filled, || vec![counted("deltawave.bytes", committed.bytes)]);
                previous = Some(window.start());
                files += 1;
                self.tell(&committed, &cursor, &trace);
            }
            if let Some(error) = unreadable {
                return Err(error);
            }
            if closed == Closed::Last {
                return Ok(Series::Ended);
            }
        }
    }

    async fn fill(&self, file: &mut OpenFile, window: Window, cursor: &mut Cursor<'_>) -> Result<Closed, CaptureError> {
        let left = window.closes_at() - OffsetDateTime::now_utc();
        let mut end = std::pin::pin!(sleep_until(Instant::now() + left.unsigned_abs()));
        loop {
            let read = tokio::select! {
                biased;
                () = self.shared.shutdown.cancelled() => return Ok(Closed::Last),
                () = &mut end => return Ok(Closed::Over),
                read = cursor.read() => read,
            };
            match cursor.step(read).await? {
                Step::Record(record) => {
                    file.append(record)?;
                    self.shared.progress.read_one();
                    file.send_ahead(&self.shared.container, &self.shared.blob_trouble).await?;
                    if window.is_over(OffsetDateTime::now_utc(), file.size(), self.shared.settings.limits) {
                        return Ok(Closed::Over);
                    }
                }
                Step::Nothing => {}
            }
            if cursor.has_ended() {
                return Ok(Closed::Last);
            }
            // Records that are there already do not wait, and would keep everybody else from running.
            tokio::task::consume_budget().await;
        }
    }

    fn is_wanted(&self, file: &OpenFile, closed: Closed) -> bool {
        let settings = &self.shared.settings;
        let silent_windows = settings.empty_windows == EmptyWindows::Write && settings.until == Until::Stopped;
        file.records() > 0 || (closed == Closed::Over && silent_windows)
    }

    /// Of a file that is full.
    fn trace(&self, blob: String, opened: Moment) -> Trace {
        let trace = Trace::begin("capture file", opened, || {
            vec![
                said("deltawave.file", blob),
                said("deltawave.event_hub", self.hub.name().to_owned()),
                said("deltawave.partition", i64::from(self.id.0)),
            ]
        });
        trace.step("fill", opened, Vec::new);
        trace
    }

    fn tell(&self, file: &Committed, cursor: &Cursor<'_>, trace: &Trace) {
        self.shared.progress.wrote_file(file.records, file.bytes);
        health::wrote(&self.hub, file.records, file.bytes);
        cursor.captured();
        let (blob, records, bytes) = (&file.name, file.records, file.bytes);
        trace.tell(|| vec![counted("deltawave.records", records), counted("deltawave.bytes", bytes)]);
        trace.done();
        let trace_id = trace.id();
        match file.offsets {
            Some((first, last)) => tracing::info!(blob, records, first, last, bytes, trace_id, "captured"),
            None => tracing::info!(blob, records, bytes, trace_id, "captured a silent window"),
        }
    }
}
