use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;

use tracing_subscriber::fmt::MakeWriter;

use crate::base::LogTail;
use crate::settings::{LogFormat, LogSettings, LogTarget};

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
    // Names are beginnings: the SDK's crates are silent at every level, as they may quote what they send.
    let filter = tracing_subscriber::EnvFilter::new(format!(
        "warn,deltawave={level},librdkafka=off,azure_=off,typespec=off,fe2o3=off,opentelemetry=off",
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
