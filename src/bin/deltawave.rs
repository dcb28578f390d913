//! `deltawave`: the operator's tool.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
#[cfg(debug_assertions)]
use deltawave::base::killpoint;
use deltawave::operator::{self, Live};
use deltawave::service;
use deltawave::settings::{
    self, AuditArgs, BackfillArgs, DoctorArgs, GuardArgs, InitArgs, InspectArgs, LogArgs, OptimizeArgs, PruneArgs,
    ReplayArgs, StatusArgs, TableArgs, UpArgs,
};

/// Change events through Event Hubs Capture into the latest state of every row
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 verify or replay found a hole or a double, or table --diff a difference, \
                                 130 interrupted twice"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole pipeline on this machine, with nothing configured
    Up(UpArgs),
    /// Make the tables, views and users that are not there yet
    Init(InitArgs),
    /// Do what init does, again after every restart of the store, and let clients in by TLS
    Guard(GuardArgs),
    /// Load a large history from its Capture files, and make its latest state afterwards, which takes RisingWave less
    Backfill(Box<BackfillArgs>),
    /// Print the SQL of a table and its latest state, as told from Capture files; or run it, or hold it against what is there
    Table(Box<TableArgs>),
    /// Show what is in a Capture file, or where it is damaged: exit 1 if it is
    Inspect(InspectArgs),
    /// Tell what stands between a loader's flags and rows in a table, with the remedy: put it before a loader's own flags
    Doctor(Box<DoctorArgs>),
    /// Show how far each partition is loaded, and how much is on its way
    Status(StatusArgs),
    /// Prove that nothing was lost and nothing came twice, or name what was: exit 0 proven, 3 a hole or a double, 1
    /// could not check
    Verify(Box<AuditArgs>),
    /// Load Capture files again, those of which verify finds something lacking or those of a time, and prove what is
    /// there then; exit codes as verify's
    Replay(Box<ReplayArgs>),
    /// Delete history that is old, or every record of a key, and keep everything provable
    Prune(PruneArgs),
    /// Pack the small files of a Delta table that loaders write into, while they do, and clear away what is past retention
    Optimize(OptimizeArgs),
}

fn main() -> ExitCode {
    let (cli, faults) = settings::command_line::<Cli>();
    match cli.command {
        Command::Up(args) => {
            let live = Live::choose(args.plain());
            let log = match &live {
                Live::Screen(tail) => cli.log.settings_on_screen(tail),
                Live::Lines => cli.log.settings_beside_output(),
            };
            service::run(log, faults.and(args.validate()), |settings, shutdown| operator::up(settings, live, shutdown))
        }
        Command::Init(args) => service::run(cli.log.settings(), faults.and(args.validate()), operator::init),
        Command::Guard(args) => service::run(cli.log.settings(), faults.and(args.validate()), operator::guard),
        Command::Backfill(args) => service::run(cli.log.settings(), faults.and(args.validate()), operator::backfill),
        Command::Table(args) => {
            service::run(cli.log.settings_beside_output(), faults.and(args.validate()), operator::table)
        }
        Command::Inspect(args) => {
            service::run(cli.log.settings_beside_output(), faults.and(args.validate()), operator::inspect)
        }
        Command::Doctor(args) => {
            service::run(cli.log.settings_beside_output(), faults.and(args.validate()), operator::doctor)
        }
        Command::Status(args) => {
            service::run(cli.log.settings_beside_output(), faults.and(args.validate()), operator::status)
        }
        Command::Verify(args) => {
            service::run(cli.log.settings_beside_output(), faults.and(args.validate()), operator::verify)
        }
        Command::Replay(args) => {
            service::run(cli.log.settings_beside_output(), faults.and(args.validate()), |settings, shutdown| {
                #[cfg(debug_assertions)]
                settings.kill_at.into_iter().for_each(killpoint::arm);
                operator::replay(settings, shutdown)
            })
        }
        Command::Optimize(args) => {
            service::run(cli.log.settings_beside_output(), faults.and(args.validate()), |settings, shutdown| {
                #[cfg(debug_assertions)]
                settings.kill_at.into_iter().for_each(killpoint::arm);
                operator::optimize(settings, shutdown)
            })
        }
        Command::Prune(args) => {
            service::run(cli.log.settings_beside_output(), faults.and(args.validate()), |settings, shutdown| {
                #[cfg(debug_assertions)]
                settings.kill_at.into_iter().for_each(killpoint::arm);
                operator::prune(settings, shutdown)
            })
        }
    }
}
