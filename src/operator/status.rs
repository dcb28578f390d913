use std::collections::BTreeMap;
use std::io::Write as _;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::ahead::{shown, span};
use super::aligned::aligned;
use super::level::{self, Ends};
use super::source::{self, SourceError};
use super::status_lake::{self, LakeUnread};
use super::store::{address, connect_current};
use crate::base::SecretError;
use crate::ledger::{EndsError, PartitionEnds};
use crate::service::Exit;
use crate::settings::CheckSettings;
use crate::store::{Ahead, Session, StoreError, Summary};

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The store is away, refuses, or lacks the ledger.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's password cannot be read.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// The broker cannot be asked.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The broker does not say where the log ends.
    #[error(transparent)]
    Ends(#[from] EndsError),
    /// A Delta table cannot be read.
    #[error(transparent)]
    Lake(#[from] LakeUnread),
    /// Someone asked for an end.
    #[error("interrupted")]
    Interrupted,
}

/// Prints how far each partition is.
///
/// # Errors
/// When the store or the broker cannot be asked.
pub async fn status(settings: CheckSettings, shutdown: CancellationToken) -> Result<Exit, StatusError> {
    let text = tokio::select! {
        text = look(&settings, &shutdown) => text?,
        () = shutdown.cancelled() => return Err(StatusError::Interrupted),
    };
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
    Ok(Exit::Done)
}

async fn look(settings: &CheckSettings, shutdown: &CancellationToken) -> Result<String, StatusError> {
    let store = match settings.routes.is_empty() && !settings.lakes.is_empty() {
        // Nobody asks about it.
        true => None,
        false => Some(connect_current(&address(settings).await?, settings.give_up, shutdown).await?),
    };
    let source = source::open(settings).await?;
    let summaries = match &store {
        Some(store) => store.session.ledger_summary().await?,
        None => Vec::new(),
    };
    let mut ends = Ends::new();
    if let Some(source) = &source {
        for route in &settings.routes {
            for end in source.ends(route.hub.name()).await? {
                ends.insert((route.hub.name().to_owned(), end.partition), end);
            }
        }
    }
    let level = match &store {
        Some(store) => level::lines(&store.session, &summaries, &ends).await?,
        None => String::new(),
    };
    let mut rows = vec![
        [
            "table",
            "event hub",
            "partition",
            "files",
            "records",
            "rejected",
            "quarantined",
            "last loaded",
            "ahead",
            "lag",
            "behind",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for summary in &summaries {
        let end = ends.remove(&(summary.hub.clone(), summary.partition));
        // A table that is gone has none.
        let ahead = match &store {
            Some(store) => ahead(&store.session, summary).await.unwrap_or_default(),
            None => None,
        };
        rows.push(row(summary, ahead.as_ref(), end.as_ref()));
    }
    for ((hub, partition), end) in &ends {
        let table = settings.routes.iter().find(|route| route.hub.name() == hub).map(|route| route.table.clone());
        let mut row = vec![table.unwrap_or_default(), hub.clone(), partition.to_string()];
        row.extend(["0", "0", "0", "0", "–", "–"].map(str::to_owned));
        row.extend([end.lag(None).to_string(), "–".to_owned()]);
        rows.push(row);
    }
    let of_lakes = status_lake::summaries(settings).await?;
    for route in &settings.lakes {
        let ends = match &source {
            Some(source) => source::by_partition(source.ends(route.hub.name()).await?),
            None => BTreeMap::new(),
        };
        let ours = of_lakes.iter().filter(|summary| summary.target == route.table);
        rows.extend(ours.map(|summary| row(summary, None, ends.get(&summary.partition))));
    }
    let summaries: Vec<_> = summaries.into_iter().chain(of_lakes).collect();
    let mut text = aligned(&rows, 2);
    text.push_str(&level);
    for (target, values) in unmapped(&summaries) {
        text.push_str(&format!(
            "{target}: {values} values of loaded records had no column and are not there; the loader's log names their \
             fields: add columns of those names, or `rescued jsonb` for all of them, then `deltawave replay`\n"
        ));
    }
    if summaries.is_empty() {
        text.push_str("nothing is loaded yet\n");
    }
    if let Some(store) = store.filter(|store| store.stale.is_some()) {
        text.push_str(&format!("looked at {}\n", store.place()));
    }
    if source.is_none() {
        text.push_str("lag is not known without --broker or --event-hub\n");
    }
    Ok(text.trim_end().to_owned())
}

async fn ahead(session: &Session, summary: &Summary) -> Result<Option<Ahead>, StoreError> {
    let Summary { target, hub, partition, last, highest, .. } = summary;
    let Some((last, highest)) = last.zip(*highest) else { return Ok(None) };
    match session.behind(target, hub, *partition, last, highest).await? {
        Some(behind) => session.ahead(target, hub, *partition, behind).await,
        None => Ok(None),
    }
}

/// By table, where there are any.
fn unmapped(summaries: &[Summary]) -> BTreeMap<&str, u64> {
    let mut values = BTreeMap::new();
    for summary in summaries.iter().filter(|summary| summary.unmapped > 0) {
        *values.entry(summary.target.as_str()).or_default() += summary.unmapped;
    }
    values
}

fn row(summary: &Summary, ahead: Option<&Ahead>, end: Option<&PartitionEnds>) -> Vec<String> {
    let Summary { target, hub, partition, files, quarantined, records, rejected, last, loaded_ago, .. } = summary;
    let lag = end.map(|end| end.lag(*last));
    vec![
        target.clone(),
        hub.clone(),
        partition.to_string(),
        files.to_string(),
        records.to_string(),
        rejected.to_string(),
        quarantined.to_string(),
        loaded_ago.map_or_else(|| "–".to_owned(), |seconds| format!("{} ago", span(seconds))),
        shown(ahead),
        lag.map_or_else(|| "–".to_owned(), |lag| lag.to_string()),
        behind(summary, end, lag).map_or_else(|| "–".to_owned(), span),
    ]
}

/// How far the newest loaded window is behind the last record of the log, in seconds. Where the broker does not say
/// when that came, behind now: at most so much. Nothing when nothing is to come.
fn behind(summary: &Summary, end: Option<&PartitionEnds>, lag: Option<u64>) -> Option<f64> {
    match lag {
        Some(0) => Some(0.0),
        Some(_) => {
            let age =
                end.and_then(|end| end.last_enqueued_at).map(|at| (OffsetDateTime::now_utc() - at).as_seconds_f64());
            Some((summary.window_ago? - age.unwrap_or(0.0)).max(0.0))
        }
        None => None,
    }
}
