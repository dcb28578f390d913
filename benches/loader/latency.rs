//! How long after a blob's commit its rows are visible, with files arriving all the time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deltawave::azure::blob::Container;
use deltawave::azure::queue::{Queue, QueueAddress};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{MissedTickBehavior, interval};

use super::data::Shape;
use super::place::{Place, Store, container};
use super::program::observed;
use super::report::{Report, percentile, seconds};
use super::{Outcome, data};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files a second, over 4 partitions
    #[arg(long, default_value_t = 50)]
    files: u32,
    /// Events in a file
    #[arg(long, default_value_t = 20)]
    events: i64,
    /// How long files arrive, in seconds
    #[arg(long, default_value_t = 40)]
    seconds: u32,
    /// Tell the loader of each file by a queue as Event Grid does, with --poll 5 beside it
    #[arg(long)]
    notifications: bool,
    /// Events that are there before and are loaded meanwhile
    #[arg(long, default_value_t = 0)]
    backlog: i64,
    /// A RisingWave or PostgreSQL to load into [default: a PostgreSQL of this run]
    #[arg(long)]
    store_url: Option<String>,
}

const PARTITIONS: i32 = 4;
/// Events in a file of the backlog.
const BACKLOG_FILE: i64 = 10_000;
/// The first number of what arrives, behind any backlog.
const FIRST: i64 = 1_000_000_000;
/// Commits under way at once.
const WRITERS: u32 = 8;
/// How long the last file may take to be seen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Files that are committed and not seen yet: the last sequence number of each, unique over all partitions.
type Pending = Arc<Mutex<BTreeMap<i64, Instant>>>;

pub async fn run(args: &Args) -> Outcome<Report> {
    let place = Place::new()?;
    let azurite = place.azurite().await?;
    let blob = format!("{}/capture", azurite.blob_endpoint());
    let files = container(&blob).await?;
    let store = place.store(args.store_url.as_deref()).await?;
    store.fresh().await?;
    let backlog = Shape {
        partitions: PARTITIONS,
        files: args.backlog / (BACKLOG_FILE * i64::from(PARTITIONS)),
        events: BACKLOG_FILE,
        deflate: false,
    };
    data::write(&files, backlog).await?;
    let mut arguments = vec!["--log-level", "warn", "--blob", &blob, "--store-url", &store.url];
    let queue_url = format!("{}/created", azurite.queue_endpoint());
    let mut queue = None;
    if args.notifications {
        let opened = Queue::open(&queue_url.parse::<QueueAddress>()?, None)?;
        opened.ensure().await?;
        queue = Some(opened);
        arguments.extend(["--poll", "5", "--notifications", &queue_url]);
    } else {
        arguments.extend(["--poll", "1"]);
    }
    let (mut loader, metrics) = observed(&arguments).await?;

    let pending = Pending::default();
    let arriving = tokio::spawn(arrive(files, queue, args.files, args.events, args.seconds, pending.clone()));
    let delays = watch(&store, &pending, arriving).await?;
    let loaded = store.rows().await?;
    let counts = metrics.observed("deltawave_loader_count_seconds").await?;
    loader.start_kill()?;
    loader.wait().await?;

    let mut report = Report::default();
    report.note("store", store.session().await?.engine());
    report.note("files", format!("{}, {} a second", delays.len(), args.files));
    let p99 = percentile(&delays, 99);
    if args.backlog > 0 {
        let arrived = i64::from(args.files * args.seconds) * args.events;
        let left = backlog.total() + arrived - loaded;
        report.note("backlog", format!("{} events, of which {left} were left at the end", backlog.total()));
        if left == 0 {
            return Err("the backlog ended before the files did: give a larger --backlog".into());
        }
        report.at_most("committed to row visible, beside a backlog: p99", p99, 3.0, seconds);
    }
    if args.backlog > 0 {
        report.note("committed to row visible, beside a backlog: p50", seconds(percentile(&delays, 50)));
    } else if args.notifications {
        report.at_most("told of to row visible: p50", percentile(&delays, 50), 0.3, seconds);
        report.note("told of to row visible: p99", seconds(p99));
    } else {
        report.at_most("blob committed to row visible: p50", percentile(&delays, 50), 1.0, seconds);
        report.at_most("blob committed to row visible: p99", p99, 2.0, seconds);
    }
    report.at_most("counting a group back, on average", counts.mean(), 0.1, seconds);
    report.note("longest", seconds(percentile(&delays, 100)));
    store.drop().await?;
    Ok(report)
}

