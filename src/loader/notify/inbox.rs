//! The receiving end: a task that asks the queue, tells good messages from bad, and is never far ahead of the loader.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;

use super::event::{Created, Event, Malformed, parse};
use super::told::{Told, delete, delete_one};
use crate::azure::blob::Container;
use crate::azure::identity::Identity;
use crate::azure::queue::{MOST_RECEIVED, Message, Queue, QueueError};
use crate::capture::{FileName, Hub, NameFormat};
use crate::loader::error::LoadError;
use crate::loader::patience::Patience;
use crate::settings::LoaderSettings;

/// Messages gathered before the loader gets them. One such batch is loaded while the next is gathered, so that at
/// most 320 messages are in hand.
const BATCH: usize = 160;

/// How soon an empty queue is asked again: at first, and after it was empty for some seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Most bytes of what is set aside of one message: far enough below the service's 64 KiB for any escaping.
const MOST_SET_ASIDE: usize = 24 << 10;

/// Kinds of events that are told of.
const MOST_UNKNOWN: usize = 100;

/// Where the loader gets its notifications, if it has any.
pub(in crate::loader) struct Inbox {
    told: Option<mpsc::Receiver<Vec<Told>>>,
    patience: Patience,
}

impl Inbox {
    /// Starts receiving in the background, until the patience's shutdown or until this value is dropped. Without
    /// `--notifications` there is nothing to receive.
    ///
    /// # Errors
    /// When the queue needs a credential. A queue that is away or missing is trouble, and no error.
    pub(in crate::loader) fn open(
        settings: &LoaderSettings,
        container: &Container,
        identity: &Arc<Identity>,
        patience: &Patience,
    ) -> Result<Self, LoadError> {
        let mut told = None;
        if let Some(notifications) = &settings.notifications {
            let key = identity.key(notifications.queue.needs_credential(), notifications.sas.as_ref())?;
            let receiver = Receiver {
                queue: Queue::open(&notifications.queue, key.clone())?,
                poison: Queue::open(&notifications.poison, key)?,
                lease: notifications.lease,
                container: container.name().to_owned(),
                hubs: settings.routes.iter().map(|route| route.hub.clone()).collect(),
                format: settings.name_format.clone(),
                patience: patience.clone(),
                unknown: BTreeSet::new(),
            };
            let (sender, batches) = mpsc::channel(1);
            tokio::spawn(receiver.run(sender));
            told = Some(batches);
            tracing::info!(queue = %notifications.queue, "notifications are received");
        }
        Ok(Inbox { told, patience: patience.clone() })
    }

    /// What was told next, one value a route at most; waits for ever if nothing is told. Nothing is lost if the wait
    /// is given up.
    ///
    /// # Errors
    /// When receiving ended: by request, or by a mistake of its own.
    pub(in crate::loader) async fn next(&mut self) -> Result<Vec<Told>, LoadError> {
        let Some(told) = &mut self.told else { return std::future::pending().await };
        match told.recv().await {
            Some(batch) => Ok(batch),
            None if self.patience.shutdown.is_cancelled() => Err(LoadError::Stopped),
            None => Err(LoadError::Broken("receiving notifications")),
        }
    }
}

struct Receiver {
    queue: Queue,
    /// Where malformed messages go.
    poison: Queue,
    lease: Duration,
    container: String,
    /// Of the routes, in their order.
    hubs: Vec<Hub>,
    format: NameFormat,
    patience: Patience,
    /// Kinds of events that are not known here, and were told of.
    unknown: BTreeSet<String>,
}

