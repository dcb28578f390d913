//! Key Vault secrets.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::Url;
use azure_security_keyvault_secrets::models::SecretClientGetSecretOptions;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use serde::Deserialize;

use super::failure::{root, unsaid};
use super::transport::{Manner, Repeats, options};
use crate::base::{Secret, SecretError, chain};

/// How long a vault may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// One vault.
pub(super) struct Vault {
    client: SecretClient,
    /// As people know it, like `https://NAME.vault.azure.net`.
    url: String,
}

impl Vault {
    /// Sends nothing.
    pub fn open(url: &Url, credential: Arc<dyn TokenCredential>) -> Result<Self, SecretError> {
        let shown = url.as_str().trim_end_matches('/').to_owned();
        // That a vault asks for tokens of its own kind only is checked by the SDK, as long as nobody says otherwise.
        let client_options = options(SILENCE, Repeats::AFewTimes, Manner::Plain);
        let options = SecretClientOptions { client_options, ..SecretClientOptions::default() };
        let client = SecretClient::new(url.as_str(), credential, Some(options))
            .map_err(|error| SecretError::new(format!("--key-vault-url {shown} cannot be used: {}", root(&error))))?;
        Ok(Vault { client, url: shown })
    }

    /// A secret's newest version, or the one named.
    pub async fn secret(&self, name: &str, version: Option<&str>) -> Result<Secret, SecretError> {
        let options = SecretClientGetSecretOptions { secret_version: version.map(str::to_owned), ..Default::default() };
        let wanted = Wanted { vault: &self.url, name, version };
        let secret = match self.client.get_secret(name, Some(options)).await {
            Ok(secret) => secret,
            Err(error) => {
                let failure = Failure::of(&error);
                // Only who may look at deleted secrets learns that it is one.
                let deleted = matches!(failure, Failure::Refused { status: 404, .. })
                    && version.is_none()
                    && self.client.get_deleted_secret(name, None).await.is_ok();
                return Err(if deleted { wanted.deleted() } else { wanted.explain(failure) });
            }
        };
        let value = secret.into_model().map_err(|_| wanted.explain(Failure::Nonsense))?.value;
        value.map(Secret::new).ok_or_else(|| wanted.explain(Failure::Nonsense))
    }
}

/// What a failure comes down to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// An answer of this status with this code, the innermost there is.
    Refused { status: u16, code: String },
    /// No answer.
    Away(String),
    /// The identity's own sentence.
    NoToken(String),
    /// It asks for a token of something that is no vault.
    NoVault,
    /// An answer that is none of a vault's.
    Nonsense,
}

/// How a vault says no.
#[derive(Deserialize)]
struct Body {
    error: Code,
}

#[derive(Deserialize)]
struct Code {
    code: Option<String>,
    innererror: Option<Box<Code>>,
}

impl Code {
    fn innermost(self) -> Option<String> {
        self.innererror.and_then(|inner| inner.innermost()).or(self.code)
    }
}

impl Failure {
    fn of(error: &azure_core::Error) -> Self {
        match error.kind() {
            ErrorKind::HttpResponse { status, error_code, raw_response } => {
                let body = raw_response.as_deref().map(|answer| answer.body().as_ref()).unwrap_or_default();
                let said = serde_json::from_slice::<Body>(body).ok().and_then(|body| body.error.innermost());
                Failure::Refused {
                    status: u16::from(*status),
                    code: unsaid(&said.or_else(|| error_code.clone()).unwrap_or_default()),
                }
            }
            ErrorKind::Connection | ErrorKind::Io => Failure::Away(root(error)),
            ErrorKind::Credential => Failure::NoToken(error.to_string()),
            _ if chain(error).contains("challenge") => Failure::NoVault,
            _ => Failure::Nonsense,
        }
    }
}

/// What was asked for, for its error.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    vault: &'a str,
    name: &'a str,
    version: Option<&'a str>,
}

