//! Schemas that records name are asked for when the first of them is met, by the thread that decodes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::error::LoadError;
use super::patience::Patience;
use crate::azure::identity::Identity;
use crate::formats::{Decoding, SchemaId, Schemas};
use crate::registry::{Registry, RegistryError};
use crate::settings::{LoaderSettings, Route};

/// How often a registry that has no such schema is asked once more: what is written to one of its servers may come to the
/// others a moment later.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(700);

/// A route's registry, and the patience with it.
#[derive(Debug, Clone)]
pub(super) struct Registrar {
    registry: Arc<Registry>,
    schemas: Arc<Schemas>,
    patience: Patience,
}

/// How a route's bodies are decoded, and who is asked for their schemas; nobody where none has any.
///
/// # Errors
/// When the registry's password cannot be read, and patience ends.
pub(super) async fn decoding(
    settings: &LoaderSettings,
    route: &Route,
    patience: &Patience,
) -> Result<(Decoding, Option<Registrar>), LoadError> {
    let registry = settings.registries.of(route.registry.as_ref());
    let decoding = Decoding {
        validate: route.validate,
        naming: registry.as_ref().map(|registry| registry.address.naming()),
        ..Decoding::of(route.format)
    };
    let Some(registry) = registry.filter(|_| route.format.needs_registry(route.validate)) else {
        return Ok((decoding, None));
    };
    let identity = Identity::new(settings.identity.clone());
    let mut trouble = patience.trouble();
    let registry = loop {
        match Registry::open(&registry, &identity).await {
            Ok(registry) => break Arc::new(registry),
            Err(error) => trouble.pause(error).await?,
        }
    };
    trouble.healed();
    let schemas = Arc::clone(&decoding.schemas);
    Ok((decoding, Some(Registrar { registry, schemas, patience: patience.clone() })))
}

impl Registrar {
    /// Sees to it that something is known of a schema, be it that there is none. Blocks: for threads that may.
    ///
    /// # Errors
    /// When the registry is away, or refuses, and patience ends.
    pub(super) fn obtain(&self, id: &SchemaId) -> Result<(), LoadError> {
        Handle::current().block_on(self.ask(id))
    }

    async fn ask(&self, id: &SchemaId) -> Result<(), LoadError> {
        let mut trouble = self.patience.trouble();
        let mut tries = 0;
        loop {
            // Another thread may have asked meanwhile.
            if self.schemas.get(id).is_some() {
                trouble.healed();
                return Ok(());
            }
            match self.registry.schema(id).await {
                Ok(text) => {
                    tracing::info!(schema = %id, kind = %text.kind, "schema known");
                    self.schemas.put(id.clone(), Ok(Arc::new(text)));
                }
                Err(RegistryError::Unknown(reason)) => {
                    tries += 1;
                    if tries >= TRIES {
                        tracing::warn!("{reason}; its records are rejected");
                        self.schemas.put(id.clone(), Err(reason));
                        continue;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        () = self.patience.shutdown.cancelled() => return Err(LoadError::Stopped),
                    }
                }
                Err(error) => trouble.pause(error).await?,
            }
        }
    }
}
