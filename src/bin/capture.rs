//! Does what Event Hubs Capture does, for any Kafka broker: writes every partition's records to Capture files.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use deltawave::capturer::{self, CaptureError, Progress};
use deltawave::service::http::{self, HttpError};
use deltawave::service::{self, Exit};
use deltawave::settings::{self, CaptureArgs, LogArgs};

/// Write the records of Kafka topics to Capture files in Blob storage, each record once
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "The files are the only memory: a restart goes on where they end. One capture at a time a topic. \
                  Exit codes: 0 stopped, open files written; 1 something failed; 2 wrong usage; 130 interrupted twice"
)]
struct Cli {
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error(transparent)]
    Http(#[from] HttpError),
}

fn main() -> ExitCode {
    let (cli, faults) = settings::command_line::<Cli>();
    service::run(cli.log.settings(), faults.and(cli.capture.validate()), |settings, shutdown| async move {
        let progress = Progress::shared();
        if let Some(address) = settings.http {
            http::serve(address, Arc::clone(&progress) as _).await?;
        }
        capturer::run(settings, shutdown, progress).await?;
        Ok::<_, Failure>(Exit::Done)
    })
}
