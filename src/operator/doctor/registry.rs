use std::sync::Arc;

use super::finding::{Finding, Findings};
use crate::azure::identity::Identity;
use crate::registry::{Registry, RegistryError};
use crate::settings::LoaderSettings;

/// Asks every schema registry that a route needs.
pub(super) async fn look(settings: &LoaderSettings, identity: &Arc<Identity>, findings: &mut Findings) {
    let mut asked = Vec::new();
    for route in settings.routes.iter().filter(|route| route.format.needs_registry(route.validate)) {
        let Some(registry) = settings.registries.of(route.registry.as_ref()) else { continue };
        if asked.contains(&registry) {
            continue;
        }
        let looked = async { Registry::open(&registry, identity).await?.look().await };
        findings.add(match looked.await {
            Ok(()) => Finding::well("registry", format!("schema registry {} answers", registry.address)),
            Err(error @ RegistryError::Away { .. }) => Finding::fault(
                "registry",
                error.to_string(),
                "check its address (--schema-registry) and that it can be reached from here",
            ),
            Err(error) => Finding::error("registry", &error),
        });
        asked.push(registry);
    }
}
