use clap::Args;

use super::{Faults, Route};
use crate::base::SecretSource;
use crate::registry::{RegistryAddress, RegistrySettings};

/// Flags of every program that decodes bodies whose schema is in a registry.
#[derive(Debug, Clone, Args)]
pub(super) struct RegistryArgs {
    /// Schema registry of formats that need one: the URL of one with Confluent's API, or azure:NAMESPACE, which is asked
    /// with the program's own identity; a route may name its own by registry=
    #[arg(long, env = "DELTAWAVE_SCHEMA_REGISTRY", value_name = "URL|azure:NAMESPACE")]
    schema_registry: Option<String>,
    /// User, or API key, towards a registry with Confluent's API
    #[arg(long, env = "DELTAWAVE_SCHEMA_REGISTRY_USER", value_name = "USER")]
    schema_registry_user: Option<String>,
    /// Its password: as it is, file:PATH, or keyvault:NAME; read again when it is refused
    #[arg(long, env = "DELTAWAVE_SCHEMA_REGISTRY_PASSWORD", value_name = "SECRET", hide_env_values = true)]
    pub(super) schema_registry_password: Option<SecretSource>,
}

/// The registry of all routes that name none, and how every one is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registries {
    /// Of routes that name none.
    address: Option<RegistryAddress>,
    user: Option<String>,
    password: Option<SecretSource>,
}

impl Registries {
    /// That of a route, if there is one.
    pub fn of(&self, own: Option<&RegistryAddress>) -> Option<RegistrySettings> {
        let address = own.or(self.address.as_ref())?.clone();
        Some(RegistrySettings { address, user: self.user.clone(), password: self.password.clone() })
    }
}

impl RegistryArgs {
    /// The registries; each route whose format needs one must have one.
    pub(super) fn check(self, routes: Option<&[Route]>, faults: &mut Faults) -> Option<Registries> {
        let address = match self.schema_registry.as_deref().map(str::parse::<RegistryAddress>) {
            None => None,
            Some(parsed) => Some(faults.check("--schema-registry", parsed)?),
        };
        for route in routes.into_iter().flatten() {
            if route.format.needs_registry(route.validate) && route.registry.is_none() && address.is_none() {
                let format = route.format;
                faults.add(
                    "--schema-registry",
                    format_args!("is missing: route {route} has format={format}, whose schemas are in a registry"),
                );
            }
        }
        Some(Registries { address, user: self.schema_registry_user, password: self.schema_registry_password })
    }
}
