//! The loader's speed, each subcommand against what it is compared with, in one run.
//!
//! | subcommand | compares |
//! |---|---|
//! | `decode` | events/s of one core, everything but the SQL, with a fixed target |
//! | `formats` | decoding of each body format, as a ratio to `json` of the same rows |
//! | `insert` | the loader from listing to ledger with the bare INSERT statements, their parameters ready-made |
//! | `python` | the loader with a Python program that does the same job (`benches/peers/loader.py`) |
//! | `lake` | the loader into a Delta table with a Python program that does the same job (`benches/peers/lake.py`); a commit's cost, memory |
//! | `latency` | blob committed to row visible, with fixed targets |
//! | `live` | sent to row visible by the live lane, its cost, and the files' rate beside it, with fixed targets |
//! | `steady` | a poll that finds nothing among many loaded files: requests, time and memory, with fixed targets |
//!
//! `cargo bench --bench loader -- <subcommand>`: what it needs is fetched and started as for the tests. The program
//! measured is the `loader` binary. Exit 1 when a target is missed. docs/performance.md has results.

mod data;
mod decode;
mod formats;
mod insert;
mod lake;
mod latency;
mod listing;
mod live;
mod place;
mod program;
mod python;
mod report;
mod steady;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Whatever a benchmark cannot go on after; `main` prints it.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Benchmarks of the loader
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    benchmark: Option<Benchmark>,
    /// What cargo passes to every benchmark
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Events per second of one core: everything but the SQL
    Decode(decode::Args),
    /// Decoding each body format, against plain JSON of the same rows
    Formats(formats::Args),
    /// The loader against the bare INSERT statements
    Insert(insert::Args),
    /// The loader against a Python loader
    Python(python::Args),
    /// The loader into a Delta table against a Python loader
    Lake(lake::Args),
    /// Time from a blob's commit to its rows' visibility
    Latency(latency::Args),
    /// Time from an event's sending to its row's visibility, by the live lane
    Live(live::Args),
    /// A poll that finds nothing new among many loaded files
    Steady(steady::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Cli::parse().benchmark {
        Some(Benchmark::Decode(args)) => decode::run(&args).await,
        Some(Benchmark::Formats(args)) => formats::run(&args),
        Some(Benchmark::Insert(args)) => insert::run(&args).await,
        Some(Benchmark::Lake(args)) => lake::run(&args).await,
        Some(Benchmark::Python(args)) => python::run(&args).await,
        Some(Benchmark::Latency(args)) => latency::run(&args).await,
        Some(Benchmark::Live(args)) => live::run(&args).await,
        Some(Benchmark::Steady(args)) => steady::run(&args).await,
        // A plain `cargo bench` has nothing to measure, and is no mistake.
        None => {
            print!("{}", Cli::command().render_help());
            return ExitCode::SUCCESS;
        }
    };
    match ended {
        Ok(report) => {
            println!("{report}");
            if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {}", deltawave::base::chain(&*error));
            ExitCode::FAILURE
        }
    }
}
