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

use crate::azure::Getter;
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
        let getter = Getter::new();
        Ok(Registry(match &settings.address {
            RegistryAddress::Azure(host) => Kind::Azure(Azure::new(host, getter, Arc::clone(identity))),
            RegistryAddress::Confluent(url) => {
                let password = match &settings.password {
                    Some(source) => Some(identity.secret(source).await.map_err(RegistryError::unread)?),
                    None => None,
                };
                Kind::Confluent(Confluent::new(url, getter, settings.user.clone(), password))
            }
        }))
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
