use std::sync::Arc;

use clap::{Args, ValueEnum};

use crate::base::LogTail;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
    /// No log.
    Off,
}

/// Flags every program has.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// How log lines on standard error look
    #[arg(long, env = "DELTAWAVE_LOG", value_enum, default_value_t = LogFormat::Human, global = true)]
    log: LogFormat,
    /// The least severe log level that is written: error, warn, info, debug or trace [default: info; `up` without a
    /// screen: warn]
    #[arg(long, env = "DELTAWAVE_LOG_LEVEL", value_name = "LEVEL", global = true)]
    log_level: Option<tracing::Level>,
}

/// Where log lines go.
#[derive(Debug, Clone)]
pub enum LogTarget {
    /// To standard error.
    Stderr,
    /// Into memory, for a screen to show.
    Tail(Arc<LogTail>),
}

/// Validated log settings.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// The least severe level written.
    pub level: tracing::Level,
    /// Where lines go.
    pub target: LogTarget,
}

impl LogArgs {
    /// The settings of a program whose log is read on standard error; every combination is valid.
    pub fn settings(&self) -> LogSettings {
        self.with(tracing::Level::INFO, LogTarget::Stderr)
    }

    /// The settings of a program that prints its own lines: the log only says what is wrong.
    pub fn settings_beside_output(&self) -> LogSettings {
        self.with(tracing::Level::WARN, LogTarget::Stderr)
    }

    /// The settings of a program that shows the log on its screen.
    pub fn settings_on_screen(&self, tail: &Arc<LogTail>) -> LogSettings {
        self.with(tracing::Level::INFO, LogTarget::Tail(Arc::clone(tail)))
    }

    fn with(&self, level: tracing::Level, target: LogTarget) -> LogSettings {
        LogSettings { format: self.log, level: self.log_level.unwrap_or(level), target }
    }
}
