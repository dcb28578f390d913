//! Routes into Delta tables: against a Python program that does the same job (`benches/peers/lake.py`), beside the route
//! into PostgreSQL; what a commit costs as the table grows old; and memory over many records.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use deltawave::azure::blob::{BlobAddress, Container};
use deltawave::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use deltawave::lake::{Blueprint, Committed, Group, Lake, LakeAddress, NewColumn};
use deltawave::ledger::{Contents, Entry, FileVersion, Outcome as FileOutcome, Span};
use deltawave::rows::{ColumnType, Envelope, Mapper};
use time::OffsetDateTime;
use tokio::time::sleep;

use super::Outcome;
use super::data::{self, Shape};
use super::place::{Place, container};
use super::program::{LOADER, program, status_mib, timed};
use super::python::{KEY, PEER, VENV, install};
use super::report::{Report, median, rate, ratio, seconds};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Events to load
    #[arg(long, default_value_t = 400_000)]
    events: i64,
    /// Runs of each, of which the median ratio counts
    #[arg(long, default_value_t = 1)]
    repeat: usize,
    /// Commits into one table
    #[arg(long, default_value_t = 10_000)]
    commits: i64,
    /// Events to load in bounded memory
    #[arg(long, default_value_t = 5_000_000)]
    many: i64,
}

const FILE: i64 = 10_000;
const PARTITIONS: i32 = 4;
/// Of commits whose mean is taken.
const WINDOW: usize = 1000;
/// In MiB: `--memory`'s default, and what a program is without any.
const MEMORY: f64 = 256.0;

pub async fn run(args: &Args) -> Outcome<Report> {
    let mut report = Report::default();
    let place = Place::new()?;
    if args.events > 0 {
        against_others(args, &place, &mut report).await?;
    }
    if args.commits > 0 {
        commits(args, &place, &mut report).await?;
    }
    if args.many > 0 {
        many(args, &place, &mut report).await?;
    }
    Ok(report)
}

async fn make(table: &str) -> Outcome<LakeAddress> {
    let column = |(name, kind)| NewColumn::new(name, kind);
    let columns = [
        ("id", ColumnType::Integer),
        ("name", ColumnType::Varchar),
        ("age", ColumnType::Integer),
        ("op", ColumnType::Varchar),
        ("event_order", ColumnType::BigInt),
        ("ts", ColumnType::Timestamp),
    ];
    let address: LakeAddress = table.parse()?;
    Blueprint::new(columns.map(column).into(), Vec::new(), false).make(&address, None).await?;
    Ok(address)
}

