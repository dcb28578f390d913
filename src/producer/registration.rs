use std::time::{Duration, Instant};

use super::ProducerError;
use super::envelope::{Envelope, SCHEMA};
use crate::azure::identity::Identity;
use crate::formats::{SchemaKind, SchemaText};
use crate::registry::{Registry, RegistryError, RegistrySettings};
use crate::settings::{EventFormat, EventSource, ProducerSettings};

/// Between two tries at a registry that is away.
const AGAIN: Duration = Duration::from_secs(1);

/// How the events are wrapped. What they are written by is in the registry then: as the topic's value, which is where
/// everybody looks for it.
///
/// # Errors
/// When the registry does not take it, or is away for longer than is tried.
pub(super) async fn envelope(settings: &ProducerSettings) -> Result<Envelope, ProducerError> {
    Ok(match (&settings.source, &settings.registry) {
        (EventSource::Input { .. }, _) => Envelope::Json,
        (EventSource::Generated { format, .. }, registry) => match (format, registry) {
            (EventFormat::Json, _) => Envelope::Json,
            (EventFormat::Debezium, _) => Envelope::Debezium,
            (EventFormat::Cloudevents, _) => Envelope::Cloudevents,
            (EventFormat::Avro, Some(registry)) => Envelope::Avro(registered(settings, registry).await?),
            (EventFormat::Avro, None) => return Err(ProducerError::NoRegistry),
        },
    })
}

async fn registered(settings: &ProducerSettings, registry: &RegistrySettings) -> Result<u32, RegistryError> {
    let subject = format!("{}-value", settings.topic);
    let schema = SchemaText { kind: SchemaKind::Avro, text: SCHEMA.to_owned(), references: Vec::new() };
    let began = Instant::now();
    let mut told = false;
    loop {
        let tried = async {
            let identity = Identity::new(settings.identity.clone());
            Registry::open(registry, &identity).await?.register(&subject, &schema).await
        };
        match tried.await {
            Ok(id) => {
                tracing::info!(registry = %registry.address, subject, schema = id, "the events' schema is registered");
                return Ok(id);
            }
            Err(error) if error.passes() && began.elapsed() < settings.give_up => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("{error}; retrying for at most {} s", settings.give_up.as_secs());
                }
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => return Err(error),
        }
    }
}
