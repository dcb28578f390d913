use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::error::LoadError;
use super::freshness;
use super::health;
use super::lake::LakeStream;
use super::level;
use super::live;
use super::notify::{Inbox, Told};
use super::patience::Patience;
use super::pool::{self, Pool};
use super::progress::{Counts, Progress};
use super::slots::Slots;
use super::stream::{Shared, Stream};
use crate::azure::blob::Container;
use crate::azure::identity::Identity;
use crate::settings::LoaderSettings;

/// How long the group in hand may take after a request to stop, so that all is over within 25 s.
const DRAIN: Duration = Duration::from_secs(24);

/// Batches of notifications that a stream may have before it; of more, the messages come again.
const TOLD: usize = 8;

/// Loads what is new, once or until it is told to stop. On a request to stop it finishes the groups in hand.
///
/// # Errors
/// When something is wrong that no waiting heals. With `--once` also what does not heal soon enough, and a request to
/// stop, since something may be left to load.
pub async fn run(
    settings: &LoaderSettings,
    shutdown: CancellationToken,
    progress: Arc<Progress>,
) -> Result<(), LoadError> {
    health::describe();
    live::describe();
    level::describe();
    freshness::describe();
    let ended = tokio::select! {
        ended = work(settings, &shutdown, &progress) => ended,
        () = overdue(&shutdown) => {
            tracing::warn!("what was in hand took longer than {} s: left for the next loader", DRAIN.as_secs());
            Err(LoadError::Stopped)
        }
    };
    match ended {
        Err(LoadError::Stopped) if !settings.once => {}
        ended => ended?,
    }
    let Counts { files, loaded, rejected, quarantined, .. } = progress.counts();
    tracing::info!(files, loaded, rejected, quarantined, "done");
    Ok(())
}

async fn work(
    settings: &LoaderSettings,
    shutdown: &CancellationToken,
    progress: &Arc<Progress>,
) -> Result<(), LoadError> {
    let patience = Patience::new(settings.once, settings, shutdown.clone(), Arc::clone(progress));
    let identity = Identity::new(settings.identity.clone());
    let container =
        Container::open(&settings.blob, identity.key(settings.blob.needs_credential(), settings.blob_sas.as_ref())?)?;
    let address = match settings.routes.is_empty() {
        // Nobody asks the store.
        true => settings.store.clone(),
        false => pool::address(settings, &identity, &patience).await?,
    };
    let pool = Pool::new(address, settings.connections, settings.store_timeout);
    let routes = settings.routes.len() + settings.lakes.len();
    let slots = Slots::new(routes);
    let budget = Budget::of(settings, Slots::at_once(routes));
    let shared = Shared { settings, container: &container, slots: &slots, budget, progress, identity: &identity };
    let stream = |route| Stream::new(&shared, route, &patience, &pool.store(routes > 1, &patience));
    let streams: Vec<_> = settings.routes.iter().map(stream).collect();
    let (senders, receivers): (Vec<_>, Vec<_>) = streams.iter().map(|_| mpsc::channel(TOLD)).unzip();
    let inbox = Inbox::open(settings, &container, &identity, &patience)?;
    let lakes: Vec<_> = settings.lakes.iter().filter_map(|route| LakeStream::new(&shared, route, &patience)).collect();
    let serve = streams.iter().zip(receivers).map(|(stream, told)| stream.serve(told, routes > 1));
    let ended = tokio::select! {
        (ended, of_lakes) = join(join_all(serve), join_all(lakes.iter().map(|lake| lake.serve(routes > 1)))) => {
            let of_streams = streams.iter().map(Stream::name).zip(ended);
            of_streams.chain(lakes.iter().map(LakeStream::name).zip(of_lakes)).collect::<Vec<_>>()
        }
        never = hand_out(inbox, &senders) => match never {},
    };
    let mut failed = Vec::new();
    for (name, ended) in ended {
        match ended {
            Ok(()) => {}
            Err(error) if routes == 1 => return Err(error),
            Err(LoadError::Stopped) => return Err(LoadError::Stopped),
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    if !failed.is_empty() {
        return Err(LoadError::Routes { failed, of: routes });
    }
    let nothing: Option<Vec<_>> =
        streams.iter().map(Stream::nothing).chain(lakes.iter().map(LakeStream::nothing)).collect();
    match nothing {
        Some(nothing) if !settings.allow_empty => Err(LoadError::NothingFound(nothing.join("; "))),
        _ => Ok(()),
    }
}

/// Gives each stream what it was told.
async fn hand_out(mut inbox: Inbox, streams: &[mpsc::Sender<Told>]) -> Infallible {
    loop {
        match inbox.next().await {
            Ok(batch) => {
                for told in batch {
                    // A stream that does not get on with what it has: the messages come again when their lease ends.
                    let _ = streams[told.route].try_send(told);
                }
            }
            Err(LoadError::Stopped) => return std::future::pending().await,
            Err(error) => {
                tracing::error!("{error}; listing goes on without notifications");
                return std::future::pending().await;
            }
        }
    }
}

/// Comes when what was in hand has had its time after a request to stop.
async fn overdue(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}