async fn against_others(args: &Args, place: &Place, report: &mut Report) -> Outcome<()> {
    install().await?;
    let azurite = place.azurite().await?;
    let endpoint = azurite.blob_endpoint();
    let blob = format!("{endpoint}/capture");
    let files = container(&blob).await?;
    let per_partition = args.events.div_euclid(FILE * i64::from(PARTITIONS)).max(1);
    let shape = Shape { partitions: PARTITIONS, files: per_partition, events: FILE, deflate: false };
    data::write(&files, shape).await?;
    let store = place.store(None).await?;
    let (mut peers, mut loaders, mut stores, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let per_second = |took: Duration| shape.total() as f64 / took.as_secs_f64();
    for run in 0..args.repeat {
        let (table, peers_table) = (format!("{endpoint}/lake/ours{run}"), format!("az://lake/theirs{run}"));
        make(&table).await?;
        let (python, script) = (format!("{VENV}/bin/python"), format!("{PEER}/lake.py"));
        let prefix = format!("local/{}/", data::HUB);
        let arguments = [
            script.as_str(),
            "--container-url",
            &blob,
            "--account-key",
            KEY,
            "--prefix",
            &prefix,
            "--endpoint",
            &endpoint,
            "--table",
            &peers_table,
        ];
        let peer = per_second(timed(program(&python, &arguments)).await?);
        let route = format!("{}=delta:{table}", data::HUB);
        let arguments = ["--once", "--log-level", "warn", "--blob", &blob, "--route", &route];
        let loader = per_second(timed(program(LOADER, &arguments)).await?);
        store.fresh().await?;
        let arguments = ["--once", "--log-level", "warn", "--blob", &blob, "--store-url", &store.url];
        stores.push(per_second(timed(program(LOADER, &arguments)).await?));
        peers.push(peer);
        loaders.push(loader);
        ratios.push(loader / peer);
    }
    report.note("fastavro, orjson and deltalake", rate(median(&peers)));
    report.note("loader into a Delta table", rate(median(&loaders)));
    report.note("loader into PostgreSQL", rate(median(&stores)));
    report.at_least("Delta table / Python", median(&ratios), 5.0, ratio);
    store.drop().await
}

/// Commits of ten rows each, one after the other.
async fn commits(args: &Args, place: &Place, report: &mut Report) -> Outcome<()> {
    let table = place.path("commits/t").display().to_string();
    let address = make(&table).await?;
    let lake = Lake::open(&address, None, "delta:t", &[]).await?;
    let at = EnqueuedTime::from_utc(data::EPOCH);
    let mut took = Vec::new();
    for number in 0..args.commits {
        let began = Instant::now();
        let (first, last) = (number * 10, number * 10 + 9);
        let mut mapper = Mapper::new(lake.table());
        let mut keys = Vec::new();
        for number in first..=last {
            let envelope = Envelope {
                event_hub: data::HUB,
                partition: PartitionId(0),
                sequence_number: SequenceNumber(number),
                enqueued_time: at,
            };
            let body = data::event(number)?.body;
            mapper.push(envelope, body.as_deref())?;
            keys.push((number, at.utc().unix_timestamp() * 1_000_000));
        }
        let basis = vec![(0, lake.basis(data::HUB, 0))];
        let mut rows = lake.rows(data::HUB, 0);
        rows.push(&mapper.take(), &keys, None)?;
        let mut adds = Vec::new();
        for file in rows.finish("etag")? {
            adds.push(lake.upload(&file).await?);
        }
        let file = FileVersion {
            blob: data::name(0, data::EPOCH + time::Duration::minutes(number))?,
            etag: "etag".to_owned(),
            size: 500,
            committed_at: None,
            name: deltawave::capture::FileName {
                hub: deltawave::capture::Hub::new("local", data::HUB)?,
                partition: PartitionId(0),
                window_start: data::EPOCH + time::Duration::minutes(number),
            },
        };
        let span = Some(Span { first: SequenceNumber(first), last: SequenceNumber(last) });
        let contents = Contents {
            span,
            last_enqueued_at: Some(at),
            records: 10,
            skipped: 0,
            unmapped: 0,
            outcome: FileOutcome::Loaded,
        };
        let loaded_at = OffsetDateTime::now_utc();
        let entry = Entry { file, contents, loaded: 10, rows: None, rejected: 0, loaded_at };
        let group = Group {
            id: format!("{number}"),
            rows: adds,
            rejected: Vec::new(),
            files: vec![deltawave::lake::NotedFile::of("capture", &entry, 0, 0)],
            basis,
        };
        if lake.commit(&group, data::HUB).await? != Committed::Done {
            return Err("a commit met another's".into());
        }
        took.push(began.elapsed().as_secs_f64());
    }
    let mean = |some: &[f64]| some.iter().sum::<f64>() / some.len().max(1) as f64;
    let window = WINDOW.min(took.len());
    let (early, late) = (mean(&took[..window]), mean(&took[took.len() - window..]));
    report.note(format!("a commit, of the first {window}"), seconds(early));
    report.note(format!("a commit, of the last {window} of {}", args.commits), seconds(late));
    report.at_most("late / early", late / early, 2.0, ratio);
    let began = Instant::now();
    let again = Lake::open(&address, None, "delta:t", &[]).await?;
    report.note(format!("opening it, {} files known", again.files_known()), seconds(began.elapsed().as_secs_f64()));
    Ok(())
}

/// Many records in a directory, loaded in one run.
async fn many(args: &Args, place: &Place, report: &mut Report) -> Outcome<()> {
    let blob = place.path("capture").display().to_string();
    let address: BlobAddress = blob.parse()?;
    let files = Container::open(&address, None)?;
    files.ensure().await?;
    let per_partition = args.many.div_euclid(FILE * i64::from(PARTITIONS)).max(1);
    let shape = Shape { partitions: PARTITIONS, files: per_partition, events: FILE, deflate: true };
    data::write(&files, shape).await?;
    let table = place.path("lake/many").display().to_string();
    make(&table).await?;
    let route = format!("{}=delta:{table}", data::HUB);
    let arguments = ["--once", "--log-level", "warn", "--blob", &blob, "--route", &route];
    let began = Instant::now();
    let mut loader = program(LOADER, &arguments).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()?;
    let mut peak: f64 = 0.0;
    let status = loop {
        peak = status_mib(&loader, "VmHWM").map_or(peak, |now| peak.max(now));
        match loader.try_wait()? {
            Some(status) => break status,
            None => sleep(Duration::from_millis(50)).await,
        }
    };
    if !status.success() {
        return Err(format!("the loader ended with {status}").into());
    }
    let took = began.elapsed().as_secs_f64();
    report.note(format!("{} events from a directory into one", shape.total()), rate(shape.total() as f64 / took));
    report.at_most("peak memory (VmHWM)", peak, MEMORY, |mib| format!("{mib:.0} MiB"));
    let log = std::fs::read_dir(Path::new(&table).join("_delta_log"))?;
    report.note("files in its log", log.count().to_string());
    Ok(())
}
