use clap::Args;

use super::{Faults, Route};
use crate::base::SecretSource;
use crate::formats::FormatName;
use crate::registry::{RegistryAddress, RegistrySettings};

/// Flags of every program that decodes bodies whose schema is in a registry.
#[derive(Debug, Clone, Args)]
pub(super) struct RegistryArgs {
    /// Schema registry of formats that need one: the URL of one with Confluent's API, or azure:NAMESPACE, which is asked
    /// with the program's own identity; a route may name its own by registry=
    #[arg(long, env = "DELTAWAVE_SCHEMA_REGISTRY", value_name = "URL|azure:NAMESPACE")]
    schema_registry: Option<String>,
    #[command(flatten)]
    login: RegistryLoginArgs,
}

/// How a registry with Confluent's API lets a program in.
#[derive(Debug, Clone, Args)]
pub(super) struct RegistryLoginArgs {
    /// User, or API key, towards a registry with Confluent's API
    #[arg(long, env = "DELTAWAVE_SCHEMA_REGISTRY_USER", value_name = "USER")]
    schema_registry_user: Option<String>,
    /// Its password: as it is, file:PATH, or keyvault:NAME; read again when it is refused
    #[arg(long, env = "DELTAWAVE_SCHEMA_REGISTRY_PASSWORD", value_name = "SECRET", hide_env_values = true)]
    schema_registry_password: Option<SecretSource>,
}

/// The flag of every program that gives a registry the schema of what it sends.
#[derive(Debug, Clone, Args)]
pub(super) struct RegistryToFillArgs {
    /// Schema registry of --format avro, by its URL: one with Confluent's API, which is given the events' schema
    #[arg(long, env = "DELTAWAVE_SCHEMA_REGISTRY", value_name = "URL")]
    schema_registry: Option<String>,
    #[command(flatten)]
    login: RegistryLoginArgs,
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
    /// The password, by its flag.
    pub(super) fn secret(&self) -> (&'static str, Option<SecretSource>) {
        self.login.secret()
    }

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
        let at_azure = |route: &&Route| {
            let address = route.registry.as_ref().or(address.as_ref());
            matches!(address, Some(RegistryAddress::Azure(_)))
        };
        let protobuf = |route: &&Route| route.format == FormatName::Protobuf;
        for route in routes.into_iter().flatten().filter(protobuf).filter(at_azure) {
            faults.add(
                "--schema-registry",
                format_args!(
                    "is Azure's: route {route} has format=protobuf, which is read in Confluent's wire format, by a registry \
                     with Confluent's API"
                ),
            );
        }
        let RegistryLoginArgs { schema_registry_user: user, schema_registry_password: password } = self.login;
        Some(Registries { address, user, password })
    }
}

impl RegistryLoginArgs {
    fn secret(&self) -> (&'static str, Option<SecretSource>) {
        ("--schema-registry-password", self.schema_registry_password.clone())
    }
}

impl RegistryToFillArgs {
    /// The password, by its flag.
    pub(super) fn secret(&self) -> (&'static str, Option<SecretSource>) {
        self.login.secret()
    }

    /// The registry that --format avro needs.
    pub(super) fn check(self, faults: &mut Faults) -> Option<RegistrySettings> {
        let Some(text) = self.schema_registry else {
            faults.add("--schema-registry", "is missing: --format avro writes by a schema that a registry keeps");
            return None;
        };
        let address = faults.check("--schema-registry", text.parse::<RegistryAddress>())?;
        if matches!(address, RegistryAddress::Azure(_)) {
            faults.add(
                "--schema-registry",
                "must be the URL of one with Confluent's API: generated events have no content type, by which Azure's \
                 registry is named",
            );
            return None;
        }
        let RegistryLoginArgs { schema_registry_user: user, schema_registry_password: password } = self.login;
        Some(RegistrySettings { address, user, password })
    }
}
