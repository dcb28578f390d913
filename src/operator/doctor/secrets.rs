use std::sync::Arc;

use super::finding::{Finding, Findings};
use crate::azure::identity::Identity;
use crate::base::SecretReader as _;
use crate::kafka::{EventHubAccess, Proof, Security};
use crate::settings::{LiveSource, LoaderSettings};

/// Reads every secret that is kept elsewhere.
pub(super) async fn look(settings: &LoaderSettings, identity: &Arc<Identity>, findings: &mut Findings) {
    let registries = settings.routes.iter().filter_map(|route| settings.registries.of(route.registry.as_ref()));
    let connection = match &settings.log {
        Some(Ok(LiveSource::Kafka(brokers))) => brokers.iter().find_map(|(_, kafka)| match &kafka.security {
            Security::EventHub(EventHubAccess { proof: Proof::ConnectionString(source), .. }) => Some(source.clone()),
            _ => None,
        }),
        _ => None,
    };
    let sources = [
        ("--store-password", settings.store_password.clone()),
        ("--blob-sas", settings.blob_sas.clone()),
        ("--notifications-sas", settings.notifications.as_ref().and_then(|notifications| notifications.sas.clone())),
        ("--schema-registry-password", registries.filter_map(|registry| registry.password).next()),
        ("--connection-string", connection),
    ];
    for (flag, source) in sources {
        let Some(source) = &source else { continue };
        findings.add(match identity.read(source).await {
            Ok(_) => Finding::well("secret", format!("{flag}: read from {source}")),
            Err(error) => Finding::error("secret", &format_args!("{flag}: {error}")),
        });
    }
}
