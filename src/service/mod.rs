//! The frame every program runs in: telemetry, signals, exit codes, and the one place that prints an error.

pub mod gate;
pub mod http;
mod telemetry;

use std::error::Error;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use crate::base::chain;
use crate::settings::{Faults, LogFormat, LogSettings, unknown_variables};
use crate::traces;

/// How a program ended. The numbers are part of the interface: scripts and container probes branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Done,
    /// Something failed; the reason is on standard error.
    Failed,
    /// The flags or the environment are wrong; nothing was started.
    Usage,
    /// `verify` found a hole or a double, or `table --diff` a difference.
    Hole,
    /// A second SIGINT or SIGTERM came before the first was honoured.
    Interrupted,
}

impl Exit {
    /// The process exit code.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Hole => 3,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Runs one program to its end: validates its settings, starts telemetry and the runtime, turns the first SIGINT or
/// SIGTERM into a cancelled token and the second into an immediate exit 130, and prints what went wrong.
pub fn run<S, E, F>(
    log: LogSettings,
    settings: Result<S, Faults>,
    program: impl FnOnce(S, CancellationToken) -> F,
) -> ExitCode
where
    E: Error + 'static,
    F: Future<Output = Result<Exit, E>>,
{
    let say = Say { as_json: log.format == LogFormat::Json };
    let traced = log.traces.clone();
    telemetry::start(log);
    for warning in unknown_variables() {
        tracing::warn!("{warning}");
    }
    let settings = match settings {
        Ok(settings) => settings,
        Err(faults) => {
            faults.to_string().lines().for_each(|line| say.error(line));
            return Exit::Usage.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say.error(&chain(&error));
            return Exit::Failed.into();
        }
    };
    if let Err(error) = traces::start(&traced, runtime.handle()) {
        say.error(&chain(&error));
        return Exit::Usage.into();
    }
    let exit = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        watch_signals(shutdown.clone());
        program(settings, shutdown).await.unwrap_or_else(|error| {
            say.error(&chain(&error));
            Exit::Failed
        })
    });
    traces::finish();
    // Whatever still runs belongs to a request that was given up; its end is not worth waiting for.
    runtime.shutdown_background();
    exit.into()
}

/// How the sentence that a program ends with is put: as it is, or as a log line where every line must be an object.
struct Say {
    as_json: bool,
}

impl Say {
    fn error(&self, text: &str) {
        let text = text.strip_prefix("error: ").unwrap_or(text);
        if self.as_json {
            tracing::error!("{text}");
        } else {
            eprintln!("error: {text}");
        }
    }
}

/// From when this returns, signals are no longer fatal by themselves.
fn watch_signals(shutdown: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::error!("signals cannot be watched: the program stops only when killed");
        return;
    };
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        };
        next().await;
        shutdown.cancel();
        next().await;
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
}
