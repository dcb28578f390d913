//! Schema registries of routes whose bodies name schemas.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::finding::{Finding, Findings};
use crate::azure::identity::Identity;
use crate::formats::SchemaId;
use crate::registry::{Registry, RegistryAddress, RegistryError, RegistrySettings};
use crate::settings::LoaderSettings;

/// How long a registry may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Names of schemas that there are none of: whoever knows that, answers.
const NUMBER: u32 = 0;
const GUID: &str = "00000000000000000000000000000000";

pub(super) async fn look(settings: &LoaderSettings, identity: &Arc<Identity>, findings: &mut Findings) {
    let wanting = settings.routes.iter().filter(|route| route.format.needs_registry(route.validate));
    let registries = wanting.filter_map(|route| settings.registries.of(route.registry.as_ref()));
    let each: BTreeMap<String, RegistrySettings> =
        registries.map(|registry| (registry.address.to_string(), registry)).collect();
    for (address, registry) in each {
        let id = match &registry.address {
            RegistryAddress::Confluent(_) => SchemaId::Number(NUMBER),
            RegistryAddress::Azure(_) => SchemaId::Guid(GUID.to_owned()),
        };
        let asked = async { Registry::open(&registry, identity).await?.schema(&id).await };
        findings.add(match timeout(LIMIT, asked).await {
            Ok(Ok(_) | Err(RegistryError::Unknown(_))) => Finding::well("registry", format!("{address} answers")),
            Ok(Err(error)) => Finding::error("registry", &error),
            Err(_) => {
                let text = format!("{address} has not answered for {} s", LIMIT.as_secs());
                Finding::fault("registry", text, "check its address, and the proxy if there is one")
            }
        });
    }
}
