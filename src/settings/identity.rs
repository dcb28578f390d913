use clap::{Args, ValueEnum};
use url::Url;

use super::Faults;
use crate::azure::blob::BlobAddress;
use crate::azure::identity::{CredentialKind, IdentitySettings};
use crate::base::SecretSource;

/// Flags of every program that reaches Azure's services.
#[derive(Debug, Clone, Args)]
pub(super) struct IdentityArgs {
    /// How to get tokens for Azure's services; auto picks by what the environment offers (docs/azure.md)
    #[arg(long, env = "DELTAWAVE_CREDENTIAL", value_enum, default_value_t = Choice::Auto)]
    credential: Choice,
    /// Client ID of the user-assigned identity to use [default: the only one there is]
    #[arg(long, env = "DELTAWAVE_CLIENT_ID", value_name = "ID")]
    client_id: Option<String>,
    /// The Key Vault of secrets given as keyvault:NAME or keyvault:NAME/VERSION, like https://NAME.vault.azure.net
    #[arg(long, env = "DELTAWAVE_KEY_VAULT_URL", value_name = "URL")]
    key_vault_url: Option<String>,
}

/// The flag of every program that opens a container by a SAS.
#[derive(Debug, Clone, Args)]
pub(super) struct BlobSasArgs {
    /// A SAS for --blob, read again when it is refused: the text itself, file:PATH, or keyvault:NAME[/VERSION]
    #[arg(long, env = "DELTAWAVE_BLOB_SAS", value_name = "SECRET", hide_env_values = true)]
    pub(super) blob_sas: Option<SecretSource>,
}

impl BlobSasArgs {
    /// The SAS, if `blob` has use for one.
    pub(super) fn check(self, blob: Option<&BlobAddress>, faults: &mut Faults) -> Option<SecretSource> {
        if self.blob_sas.is_some() {
            if blob.is_some_and(BlobAddress::is_directory) {
                faults.add("--blob-sas", "a directory (--blob) takes no SAS: leave it out");
            } else if blob.is_some_and(BlobAddress::has_sas) {
                faults.add("--blob-sas", "the address (--blob) has a SAS already: give one of the two");
            }
        }
        self.blob_sas
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    Auto,
    ManagedIdentity,
    Workload,
    Developer,
}

impl IdentityArgs {
    /// The settings, given every secret flag that was set.
    pub(super) fn check(
        self,
        secrets: &[(&str, Option<&SecretSource>)],
        faults: &mut Faults,
    ) -> Option<IdentitySettings> {
        let key_vault = match self.key_vault_url.as_deref().map(vault) {
            None => Some(None),
            Some(url) => faults.check("--key-vault-url", url).map(Some),
        };
        for (flag, source) in secrets {
            let Some(source) = source else { continue };
            if let Some(fault) = source.fault() {
                faults.add(flag, fault);
            } else if source.needs_vault() && self.key_vault_url.is_none() {
                faults.add(flag, format_args!("{source} is in a Key Vault: say which by --key-vault-url"));
            }
        }
        if self.client_id.is_some() && self.credential == Choice::Developer {
            faults.add("--client-id", "is of no use to --credential developer: leave one of the two out");
        }
        let (kind, because) =
            choose(self.credential, self.client_id.is_some(), |name| std::env::var_os(name).is_some());
        Some(IdentitySettings { kind, because, client_id: self.client_id, key_vault: key_vault? })
    }
}

/// What `auto` looks at, in this order.
fn choose(choice: Choice, client_id: bool, is_set: impl Fn(&str) -> bool) -> (CredentialKind, String) {
    let by_flag = |kind| (kind, "--credential says so".to_owned());
    match choice {
        Choice::ManagedIdentity => by_flag(CredentialKind::ManagedIdentity),
        Choice::Workload => by_flag(CredentialKind::Workload),
        Choice::Developer => by_flag(CredentialKind::Developer),
        Choice::Auto => {
            if is_set("AZURE_FEDERATED_TOKEN_FILE") {
                (CredentialKind::Workload, "AZURE_FEDERATED_TOKEN_FILE is set".to_owned())
            } else if is_set("IDENTITY_ENDPOINT") {
                (CredentialKind::ManagedIdentity, "IDENTITY_ENDPOINT is set".to_owned())
            } else if is_set("IDENTITY_HEADER") {
                // All that a container group is told.
                (CredentialKind::ManagedIdentity, "IDENTITY_HEADER is set".to_owned())
            } else if client_id {
                (CredentialKind::ManagedIdentity, "--client-id is given".to_owned())
            } else {
                (CredentialKind::Developer, "nothing names another".to_owned())
            }
        }
    }
}

fn vault(text: &str) -> Result<Url, &'static str> {
    let url: Url = text.parse().map_err(|_| "is not a URL like https://NAME.vault.azure.net")?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if url.scheme() != "https" || url.host_str().is_none() || !bare {
        return Err("is not a vault's https URL like https://NAME.vault.azure.net, with nothing after it");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_looks_in_the_documented_order() {
        let chosen = |client_id, set: &[&str]| choose(Choice::Auto, client_id, |name| set.contains(&name)).0;
        let all = ["AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT"];
        assert_eq!(chosen(true, &all), CredentialKind::Workload);
        assert_eq!(chosen(true, &all[1..]), CredentialKind::ManagedIdentity);
        assert_eq!(chosen(false, &["IDENTITY_HEADER"]), CredentialKind::ManagedIdentity);
        assert_eq!(chosen(true, &[]), CredentialKind::ManagedIdentity);
        assert_eq!(chosen(false, &[]), CredentialKind::Developer);
        assert_eq!(choose(Choice::Developer, true, |_| true).0, CredentialKind::Developer);
    }
}
