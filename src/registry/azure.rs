use std::fmt;
use std::sync::Arc;

use url::Url;

use super::error::{RegistryError, told};
use crate::azure::identity::Identity;
use crate::azure::{Got, Web};
use crate::base::{Secret, TokenSource as _};
use crate::formats::{SchemaKind, SchemaText};

/// What tokens are for, in every cloud.
const SCOPE: &str = "https://eventhubs.azure.net/.default";
const VERSION: &str = "api-version=2023-07-01";

/// Azure Schema Registry, of one Event Hubs namespace.
#[derive(Debug)]
pub(super) struct Azure {
    host: String,
    web: Web,
    identity: Arc<Identity>,
}

impl Azure {
    pub(super) fn new(host: &str, web: Web, identity: Arc<Identity>) -> Self {
        Azure { host: host.to_owned(), web, identity }
    }

    /// Asks for the names of its groups.
    pub(super) async fn look(&self) -> Result<(), RegistryError> {
        let (got, token) = self.ask("").await?;
        if got.status == 200 { Ok(()) } else { Err(self.refusal(&got, &token)) }
    }

    pub(super) async fn schema(&self, id: &str) -> Result<SchemaText, RegistryError> {
        let (got, token) = self.ask(&format!("/$schemas/{id}")).await?;
        match got.status {
            200 => {
                let Some(kind) = kind(&got.content_type) else {
                    let is = got.content_type;
                    let text = format!("schema {id} in {self} is `{is}`: neither Avro nor JSON Schema nor Protobuf");
                    return Err(RegistryError::Unknown(text));
                };
                let text = String::from_utf8(got.body).map_err(|error| self.away(error.to_string()))?;
                Ok(SchemaText { kind, text, references: Vec::new() })
            }
            404 => {
                let reason = reason(&got, &token);
                Err(RegistryError::Unknown(format!("schema registry {self} does not have schema {id} ({reason})")))
            }
            _ => Err(self.refusal(&got, &token)),
        }
    }

    /// Asks for what is below the groups, with a token, which is given too.
    async fn ask(&self, path: &str) -> Result<(Got, Secret), RegistryError> {
        let url = format!("https://{}/$schemaGroups{path}?{VERSION}", self.host);
        let url: Url = url.parse().map_err(|error| self.away(format!("{error}")))?;
        let token = self.identity.token(SCOPE).await.map_err(RegistryError::unread)?.secret;
        let shown = Secret::new(format!("Bearer {}", token.expose()));
        let got = self.web.get(&url, Some(&shown)).await.map_err(|reason| self.away(reason))?;
        Ok((got, token))
    }

    fn refusal(&self, got: &Got, token: &Secret) -> RegistryError {
        let reason = reason(got, token);
        match got.status {
            401 | 403 => RegistryError::Denied {
                address: self.to_string(),
                reason,
                cure: "give this identity the role Schema Registry Reader on the namespace".to_owned(),
            },
            _ => self.away(format!("it answers {reason}")),
        }
    }

    fn away(&self, reason: String) -> RegistryError {
        RegistryError::Away { address: self.to_string(), reason }
    }
}

/// What was answered, unless it quotes the token.
fn reason(got: &Got, token: &Secret) -> String {
    let text = String::from_utf8_lossy(&got.body);
    format!("{} {}", got.status, told(&text, &[token.expose()])).trim_end().to_owned()
}

/// What a schema is written in, by the content types that the service has; nothing for a custom one.
fn kind(content_type: &str) -> Option<SchemaKind> {
    let content_type = content_type.to_ascii_lowercase();
    let (what, rest) = content_type.split_once(';').unwrap_or((&content_type, ""));
    match (what.trim(), rest.trim().strip_prefix("serialization=").map(str::trim)) {
        ("text/vnd.ms.protobuf", _) => Some(SchemaKind::Protobuf),
        ("application/json", Some("json")) => Some(SchemaKind::Json),
        ("application/json", Some("avro") | None) => Some(SchemaKind::Avro),
        _ => None,
    }
}

impl fmt::Display for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "azure:{}", self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_what_its_content_type_says() {
        for (content_type, wanted) in [
            ("application/json; serialization=Avro", Some(SchemaKind::Avro)),
            ("application/json;serialization=Json", Some(SchemaKind::Json)),
            ("application/json", Some(SchemaKind::Avro)),
            ("text/vnd.ms.protobuf", Some(SchemaKind::Protobuf)),
            ("text/plain; charset=utf-8", None),
        ] {
            assert_eq!(kind(content_type), wanted, "{content_type}");
        }
    }
}