impl Wanted<'_> {
    fn explain(self, failure: Failure) -> SecretError {
        let Wanted { vault, name, version } = self;
        let secret = match version {
            Some(version) => format!("secret {name}/{version}"),
            None => format!("secret {name}"),
        };
        let stays = |text: String| SecretError::new(text);
        match failure {
            Failure::Refused { status: 404, .. } => SecretError::missing(format!(
                "{vault} has no {secret}: create it, or correct the name (keyvault:NAME[/VERSION])"
            )),
            Failure::Refused { status: 403, code } => stays(match &*code {
                "ForbiddenByFirewall" | "ForbiddenByConnection" => format!(
                    "the firewall of {vault} keeps this network out ({code}): let it through, or use a private endpoint"
                ),
                "SecretDisabled" => format!("{secret} of {vault} is disabled: enable it, or name another version"),
                _ => format!(
                    "the program's identity may not read {secret} of {vault} (403 {code}): give it the role Key Vault \
                     Secrets User"
                ),
            }),
            Failure::Refused { status: 401, code } => stays(format!(
                "{vault} does not accept the token (401 {code}): see that --credential gives one of the vault's own \
                 tenant"
            )),
            Failure::Refused { status, code } if matches!(status, 408 | 429 | 500..) => SecretError::passing(format!(
                "{vault} cannot give {secret} now ({status} {code}): wait, or look at the service's status"
            )),
            Failure::Refused { status, code } => {
                stays(format!("{vault} refuses {secret} ({status} {code}): look the code up in its documentation"))
            }
            Failure::Away(reason) => SecretError::passing(format!(
                "{vault} cannot be reached ({reason}): check --key-vault-url, and that DNS and the network lead there"
            )),
            Failure::NoToken(reason) => SecretError::passing(format!("no token for {vault}: {reason}")),
            Failure::NoVault => stays(format!(
                "{vault} is no Key Vault (it asks for a token of another service): correct --key-vault-url"
            )),
            Failure::Nonsense => stays(format!("{vault} does not answer as a Key Vault does: correct --key-vault-url")),
        }
    }

    fn deleted(self) -> SecretError {
        let Wanted { vault, name, .. } = self;
        SecretError::new(format!(
            "secret {name} of {vault} was deleted: bring it back with `az keyvault secret recover` (a certificate with \
             `az keyvault certificate recover`), or create another"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_one_sentence_with_a_cure() {
        let wanted = Wanted { vault: "https://v.vault.azure.net", name: "sas", version: None };
        let refused = |status, code: &str| Failure::Refused { status, code: code.to_owned() };
        for (failure, passes, words) in [
            (refused(404, "SecretNotFound"), false, "has no secret sas: create it"),
            (refused(403, "ForbiddenByFirewall"), false, "keeps this network out"),
            (refused(403, "ForbiddenByConnection"), false, "private endpoint"),
            (refused(403, "ForbiddenByRbac"), false, "role Key Vault Secrets User"),
            (refused(403, "AccessDenied"), false, "role Key Vault Secrets User"),
            (refused(403, "SecretDisabled"), false, "is disabled: enable it"),
            (refused(401, "Unauthorized"), false, "vault's own tenant"),
            (refused(429, "Throttled"), true, "cannot give secret sas now (429 Throttled)"),
            (refused(400, "BadParameter"), false, "refuses secret sas (400 BadParameter)"),
            (Failure::Away("no such host".to_owned()), true, "check --key-vault-url, and that DNS"),
            (Failure::NoToken("run `az login`".to_owned()), true, "no token for https://v.vault.azure.net: run"),
            (Failure::NoVault, false, "is no Key Vault"),
            (Failure::Nonsense, false, "does not answer as a Key Vault"),
        ] {
            let error = wanted.explain(failure);
            assert!(error.to_string().contains(words) && !error.to_string().contains('\n'), "{error}");
            assert_eq!(error.is_transient(), passes, "{error}");
        }
        let version = Wanted { version: Some("0af1"), ..wanted };
        let missing = version.explain(refused(404, ""));
        assert!(missing.is_missing() && missing.to_string().contains("has no secret sas/0af1"), "{missing}");
        assert!(wanted.deleted().to_string().contains("az keyvault secret recover"));
    }

    #[test]
    fn the_innermost_code_says_most() {
        let body = br#"{"error":{"code":"Forbidden","message":"no","innererror":{"code":"ForbiddenByRbac"}}}"#;
        let body: Body = serde_json::from_slice(body).unwrap();
        assert_eq!(body.error.innermost().as_deref(), Some("ForbiddenByRbac"));
    }
}
