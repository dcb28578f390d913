//! Publishes change events to a Kafka topic or an event hub: generated ones, or your own as JSON lines.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use deltawave::producer::{self, Health, Observer, Printer, ProducerError};
use deltawave::service::http::{self, HttpError};
use deltawave::service::{self, Exit};
use deltawave::settings::{self, LogArgs, ProducerArgs};
use tokio::sync::watch;

/// Publish change events to a Kafka topic or an event hub: generated ones, or your own as JSON lines
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Ctrl-C stops the stream and waits for what is under way. \
                  Exit codes: 0 all that was sent is acknowledged, 1 something failed, 2 wrong usage, \
                  130 interrupted twice"
)]
struct Cli {
    #[command(flatten)]
    producer: ProducerArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Producer(#[from] ProducerError),
    #[error(transparent)]
    Http(#[from] HttpError),
}

fn main() -> ExitCode {
    let (cli, faults) = settings::command_line::<Cli>();
    service::run(cli.log.settings(), faults.and(cli.producer.validate()), |settings, shutdown| async move {
        let mut observer: Arc<dyn Observer> = Arc::new(Printer::new(&settings, shutdown.clone()));
        if let Some(address) = settings.http {
            let health = Health::new(&settings.topic, observer);
            http::serve(address, Arc::clone(&health) as _).await?;
            observer = health;
        }
        let (_, never_held) = watch::channel(false);
        producer::run(settings, shutdown, never_held, observer).await?;
        Ok::<_, Failure>(Exit::Done)
    })
}
