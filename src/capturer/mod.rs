//! Does what Event Hubs Capture does, for any Kafka broker: every record of every partition, in Capture files.
//!
//! ```text
//!            newest file ─▶ position ─┐ compared with the broker's own record
//!                                     ▼
//! broker ──Reader──▶ Cursor ──▶ OpenFile ──pieces──▶ Container
//!  one queue a partition          one window            the file appears at its end, whole
//! ```
//!
//! Guarantees: **the position is what has been written**. A file appears whole or not at all and never replaces
//! another, and a run goes on after the last record that is in a file, so that whenever and however a run ends no
//! record is lost and none is written twice. Nothing else is remembered anywhere, in particular no group's offsets.
//! Records that a topic's retention deleted before they were captured are told as an ERROR with their offsets.
//!
//! Partitions do not wait for each other. While the container is away a partition stops reading: it holds one piece of
//! its file (about 4 MiB) and what was fetched ahead (at most 4 MiB), and drops nothing.
//!
//! Limits: one capture may run per topic; a second one is noticed at its first or second file. A topic that is made
//! anew while this runs is noticed only if it is shorter than what was read before.

mod cursor;
mod error;
mod event;
mod file;
mod files;
mod health;
mod ills;
mod last;
mod partition;
mod position;
mod progress;
mod shared;
mod topics;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::azure::blob::Container;
use crate::azure::identity::Identity;
use crate::kafka::{Cluster, Endpoint, MissingTopic, Reader};
use crate::settings::CaptureSettings;
pub use error::CaptureError;
use files::Files;
use ills::Party;
pub use progress::{PartitionProgress, Progress};
use shared::Shared;
use topics::Topics;
use trouble::Trouble;

/// How long open files may take to be written after a stop was asked for.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Captures until `shutdown` (or to the end found at the start, if the settings say so), counting in `progress`.
///
/// After `shutdown` the open windows that have records are written, for at most 20 s; what is not written then is read
/// again by the next run.
///
/// # Errors
/// Broker, container or topic are not there within the settings' patience; another capture writes the same files; the
/// container refuses; its newest file is damaged.
pub async fn run(
    settings: CaptureSettings,
    shutdown: CancellationToken,
    progress: Arc<Progress>,
) -> Result<(), CaptureError> {
    health::describe();
    let started = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        started = start(settings, shutdown.child_token(), progress) => started?,
    };
    let mut topics = Topics::new(Arc::new(started));
    let outcome = topics.watch().await;
    topics.stop();
    let stopping = Instant::now();
    let drained = match timeout(STOP_PATIENCE, topics.drain()).await {
        Ok(drained) => drained,
        Err(_) => {
            let waited = stopping.elapsed().as_secs();
            tracing::warn!("open files could not be written within {waited} s: the next run reads their records again");
            Ok(())
        }
    };
    let progress = &topics.shared().progress;
    tracing::info!(records = progress.captured(), files = progress.files(), bytes = progress.bytes(), "capture ends");
    outcome.and(drained)
}

async fn start(
    settings: CaptureSettings,
    shutdown: CancellationToken,
    progress: Arc<Progress>,
) -> Result<Shared, CaptureError> {
    let identity = Identity::new(settings.identity.clone());
    let container =
        Container::open(&settings.blob, identity.key(settings.blob.needs_credential(), settings.blob_sas.as_ref())?)?;
    let blob_trouble = Arc::new(Trouble::new(container.address(), Party::Blob, &progress));
    let files = Files::new(container.clone(), settings.name_format.clone(), Arc::clone(&blob_trouble))
        .map_err(|source| CaptureError::Encode { blob: "an empty file".to_owned(), source })?;
    let patience = settings.give_up;
    let broker = async {
        let started = Instant::now();
        let endpoint = Endpoint::open(&settings.kafka, &identity).await?;
        let cluster = Cluster::connect(&endpoint, MissingTopic::Leave, patience).await?;
        for hub in &settings.hubs {
            cluster.wait_for_topic(hub.name(), patience.saturating_sub(started.elapsed())).await?;
        }
        Ok((endpoint, cluster))
    };
    let ((endpoint, cluster), ()) = tokio::try_join!(broker, reach(&container, &blob_trouble, patience))?;
    let reader = Reader::new(&endpoint)?;
    tracing::info!(
        broker = %settings.kafka.broker,
        topics = settings.hubs.iter().map(|hub| hub.name()).collect::<Vec<_>>().join(","),
        blob = %container.address(),
        window = settings.limits.interval.as_secs(),
        size = settings.limits.size,
        "capturing"
    );
    progress.started();
    let broker_trouble = Trouble::new(&settings.kafka.broker, Party::Broker, &progress);
    Ok(Shared { settings, cluster, reader, container, files, blob_trouble, broker_trouble, progress, shutdown })
}

async fn reach(container: &Container, trouble: &Trouble, patience: Duration) -> Result<(), CaptureError> {
    let mut attempts = trouble.attempts(Some(patience));
    while let Err(error) = container.ensure().await {
        attempts.after(error).await.map_err(|error| match error.is_transient() {
            true => {
                let reason = trouble::reason(&error);
                CaptureError::BlobAway { address: container.address().to_string(), waited: patience, reason }
            }
            false => error.into(),
        })?;
    }
    attempts.succeeded();
    Ok(())
}
