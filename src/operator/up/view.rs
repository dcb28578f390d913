//! What is shown of a running pipeline, whichever way it is drawn.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::pipeline::Pipeline;
use crate::store::{Cell, Session, StoreError};

/// The stages at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snapshot {
    pub(super) running: Duration,
    pub(super) stages: [Stage; 3],
    pub(super) rejected: u64,
    /// Of what was there before, if there is more than is always on its way.
    pub(super) backlog: Option<String>,
}

/// So many files are always on their way.
const ON_THEIR_WAY: usize = 20;

/// `1,234 files wait, about 3 min`
fn backlog((files, seconds): (usize, Option<f64>)) -> Option<String> {
    let left = seconds.map(|seconds| match seconds {
        short if short < 90.0 => format!(", about {:.0} s", short.ceil()),
        long => format!(", about {:.0} min", (long / 60.0).ceil()),
    });
    (files > ON_THEIR_WAY).then(|| format!("{} files wait{}", grouped(files as u64), left.unwrap_or_default()))
}

/// One stage at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) events: u64,
    /// Events a second, lately.
    pub(super) rate: f64,
    /// Events the stage before has finished and this one has not.
    pub(super) lag: Option<u64>,
    pub(super) files: Option<u64>,
}

/// Turns counts into rates.
pub(super) struct Meter {
    history: Vec<(Instant, [u64; 3])>,
}

/// Over how long a rate is taken.
const SPAN: Duration = Duration::from_secs(5);

impl Meter {
    pub(super) fn new(pipeline: &Pipeline) -> Self {
        Meter { history: vec![(pipeline.began, [0; 3])] }
    }

    pub(super) fn read(&mut self, pipeline: &Pipeline) -> Snapshot {
        let loaded = pipeline.loaded.counts();
        // Read downstream first: then no stage is ever ahead of the one before it.
        let done = loaded.loaded + loaded.rejected;
        let captured = pipeline.captured.captured();
        let sent = pipeline.sent.events();
        let now = Instant::now();
        self.history.push((now, [sent, captured, done]));
        // One reading from before the span stays, so that there is always something to compare with.
        while self.history.len() > 2 && now.duration_since(self.history[1].0) >= SPAN {
            self.history.remove(0);
        }
        let (first_at, first) = self.history[0];
        let seconds = now.duration_since(first_at).as_secs_f64();
        let rate = |index: usize, value: u64| {
            if seconds > 0.2 { value.saturating_sub(first[index]) as f64 / seconds } else { 0.0 }
        };
        let (capture_files, loader_files) = (Some(pipeline.captured.files()), Some(loaded.files));
        let lag = |before: u64, value: u64| Some(before.saturating_sub(value));
        let stages = [
            Stage { name: "producer", events: sent, rate: rate(0, sent), lag: None, files: None },
            Stage {
                name: "capture",
                events: captured,
                rate: rate(1, captured),
                lag: lag(sent, captured),
                files: capture_files,
            },
            Stage { name: "loader", events: done, rate: rate(2, done), lag: lag(captured, done), files: loader_files },
        ];
        Snapshot {
            running: pipeline.began.elapsed(),
            stages,
            rejected: loaded.rejected,
            backlog: backlog(pipeline.loaded.backlog()),
        }
    }
}

/// How many rows are shown of the latest state.
pub(super) const STATE_ROWS: usize = 10;

/// The first rows of the latest state, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LatestState {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) count: i64,
}

/// Looks at the latest state, a tenth of the time at most: PostgreSQL reads the whole history for it, and has a load to
/// take.
#[derive(Default)]
pub(super) struct Watch {
    state: LatestState,
    again: Option<Instant>,
}

impl Watch {
    /// As it is, or was a while ago.
    pub(super) async fn read(&mut self, session: &Session) -> Result<&LatestState, StoreError> {
        if self.again.is_none_or(|again| Instant::now() >= again) {
            let began = Instant::now();
            self.state = LatestState::read(session).await?;
            self.again = Some(Instant::now() + began.elapsed() * 9);
        }
        Ok(&self.state)
    }
}

impl LatestState {
    async fn read(session: &Session) -> Result<Self, StoreError> {
        let sql = format!("SELECT * FROM latest_user_state ORDER BY id LIMIT {STATE_ROWS}");
        let (columns, rows) = session.query_text(&sql).await?;
        let count = match rows.len() < STATE_ROWS {
            true => rows.len() as i64,
            false => session.query_number("SELECT count(*) FROM latest_user_state").await?,
        };
        Ok(LatestState { columns, rows, count })
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The last word on a run that was stopped.
pub(super) fn summary(pipeline: &Pipeline) -> String {
    let Snapshot { running, stages: [sent, captured, loaded], rejected, .. } = Meter::new(pipeline).read(pipeline);
    let mut text = format!(
        "ran {:.0} s: {} events sent, {} captured in {} files, {} loaded",
        running.as_secs_f64(),
        grouped(sent.events),
        grouped(captured.events),
        grouped(captured.files.unwrap_or_default()),
        grouped(loaded.events - rejected),
    );
    if rejected > 0 {
        let _ = write!(text, ", {} rejected", grouped(rejected));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_is_told_with_its_end() {
        assert_eq!(backlog((20, Some(1.0))), None);
        assert_eq!(backlog((1234, None)).unwrap(), "1,234 files wait");
        assert_eq!(backlog((21, Some(4.2))).unwrap(), "21 files wait, about 5 s");
        assert_eq!(backlog((21, Some(130.0))).unwrap(), "21 files wait, about 3 min");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
