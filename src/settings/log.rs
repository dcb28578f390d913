use std::sync::Arc;

use clap::{Args, ValueEnum};

use crate::base::{LogTail, Secret};
use crate::traces::TraceSettings;

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

/// Where `--help` has them.
const HEADING: &str = "Log and traces";

/// Flags every program has.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// How log lines on standard error look
    #[arg(long, env = "DELTAWAVE_LOG", value_enum, default_value_t = LogFormat::Human, global = true, help_heading = HEADING)]
    log: LogFormat,
    /// The least severe log level that is written: error, warn, info, debug or trace [default: info; `up` without a
    /// screen: warn]
    #[arg(long, env = "DELTAWAVE_LOG_LEVEL", value_name = "LEVEL", global = true, help_heading = HEADING)]
    log_level: Option<tracing::Level>,
    /// Send traces to this OpenTelemetry collector, by HTTP, like http://localhost:4318 [default: do not]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", hide_env_values = true, global = true, help_heading = HEADING)]
    otlp_endpoint: Option<String>,
    /// Send traces to the Application Insights of this connection string [default: do not]
    #[arg(
        long,
        env = "APPLICATIONINSIGHTS_CONNECTION_STRING",
        value_name = "TEXT",
        hide_env_values = true,
        global = true,
        help_heading = HEADING
    )]
    application_insights: Option<Secret>,
    /// What traces are said to be of [default: the program's name]
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME", global = true, help_heading = HEADING)]
    service_name: Option<String>,
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
    /// Where traces go.
    pub traces: TraceSettings,
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
        // A variable that is set to nothing is none.
        let traces = TraceSettings {
            otlp: self.otlp_endpoint.clone().filter(|address| !address.is_empty()),
            application_insights: self.application_insights.clone().filter(|text| !text.expose().is_empty()),
            service: self.service_name.clone().filter(|name| !name.is_empty()),
        };
        LogSettings { format: self.log, level: self.log_level.unwrap_or(level), target, traces }
    }
}
