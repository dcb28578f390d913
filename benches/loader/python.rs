//! The loader against `benches/peers/loader.py`: the same files on Azurite, the same tables in PostgreSQL.

use std::path::Path;
use std::time::Duration;

use super::Outcome;
use super::data::{self, Shape};
use super::place::{Place, Store, container};
use super::program::{LOADER, program, timed};
use super::report::{Report, median, rate, ratio};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Events to load
    #[arg(long, default_value_t = 400_000)]
    events: i64,
    /// Runs of each, of which the median ratio counts
    #[arg(long, default_value_t = 1)]
    repeat: usize,
    /// Processes of the Python loader, each with its own connection
    #[arg(long, default_value_t = 1)]
    processes: usize,
}

pub const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");
/// Where its packages are kept between runs.
pub const VENV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers/venv");
/// Azurite's published key.
pub const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const FILE: i64 = 10_000;
const PARTITIONS: i32 = 4;

pub async fn run(args: &Args) -> Outcome<Report> {
    install().await?;
    let place = Place::new()?;
    let azurite = place.azurite().await?;
    let blob = format!("{}/capture", azurite.blob_endpoint());
    let files = container(&blob).await?;
    let shape = Shape {
        partitions: PARTITIONS,
        files: args.events.div_euclid(FILE * i64::from(PARTITIONS)).max(1),
        events: FILE,
        deflate: false,
    };
    data::write(&files, shape).await?;
    let store = place.store(None).await?;
    let (mut peers, mut loaders, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.repeat {
        let peer = measured(&store, shape, peer(&store, &blob, args.processes)).await?;
        let arguments = ["--once", "--log-level", "warn", "--blob", &blob, "--store-url", &store.url];
        let loader = measured(&store, shape, timed(program(LOADER, &arguments))).await?;
        peers.push(peer);
        loaders.push(loader);
        ratios.push(loader / peer);
    }
    let mut report = Report::default();
    report.note("store", store.session().await?.engine());
    let python = format!("Python loader, {} process{}", args.processes, if args.processes == 1 { "" } else { "es" });
    report.note(python, rate(median(&peers)));
    report.note("loader", rate(median(&loaders)));
    report.at_least("loader / Python loader", median(&ratios), 5.0, ratio);
    store.drop().await?;
    Ok(report)
}

/// Events a second into empty tables, all of them there afterwards.
async fn measured(store: &Store, shape: Shape, run: impl Future<Output = Outcome<Duration>>) -> Outcome<f64> {
    store.fresh().await?;
    let took = run.await?;
    let rows = store.rows().await?;
    let ledger = store.session().await?.query_number("SELECT count(*) FROM capture_files").await?;
    if rows != shape.total() || ledger != shape.files * i64::from(shape.partitions) {
        return Err(format!("{rows} rows and {ledger} files are there, not {}", shape.total()).into());
    }
    Ok(rows as f64 / took.as_secs_f64())
}

async fn peer(store: &Store, blob: &str, processes: usize) -> Outcome<Duration> {
    let (python, script) = (format!("{VENV}/bin/python"), format!("{PEER}/loader.py"));
    let (prefix, processes) = (format!("local/{}/", data::HUB), processes.to_string());
    let mut arguments = vec![script.as_str(), "--container-url", blob, "--account-key", KEY, "--prefix", &prefix];
    arguments.extend(["--store-url", &store.url, "--processes", &processes]);
    timed(program(&python, &arguments)).await
}

/// Installs the peer's packages, once for each version of their list.
pub async fn install() -> Outcome<()> {
    let wanted = std::fs::read_to_string(format!("{PEER}/requirements.txt"))?;
    let installed = Path::new(VENV).join("requirements.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    eprintln!("installing the Python loader's packages");
    timed(program("python3", &["-m", "venv", VENV])).await?;
    let list = format!("{PEER}/requirements.txt");
    timed(program(&format!("{VENV}/bin/pip"), &["install", "-q", "-r", &list])).await?;
    Ok(std::fs::write(installed, wanted)?)
}
