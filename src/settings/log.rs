use clap::{Args, ValueEnum};

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
    /// The least severe log level that is written: error, warn, info, debug or trace
    #[arg(long, env = "DELTAWAVE_LOG_LEVEL", default_value = "info", global = true)]
    log_level: tracing::Level,
}

/// Validated log settings.
#[derive(Debug, Clone, Copy)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// The least severe level written.
    pub level: tracing::Level,
}

impl LogArgs {
    /// The settings; every combination is valid.
    pub fn settings(&self) -> LogSettings {
        LogSettings { format: self.log, level: self.log_level }
    }
}
