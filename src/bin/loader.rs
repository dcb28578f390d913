//! `loader`: finds Capture files and loads their records into the store, once each.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use deltawave::azure::identity::Identity;
#[cfg(debug_assertions)]
use deltawave::base::killpoint;
use deltawave::loader::{self, LoadError, Progress};
use deltawave::page::{self, About, Door, PageError};
use deltawave::service::{self, Exit};
use deltawave::settings::{self, LoaderArgs, LogArgs};

/// Loads Event Hubs Capture files into RisingWave: nothing lost, nothing twice
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    loader: LoaderArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Lines a dry run prints about bad records; the rest are counted.
const TOLD: usize = 1000;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Page(#[from] PageError),
}

fn main() -> ExitCode {
    let (cli, faults) = settings::command_line::<Cli>();
    service::run(cli.log.settings(), faults.and(cli.loader.validate()), async |settings, shutdown| {
        #[cfg(debug_assertions)]
        if let Some(moment) = settings.kill_at {
            killpoint::arm(moment);
        }
        if settings.dry_run {
            let mut told = 0;
            let run = loader::dry_run(&settings, shutdown, |line| {
                told += 1;
                if told <= TOLD {
                    println!("{line}");
                }
            })
            .await?;
            if told > TOLD {
                println!("… and {} more", told - TOLD);
            }
            println!("{run}");
            return Ok(if run.is_clean() { Exit::Done } else { Exit::Failed });
        }
        let progress = Arc::new(Progress::new(settings.poll));
        if let Some(address) = settings.http {
            let door = Door {
                address: settings.store.clone(),
                password: settings.store_password.clone(),
                identity: Identity::new(settings.identity.clone()),
            };
            let about = About::loader("loader", &settings);
            page::serve(address, about, Arc::clone(&progress) as _, &settings.page, door).await?;
        }
        loader::run(&settings, shutdown, progress).await?;
        Ok::<_, Failure>(Exit::Done)
    })
}
