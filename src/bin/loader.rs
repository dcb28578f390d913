//! `loader`: finds Capture files and loads their records into the store, once each.

use std::process::ExitCode;

use clap::Parser;
use deltawave::loader::{self, Progress};
use deltawave::service::{self, Exit};
use deltawave::settings::{LoaderArgs, LogArgs};

/// Loads Event Hubs Capture files into RisingWave: nothing lost, nothing twice
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    loader: LoaderArgs,
    #[command(flatten)]
    log: LogArgs,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    service::run(cli.log.settings(), cli.loader.validate(), async |settings, shutdown| {
        loader::run(&settings, shutdown, &Progress::default()).await.map(|()| Exit::Done)
    })
}
