//! Key Vault secrets.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::http::Url;
use azure_security_keyvault_secrets::SecretClient;
use azure_security_keyvault_secrets::models::SecretClientGetSecretOptions;

use crate::base::{Secret, SecretError, chain};

/// One vault.
pub(super) struct Vault {
    client: SecretClient,
    url: String,
}

impl Vault {
    /// Sends nothing.
    pub fn open(url: &Url, credential: Arc<dyn TokenCredential>) -> Result<Self, SecretError> {
        let client = SecretClient::new(url.as_str(), credential, None)
            .map_err(|error| SecretError(format!("--key-vault-url {url} cannot be used: {}", chain(&error))))?;
        Ok(Vault { client, url: url.to_string() })
    }

    /// A secret's newest version, or the one named.
    pub async fn secret(&self, name: &str, version: Option<&str>) -> Result<Secret, SecretError> {
        let options = SecretClientGetSecretOptions { secret_version: version.map(str::to_owned), ..Default::default() };
        let failed =
            |reason: &str| SecretError(format!("secret {name} cannot be read from vault {}: {reason}", self.url));
        let secret = self.client.get_secret(name, Some(options)).await.map_err(|error| failed(&chain(&error)))?;
        let value = secret.into_model().map_err(|error| failed(&chain(&error)))?.value;
        value.map(Secret::new).ok_or_else(|| failed("it has no value"))
    }
}
