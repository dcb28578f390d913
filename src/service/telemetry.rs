use std::collections::VecDeque;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use crate::settings::{LogFormat, LogSettings, LogTarget};

/// The log's last lines, for a screen that the log itself must not write on.
#[derive(Debug, Default)]
pub struct LogTail {
    lines: Mutex<VecDeque<String>>,
}

const KEPT: usize = 100;

impl LogTail {
    /// The last lines, oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn push(&self, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend(text.lines().map(str::to_owned));
        let excess = lines.len().saturating_sub(KEPT);
        lines.drain(..excess);
    }
}

/// Takes one event's text at a time, as the subscriber hands it over.
struct TailWriter(Arc<LogTail>);

impl Write for &TailWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for TailWriter {
    type Writer = &'a TailWriter;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

pub(super) fn start(log: LogSettings) {
    let filter = tracing_subscriber::EnvFilter::new(format!(
        "warn,deltawave={level},librdkafka=off,azure_core=off,azure_identity=off",
        level = log.level
    ));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    match (log.target, log.format) {
        (_, LogFormat::Off) => {}
        (LogTarget::Tail(tail), _) => subscriber.with_ansi(false).without_time().with_writer(TailWriter(tail)).init(),
        (LogTarget::Stderr, LogFormat::Human) => {
            subscriber.with_ansi(io::stderr().is_terminal()).with_writer(io::stderr).init();
        }
        (LogTarget::Stderr, LogFormat::Json) => {
            subscriber.with_ansi(false).with_writer(io::stderr).json().flatten_event(true).init();
        }
    }
}
