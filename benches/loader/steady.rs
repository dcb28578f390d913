//! What a poll costs that finds nothing new, when very many files are loaded already.

use std::time::Duration;

use deltawave::capture::{EnqueuedTime, FileName, Hub, NameFormat, PartitionId, SequenceNumber};
use deltawave::ledger::{Contents, Entry, FileVersion, Outcome as FileOutcome, Span};
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};

use super::listing::{ETAG, Listing};
use super::place::{Place, Store};
use super::program::{Metrics, Observed, observed, status_mib};
use super::report::{Report, ratio, seconds};
use super::{Outcome, data};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files that are loaded already, over 4 partitions
    #[arg(long, default_value_t = 200_000)]
    files: i64,
    /// Polls to look at
    #[arg(long, default_value_t = 10)]
    polls: u64,
    /// A RisingWave or PostgreSQL to load into [default: a PostgreSQL of this run]
    #[arg(long)]
    store_url: Option<String>,
}

const PARTITIONS: i32 = 4;
/// More memory than without any files, in MiB, is taken for a ledger in memory: 200,000 rows of it are some 40 MiB.
const MEMORY: f64 = 16.0;

pub async fn run(args: &Args) -> Outcome<Report> {
    let place = Place::new()?;
    let store = place.store(args.store_url.as_deref()).await?;
    let empty = measure(&store, 0, args.polls).await?;
    let full = measure(&store, args.files / i64::from(PARTITIONS), args.polls).await?;
    let mut report = Report::default();
    report.note("store", store.session().await?.engine());
    report.note("files loaded already", args.files.to_string());
    report.note("first poll: lists everything", seconds(full.first));
    report.at_most("list requests a poll and partition", full.requests / f64::from(PARTITIONS), 2.0, ratio);
    report.at_most("a poll that finds nothing", full.poll, 1.0, seconds);
    let mib = |value: f64| format!("{value:.1} MiB");
    report.note("peak memory (VmHWM) without any file", mib(empty.memory));
    report.at_most("peak memory (VmHWM)", full.memory, empty.memory + MEMORY, mib);
    store.drop().await?;
    Ok(report)
}

struct Measured {
    /// Of the first poll, in seconds.
    first: f64,
    /// Of a later one, in seconds.
    poll: f64,
    /// Of a later poll.
    requests: f64,
    /// In MiB.
    memory: f64,
}

/// Watches a loader for which so many files of each partition are done.
async fn measure(store: &Store, files: i64, polls: u64) -> Outcome<Measured> {
    store.fresh().await?;
    let done = files_done(files)?;
    let session = store.session().await?;
    for some in done.chunks(1000) {
        session.note_files("capture", "user_event_log", some).await?;
    }
    session.flush().await?;
    let listing = Listing::serve(done.into_iter().map(|entry| entry.file.blob).collect()).await?;
    let arguments = ["--poll", "0.5", "--log-level", "warn", "--blob", &listing.address, "--store-url", &store.url];
    let (mut loader, metrics) = observed(&arguments).await?;

    let first = polled(metrics, 1).await?;
    let before = listing.requests();
    let last = polled(metrics, first.count + polls).await?;
    let between = (last.count - first.count) as f64;
    let measured = Measured {
        first: first.seconds,
        poll: (last.seconds - first.seconds) / between,
        requests: (listing.requests() - before) as f64 / between,
        memory: status_mib(&loader, "VmHWM")?,
    };
    loader.start_kill()?;
    loader.wait().await?;
    let loaded = session.query_number("SELECT count(*) FROM user_event_log").await?;
    // Without files nobody asks how long the first poll took, and it is over in no time.
    if loaded > 0 || (files > 0 && first.count != 1) {
        return Err(format!("{loaded} rows were loaded, and the first poll was seen as {}", first.count).into());
    }
    Ok(measured)
}

/// The ledger of one file a minute in each partition, up to now.
fn files_done(files: i64) -> Outcome<Vec<Entry>> {
    let hub = Hub::new("local", data::HUB)?;
    let now = OffsetDateTime::now_utc();
    let entry = |partition, file| {
        let window_start = now - time::Duration::minutes(files - file);
        let name = FileName { hub: hub.clone(), partition: PartitionId(partition), window_start };
        let blob = NameFormat::default().format(&name);
        let span = Span { first: SequenceNumber(file * 10), last: SequenceNumber(file * 10 + 9) };
        let contents = Contents {
            span: Some(span),
            last_enqueued_at: Some(EnqueuedTime::from_utc(window_start)),
            records: 10,
            skipped: 0,
            unmapped: 0,
            outcome: FileOutcome::Loaded,
        };
        let file = FileVersion { blob, etag: ETAG.to_owned(), size: 508, committed_at: Some(window_start), name };
        Entry { file, contents, loaded: 10, rows: None, rejected: 0, loaded_at: now }
    };
    let files = (0..PARTITIONS).flat_map(|partition| (0..files).map(move |file| (partition, file)));
    Ok(files.map(|(partition, file)| entry(partition, file)).collect())
}

/// Waits for so many polls, and comes back in the pause after the last.
async fn polled(metrics: Metrics, count: u64) -> Outcome<Observed> {
    let wait = async {
        loop {
            match metrics.observed("deltawave_loader_poll_seconds").await {
                Ok(polls) if polls.count >= count => return polls,
                // Not listening yet, or no poll has ended.
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(Duration::from_secs(300), wait).await.map_err(|_| format!("poll {count} did not end within 300 s").into())
}