/// Commits files at an even pace, and tells of each if there is a queue for it: its time runs from then on.
async fn arrive(
    files: Container,
    queue: Option<Queue>,
    rate: u32,
    events: i64,
    seconds: u32,
    pending: Pending,
) -> Outcome<()> {
    // Names have whole seconds, and several files a second come to a partition: they begin in the past to stay behind
    // the clock, as names of the future would not be listed from.
    let start = OffsetDateTime::now_utc() - Duration::from_secs(3600);
    let writers = (0..WRITERS).map(|writer| {
        let (files, queue, pending) = (files.clone(), queue.clone(), pending.clone());
        tokio::spawn(async move {
            let mut pace = interval(Duration::from_secs(1) * WRITERS / rate);
            pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in (writer..rate * seconds).step_by(WRITERS as usize) {
                pace.tick().await;
                let first = FIRST + i64::from(number) * events;
                let partition = i32::try_from(number)? % PARTITIONS;
                let name = data::name(partition, start + Duration::from_secs(u64::from(number)))?;
                files.create(&name, data::content(first, events, false)?).await?;
                if let Some(queue) = &queue {
                    queue.put(&created(&files, &name).await?).await?;
                }
                let last = first + events - 1;
                pending.lock().unwrap_or_else(PoisonError::into_inner).insert(last, Instant::now());
            }
            Outcome::Ok(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    Ok(())
}

/// The event that tells of a blob, in the CloudEvents schema.
async fn created(files: &Container, blob: &str) -> Outcome<String> {
    let entry = files.properties(blob).await?.ok_or("a committed blob is not there")?;
    let event = json!({
        "specversion": "1.0",
        "id": blob,
        "source": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/devstoreaccount1",
        "type": "Microsoft.Storage.BlobCreated",
        "subject": format!("/blobServices/default/containers/{}/blobs/{blob}", files.name()),
        "time": OffsetDateTime::now_utc().format(&Rfc3339)?,
        "data": {"api": "PutBlob", "eTag": entry.etag, "contentLength": entry.size, "blobType": "BlockBlob"},
    });
    Ok(event.to_string())
}

/// Asks for what is pending until everything that arrives was seen. The answer of a question that was asked before a
/// row was visible does not count, so the delays err on the long side, by a question's pause.
async fn watch(store: &Store, pending: &Pending, arriving: tokio::task::JoinHandle<Outcome<()>>) -> Outcome<Vec<f64>> {
    const PAUSE: Duration = Duration::from_millis(20);
    let session = store.session().await?;
    let mut delays = Vec::new();
    let mut last_seen = Instant::now();
    loop {
        let ended = arriving.is_finished();
        let numbers: Vec<_> =
            pending.lock().unwrap_or_else(PoisonError::into_inner).keys().map(i64::to_string).collect();
        if numbers.is_empty() && ended {
            arriving.await??;
            return Ok(delays);
        }
        if !numbers.is_empty() {
            let (_, rows) = session
                .query_text(&format!(
                    "SELECT sequence_number FROM user_event_log WHERE event_hub = '{}' \
                     AND partition_id IN (0, 1, 2, 3) AND sequence_number IN ({})",
                    data::HUB,
                    numbers.join(", ")
                ))
                .await?;
            let seen = Instant::now();
            let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
            for cell in rows.iter().filter_map(|row| row.first()?.as_deref()) {
                let committed = pending.remove(&cell.parse()?);
                delays.extend(committed.map(|committed| (seen - committed).as_secs_f64()));
                last_seen = seen;
            }
        }
        if ended && last_seen.elapsed() > PATIENCE {
            return Err(format!("{} files were not seen for {PATIENCE:?}", numbers.len()).into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
