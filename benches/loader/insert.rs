//! The loader against the INSERT statements it sends, alone.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use deltawave::azure::blob::Container;
use deltawave::capture::{EnqueuedTime, PartitionId, ReadLimits, SequenceNumber, Stop, read_events};
use deltawave::ledger::{Run, Span};
use deltawave::rows::{Batch, Envelope, Mapper, Table};
use deltawave::store::{KeyRange, Session, Shelf};
use futures::TryStreamExt as _;
use futures::future::try_join_all;

use super::Outcome;
use super::data::{self, Shape};
use super::place::{Place, Store, container};
use super::program::{LOADER, program, timed};
use super::report::{Report, median, percent, rate, ratio};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Events to load
    #[arg(long, default_value_t = 800_000)]
    events: i64,
    /// Runs of each, of which the median ratio counts
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// A RisingWave or PostgreSQL to load into [default: a PostgreSQL of this run]
    #[arg(long)]
    store_url: Option<String>,
    /// Keep the files in Azurite instead of a directory; it takes its share of the machine
    #[arg(long)]
    azurite: bool,
    /// Rows in one INSERT
    #[arg(long, default_value_t = 10_000)]
    batch_rows: usize,
    /// Connections
    #[arg(long, default_value_t = 2)]
    connections: usize,
}

/// Events in a file: about 1.8 MB.
const FILE: i64 = 10_000;
const PARTITIONS: i32 = 4;

pub async fn run(args: &Args) -> Outcome<Report> {
    let place = Place::new()?;
    let azurite = if args.azurite { Some(place.azurite().await?) } else { None };
    let files = match &azurite {
        Some(azurite) => container(&format!("{}/capture", azurite.blob_endpoint())).await?,
        None => container(&place.path("capture").display().to_string()).await?,
    };
    let shape = Shape {
        partitions: PARTITIONS,
        files: args.events.div_euclid(FILE * i64::from(PARTITIONS)).max(1),
        events: FILE,
        deflate: false,
    };
    data::write(&files, shape).await?;
    let store = place.store(args.store_url.as_deref()).await?;
    store.fresh().await?;
    let table = store.session().await?.table("user_event_log", &[]).await??;
    let batches = batches(&files, &table, args.batch_rows).await?;

    let (mut bare, mut whole, mut ratios, mut counting) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..args.repeat {
        let mut rates = [0.0; 2];
        // Whoever goes second finds a server that has more to tidy up: they take turns.
        for which in [round % 2, 1 - round % 2] {
            store.fresh().await?;
            let took = match which {
                0 => insert(&store, &table, &batches, args.connections).await?,
                _ => load(&store, &files, args).await?,
            };
            let rows = store.rows().await?;
            if rows != shape.total() {
                return Err(format!("{rows} rows are there, not {}", shape.total()).into());
            }
            if which == 0 {
                let connected = took.as_secs_f64() * args.connections as f64;
                counting.push(count(&store, &table, shape).await?.as_secs_f64() / connected);
            }
            rates[which] = rows as f64 / took.as_secs_f64();
        }
        bare.push(rates[0]);
        whole.push(rates[1]);
        ratios.push(rates[1] / rates[0]);
    }
    let mut report = Report::default();
    report.note("store", store.session().await?.engine());
    report.note("bare INSERT", rate(median(&bare)));
    report.note("loader, from listing to ledger", rate(median(&whole)));
    report.at_least("loader / bare INSERT", median(&ratios), 0.9, ratio);
    report.note(
        "counting back, where the store's own count does not do / the connections' time",
        percent(median(&counting)),
    );
    store.drop().await?;
    Ok(report)
}

/// The files' rows in batches, made before anything is measured.
async fn batches(files: &Container, table: &Table, rows: usize) -> Outcome<Vec<Batch>> {
    let mut names = Vec::new();
    let mut pages = std::pin::pin!(files.list("", None));
    while let Some(page) = pages.try_next().await? {
        names.extend(page.into_iter().map(|entry| entry.name));
    }
    // In the order of the key, as the loader writes a group, which all of them are.
    names.sort();
    let (mut mapper, mut batches) = (Mapper::new(table), Vec::new());
    for name in names {
        let partition = name.split('/').nth(2).ok_or("a name without a partition")?.parse()?;
        let bytes = files.get(&name, u64::MAX).await?;
        read_events(&bytes[..], ReadLimits::default(), |event| {
            let Ok(enqueued_time) = EnqueuedTime::parse(event.enqueued_time) else {
                return ControlFlow::Break(Stop::Bad("a time of another form".to_owned()));
            };
            let envelope = Envelope {
                event_hub: data::HUB,
                partition: PartitionId(partition),
                sequence_number: SequenceNumber(event.sequence_number),
                enqueued_time,
            };
            if let Err(reject) = mapper.push(envelope, event.body) {
                return ControlFlow::Break(Stop::Bad(reject.to_string()));
            }
            if mapper.rows() >= rows {
                batches.push(mapper.take());
            }
            ControlFlow::Continue(())
        })?;
    }
    batches.push(mapper.take());
    Ok(batches)
}

/// The statements alone, over several connections, to the flush that makes them durable.
async fn insert(store: &Store, table: &Table, batches: &[Batch], connections: usize) -> Outcome<Duration> {
    let sessions = try_join_all((0..connections).map(|_| Session::connect(&store.address))).await?;
    let began = Instant::now();
    let next = std::sync::Mutex::new(batches.iter());
    let take = || next.lock().ok().and_then(|mut batches| batches.next());
    try_join_all(sessions.iter().map(async |session| {
        while let Some(batch) = take() {
            session.insert(table, batch).await?;
        }
        Outcome::Ok(())
    }))
    .await?;
    if let Some(session) = sessions.first() {
        session.flush().await?;
    }
    Ok(began.elapsed())
}

/// The loader's whole way, its start and end included.
async fn load(store: &Store, files: &Container, args: &Args) -> Outcome<Duration> {
    let (blob, rows, connections) =
        (files.address().to_string(), args.batch_rows.to_string(), args.connections.to_string());
    let mut arguments = vec!["--once", "--log-level", "warn", "--blob", &blob, "--store-url", &store.url];
    arguments.extend(["--batch-rows", &rows, "--connections", &connections]);
    timed(program(LOADER, &arguments)).await
}

/// How long counting all rows back takes, over one connection.
async fn count(store: &Store, table: &Table, shape: Shape) -> Outcome<Duration> {
    let session = store.session().await?;
    let until = EnqueuedTime::parse("12/31/9999 11:59:59 PM").map_err(|error| error.to_string())?;
    let from = EnqueuedTime::parse("1/1/2000 12:00:00 AM").map_err(|error| error.to_string())?;
    let span = Span { first: SequenceNumber(0), last: SequenceNumber(i64::MAX) };
    let range = |partition| KeyRange {
        target: table.name(),
        hub: data::HUB,
        partition: PartitionId(partition),
        shelf: Shelf::Rows,
        run: Run { span, from, until },
    };
    let ranges: Vec<_> = (0..shape.partitions).map(range).collect();
    let began = Instant::now();
    let counted: u64 = session.count_ranges(&ranges).await?.iter().sum();
    let took = began.elapsed();
    if i64::try_from(counted)? != shape.total() {
        return Err(format!("{counted} rows were counted, not {}", shape.total()).into());
    }
    Ok(took)
}
