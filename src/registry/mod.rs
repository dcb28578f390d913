//! Schema registries: Confluent's API, which others speak too, and Azure's.
//!
//! A registry is asked for a schema once, and only when a record names it.

mod address;
mod azure;
mod confluent;
mod error;

use std::sync::Arc;

pub use address::RegistryAddress;
pub use error::RegistryError;

use crate::azure::Web;
use crate::azure::identity::Identity;
use crate::base::SecretSource;
use crate::formats::{SchemaId, SchemaText};
use azure::Azure;
use confluent::Confluent;

/// Where schemas are, and how the program is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrySettings {
    /// The registry.
    pub address: RegistryAddress,
    /// Who this is towards one of Confluent's API.
    pub user: Option<String>,
    /// The password, or the key's secret.
    pub password: Option<SecretSource>,
}

impl RegistrySettings {
    /// Of one that asks nobody who it is.
    pub fn open_to_all(address: RegistryAddress) -> Self {
        RegistrySettings { address, user: None, password: None }
    }
}

/// A registry that is asked for schemas.
#[derive(Debug)]
pub struct Registry(Kind);

#[derive(Debug)]
enum Kind {
    Confluent(Confluent),
    Azure(Azure),
}

impl Registry {
    /// Sends nothing; reads the password.
    ///
    /// # Errors
    /// [`RegistryError::NoProof`] when the password cannot be read.
    pub async fn open(settings: &RegistrySettings, identity: &Arc<Identity>) -> Result<Self, RegistryError> {
        let web = Web::new();
        Ok(Registry(match &settings.address {
            RegistryAddress::Azure(host) => Kind::Azure(Azure::new(host, web, Arc::clone(identity))),
            RegistryAddress::Confluent(url) => {
                let password = match &settings.password {
                    Some(source) => Some(identity.secret(source).await.map_err(RegistryError::unread)?),
                    None => None,
                };
                Kind::Confluent(Confluent::new(url, web, settings.user.clone(), password))
            }
        }))
    }

    /// Whether it answers, and lets the program in.
    ///
    /// # Errors
    /// When it does not.
    pub async fn look(&self) -> Result<(), RegistryError> {
        match &self.0 {
            Kind::Confluent(registry) => registry.look().await,
            Kind::Azure(registry) => registry.look().await,
        }
    }

    /// Puts a schema, which names no others, under a subject; gives the number that records name it by. Repeating it
    /// does no harm.
    ///
    /// # Errors
    /// [`RegistryError::Unfit`] when the registry takes no such schema there.
    pub async fn register(&self, subject: &str, schema: &SchemaText) -> Result<u32, RegistryError> {
        match &self.0 {
            Kind::Confluent(registry) => registry.register(subject, schema).await,
            Kind::Azure(registry) => {
                Err(RegistryError::Unfit(format!("schemas are put into {registry} by Azure's own tools")))
            }
        }
    }

    /// A schema, with those it names.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] when the registry has none such.
    pub async fn schema(&self, id: &SchemaId) -> Result<SchemaText, RegistryError> {
        match (&self.0, id) {
            (Kind::Confluent(registry), SchemaId::Number(number)) => registry.schema(*number).await,
            (Kind::Azure(registry), SchemaId::Guid(guid)) => registry.schema(guid).await,
            (Kind::Confluent(registry), SchemaId::Guid(guid)) => Err(RegistryError::Unknown(format!(
                "the record names schema {guid} as Azure's registries do, and {registry} is none of them"
            ))),
            (Kind::Azure(registry), SchemaId::Number(number)) => Err(RegistryError::Unknown(format!(
                "the record names schema {number} as Confluent's format does, and {registry} is Azure's"
            ))),
        }
    }
}
