//! What the `producer` program shows: a line per event, or progress, and in the end the summary.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::envelope::unwrapped;
use super::event::{Event, Op};
use super::{Acknowledged, Observer, Summary};
use crate::settings::{EventFormat, EventSource, ProducerSettings};

/// Between two lines of progress where there is no terminal.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// How much of a line that is no generated event is shown, in characters.
const EXCERPT: usize = 120;

/// Prints to standard output; progress goes to standard error.
pub struct Printer {
    mode: Mode,
    topic: String,
    format: EventFormat,
    shutdown: CancellationToken,
}

enum Mode {
    Lines { color: bool },
    Bar(ProgressBar),
    Periodic(Mutex<Progress>),
}

struct Progress {
    count: u64,
    at: Instant,
    count_then: u64,
}

impl Printer {
    /// A printer as the settings and the terminal want it. When nobody reads the output any more, it stops the run.
    pub fn new(settings: &ProducerSettings, shutdown: CancellationToken) -> Printer {
        let mode = if !settings.quiet {
            Mode::Lines { color: io::stdout().is_terminal() }
        } else if io::stderr().is_terminal() {
            Mode::Bar(bar(settings.events))
        } else {
            Mode::Periodic(Mutex::new(Progress { count: 0, at: Instant::now(), count_then: 0 }))
        };
        let format = match &settings.source {
            EventSource::Generated { format, .. } => *format,
            EventSource::Input { .. } => EventFormat::Json,
        };
        Printer { mode, topic: settings.topic.clone(), format, shutdown }
    }

    fn line(&self, text: &str) {
        if writeln!(io::stdout().lock(), "{text}").is_err() {
            self.shutdown.cancel();
        }
    }
}

fn bar(events: Option<u64>) -> ProgressBar {
    let (bar, template) = match events {
        Some(events) => {
            (ProgressBar::new(events), "{bar:30} {human_pos}/{human_len} acknowledged · {rate} · {eta} left")
        }
        None => (ProgressBar::new_spinner(), "{spinner} {human_pos} acknowledged · {rate} · {elapsed}"),
    };
    bar.enable_steady_tick(Duration::from_millis(200));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.with_key("rate", rate)),
        Err(_) => bar,
    }
}

fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // The bar's own text buffer takes everything.
    let _ = write!(out, "{:.0}/s", state.per_sec());
}

impl Observer for Printer {
    fn acknowledged(&self, event: &Acknowledged<'_>) {
        match &self.mode {
            Mode::Lines { color } => self.line(&describe(event, &self.topic, self.format, *color)),
            Mode::Bar(bar) => bar.inc(1),
            Mode::Periodic(progress) => {
                let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                progress.count += 1;
                let elapsed = progress.at.elapsed();
                if elapsed >= PROGRESS_EVERY {
                    let rate = (progress.count - progress.count_then) as f64 / elapsed.as_secs_f64();
                    eprintln!("{} acknowledged, {rate:.1}/s", progress.count);
                    progress.count_then = progress.count;
                    progress.at = Instant::now();
                }
            }
        }
    }

    fn finished(&self, summary: &Summary) {
        if let Mode::Bar(bar) = &self.mode {
            bar.finish_and_clear();
        }
        self.line(&summary.to_string());
    }
}

/// One event as a line: time, operation, row, number, and where it went.
fn describe(event: &Acknowledged<'_>, topic: &str, format: EventFormat, color: bool) -> String {
    let Acknowledged { payload, partition, offset, .. } = *event;
    let place = match (partition, offset) {
        (Some(partition), Some(offset)) => format!("{topic}/{partition} @ {offset}"),
        (Some(partition), None) => format!("{topic}/{partition}"),
        (None, _) => topic.to_owned(),
    };
    let Some(Event { id, name, age, op, event_order, ts }) = unwrapped(payload, format) else {
        let text = String::from_utf8_lossy(payload);
        let mut excerpt: String = text.chars().take(EXCERPT).collect();
        if excerpt.len() < text.len() {
            excerpt.push('…');
        }
        return format!("{excerpt}  → {place}");
    };
    let (start, end) = match (color, op) {
        (false, _) => ("", ""),
        (true, Op::Insert) => ("\x1b[32m", "\x1b[0m"),
        (true, Op::Update) => ("\x1b[33m", "\x1b[0m"),
        (true, Op::Delete) => ("\x1b[31m", "\x1b[0m"),
    };
    let name = name.as_deref().unwrap_or("–");
    format!("{ts}  {start}{}{end}  id {id:<4} {name:<10} age {age:<3}  order {event_order}  → {place}", op.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(payload: &str) -> String {
        describe(
            &Acknowledged { key: b"1", payload: payload.as_bytes(), partition: Some(2), offset: Some(17) },
            "t",
            EventFormat::Json,
            false,
        )
    }

    #[test]
    fn an_event_is_one_aligned_line() {
        let event = r#"{"id":1,"name":null,"age":27,"op":"delete","event_order":5,"ts":"2026-11-23T07:00:00"}"#;
        assert_eq!(line(event), "2026-11-23T07:00:00  delete  id 1    –          age 27   order 5  → t/2 @ 17");
    }

    #[test]
    fn other_json_is_shown_as_it_is_and_cut_when_long() {
        assert_eq!(line(r#"{"a":1}"#), r#"{"a":1}  → t/2 @ 17"#);
        let long = line(&format!("{{\"a\":\"{}\"}}", "ä".repeat(500)));
        assert!(long.contains("ä…  →") && long.chars().count() < 160, "{long}");
    }
}
