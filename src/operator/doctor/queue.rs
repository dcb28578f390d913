//! What tells of new files.

use std::sync::Arc;

use super::finding::{Finding, Findings};
use crate::azure::identity::Identity;
use crate::azure::queue::{Queue, QueueError};
use crate::settings::LoaderSettings;

pub(super) async fn look(settings: &LoaderSettings, identity: &Arc<Identity>, findings: &mut Findings) {
    let Some(notifications) = &settings.notifications else { return };
    let key = match identity.key(notifications.queue.needs_credential(), notifications.sas.as_ref()) {
        Ok(key) => key,
        Err(error) => return findings.add(Finding::error("queue", &error)),
    };
    let peek = async |address| Queue::open(address, key.clone())?.peek().await;
    findings.add(match peek(&notifications.queue).await {
        Ok(messages) => Finding::well("queue", format!("{} answers, {}", notifications.queue, told(messages))),
        Err(error) => Finding::error("queue", &error),
    });
    match peek(&notifications.poison).await {
        Ok(0) | Err(QueueError::NoQueue { .. }) => {}
        Ok(messages) => findings.add(Finding::note(
            "queue",
            format!("{} holds what made no sense: {}", notifications.poison, told(messages)),
            "each says why; look where they come from, then delete them",
        )),
        Err(error) => findings.add(Finding::note("queue", error.to_string(), "what makes no sense is set aside there")),
    }
}

/// How many are seen, which are not all.
fn told(messages: usize) -> String {
    match messages {
        0 => "no message waits".to_owned(),
        1 => "a message waits".to_owned(),
        messages => format!("at least {messages} messages wait"),
    }
}