impl Receiver {
    async fn run(mut self, sender: mpsc::Sender<Vec<Told>>) {
        let patience = self.patience.clone();
        let mut trouble = patience.trouble();
        let mut pause = FIRST_PAUSE;
        // Nothing is received before there is room for it: its lease would run meanwhile.
        while let Ok(room) = sender.reserve().await {
            let messages = match self.gather().await {
                Ok(messages) => messages,
                Err(error) => match trouble.pause(error).await {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            };
            trouble.healed();
            if messages.is_empty() {
                drop(room);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = patience.shutdown.cancelled() => return,
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            pause = FIRST_PAUSE;
            let told = self.sort(messages).await;
            if !told.is_empty() {
                room.send(told);
            }
        }
    }

    /// What the queue has now, up to a batch.
    async fn gather(&self) -> Result<Vec<Message>, QueueError> {
        let mut gathered = Vec::new();
        while gathered.len() < BATCH {
            match self.queue.receive(BATCH - gathered.len(), self.lease).await {
                Ok(messages) => {
                    let full = messages.len() == MOST_RECEIVED;
                    gathered.extend(messages);
                    if !full {
                        break;
                    }
                }
                // What came before is in hand already.
                Err(_) if !gathered.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(gathered)
    }

    /// Sets the malformed ones aside, deletes the foreign ones, and gives the others by route.
    async fn sort(&mut self, messages: Vec<Message>) -> Vec<Told> {
        let mut told: Vec<_> =
            (0..self.hubs.len()).map(|route| Told::new(route, &self.queue, self.format.listing_order())).collect();
        let (mut foreign, mut malformed) = (Vec::new(), Vec::new());
        for message in messages {
            match parse(&message.text) {
                Ok(Event::Created(created)) => match self.route(&created) {
                    Some((route, blob, name)) => told[route].push(blob, name, created.etag, message),
                    None => {
                        let Created { container, blob, .. } = created;
                        tracing::debug!(container, blob, "a notification of nothing that is loaded here: deleted");
                        foreign.push(message);
                    }
                },
                Ok(Event::Other(kind)) => {
                    tracing::debug!(kind, "a notification of no finished file: deleted");
                    foreign.push(message);
                }
                Ok(Event::Unknown(kind)) => {
                    if self.unknown.len() < MOST_UNKNOWN && self.unknown.insert(kind.clone()) {
                        tracing::warn!(
                            kind,
                            "notifications of a kind that is not known: deleted; listing finds their files"
                        );
                    }
                    foreign.push(message);
                }
                Err(reason) => malformed.push((message, reason)),
            }
        }
        counter!("deltawave_loader_notifications_total", "outcome" => "foreign").increment(foreign.len() as u64);
        delete(&self.queue, &foreign).await;
        for (message, reason) in &malformed {
            if let Err(error) = self.set_aside(message, reason).await {
                tracing::error!(
                    id = message.id,
                    times_received = message.dequeue_count,
                    "malformed notification ({reason}) stays in its queue, as it cannot be set aside: {error}"
                );
                // The rest would fail alike, and the files that were told of wait.
                break;
            }
            tracing::warn!(id = message.id, "malformed notification set aside: {reason}");
            counter!("deltawave_loader_notifications_total", "outcome" => "malformed").increment(1);
        }
        told.retain(|told| !told.is_empty());
        told
    }

    /// Whose file it is, by which name.
    fn route(&self, created: &Created) -> Option<(usize, String, FileName)> {
        if created.container != self.container {
            return None;
        }
        created.names().find_map(|blob| {
            let parsed = self.hubs.iter().map(|hub| self.format.parse(hub, &blob));
            let (route, name) = parsed.enumerate().find_map(|(route, name)| Some((route, name?)))?;
            Some((route, blob.into_owned(), name))
        })
    }

    /// Puts it into the poison queue, then deletes it. A failure between the two sets it aside twice.
    async fn set_aside(&self, message: &Message, reason: &Malformed) -> Result<(), QueueError> {
        let text = poisoned(&message.text, &reason.to_string(), OffsetDateTime::now_utc());
        match self.poison.put(&text).await {
            Err(QueueError::NoQueue { .. }) => {
                self.poison.ensure().await?;
                self.poison.put(&text).await?;
            }
            put => put?,
        }
        delete_one(&self.queue, message).await
    }
}

/// What is set aside of a message: all of it, or as much as a queue takes.
fn poisoned(message: &str, reason: &str, now: OffsetDateTime) -> String {
    let received_at = now.format(&Rfc3339).unwrap_or_default();
    let start = |text: &str, most: usize| text[..text.floor_char_boundary(most)].to_owned();
    let mut kept = message.len().min(MOST_SET_ASIDE);
    loop {
        let reason = start(reason, MOST_SET_ASIDE / 16);
        let text = json!({"reason": reason, "message": start(message, kept), "received_at": received_at}).to_string();
        if text.len() <= MOST_SET_ASIDE + MOST_SET_ASIDE / 4 || kept == 0 {
            return text;
        }
        kept /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_whole_or_as_much_as_fits() {
        let now = time::macros::datetime!(2026-01-02 03:04:05 UTC);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(
            read(&poisoned("<\"é\u{1}>", "why", now)),
            json!({"reason": "why", "message": "<\"é\u{1}>", "received_at": "2026-01-02T03:04:05Z"})
        );
        for message in ["é".repeat(32 << 10), "\u{1}".repeat(64 << 10), "\"".repeat(48 << 10)] {
            let text = poisoned(&message, &message, now);
            assert!(text.len() < 40 << 10, "{} bytes", text.len());
            let kept = read(&text)["message"].as_str().unwrap().to_owned();
            assert!(message.starts_with(&kept) && kept.len() > 1 << 10, "{} bytes", kept.len());
        }
    }
}
