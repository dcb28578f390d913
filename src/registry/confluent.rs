use std::collections::HashSet;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::error::{RegistryError, told};
use crate::azure::{Got, Web};
use crate::base::{RotatingSecret, Secret};
use crate::formats::{SchemaKind, SchemaText};

/// Schemas that one may name, directly or by others.
const MOST_REFERENCES: usize = 200;

/// What bodies are called towards one.
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A registry that speaks Confluent's API.
#[derive(Debug)]
pub(super) struct Confluent {
    base: Url,
    web: Web,
    user: Option<String>,
    password: Option<RotatingSecret>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    schema: String,
    #[serde(default)]
    schema_type: Option<String>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: i64,
}

#[derive(Deserialize)]
struct Registered {
    id: u32,
}

#[derive(Deserialize)]
struct Refusal {
    error_code: i64,
    #[serde(default)]
    message: String,
}

impl Confluent {
    pub(super) fn new(base: &Url, web: Web, user: Option<String>, password: Option<RotatingSecret>) -> Self {
        Confluent { base: base.clone(), web, user, password }
    }

    pub(super) async fn schema(&self, id: u32) -> Result<SchemaText, RegistryError> {
        let main = self.ask(&["schemas", "ids", &id.to_string()]).await?;
        let kind = match main.schema_type.as_deref() {
            None | Some("AVRO") => SchemaKind::Avro,
            Some("PROTOBUF") => SchemaKind::Protobuf,
            Some("JSON") => SchemaKind::Json,
            Some(other) => {
                return Err(RegistryError::Unknown(format!(
                    "schema {id} in {self} is of type {other}, which is none of ours"
                )));
            }
        };
        // Those that others need come before them.
        let (mut references, mut seen) = (Vec::new(), HashSet::new());
        let mut waiting: Vec<(Reference, bool)> = flat(main.references);
        let mut texts = std::collections::HashMap::new();
        while let Some((reference, asked)) = waiting.pop() {
            if asked {
                if let Some(text) = texts.remove(&reference.name) {
                    references.push((reference.name, text));
                }
                continue;
            }
            if !seen.insert(reference.name.clone()) {
                continue;
            }
            if seen.len() > MOST_REFERENCES {
                return Err(RegistryError::Unknown(format!(
                    "schema {id} in {self} names more than {MOST_REFERENCES} others"
                )));
            }
            let found = self.ask(&["subjects", &reference.subject, "versions", &reference.version.to_string()]).await?;
            texts.insert(reference.name.clone(), found.schema);
            waiting.push((reference, true));
            waiting.extend(flat(found.references));
        }
        Ok(SchemaText { kind, text: main.schema, references })
    }

    /// Asks for what every such registry tells.
    pub(super) async fn look(&self) -> Result<(), RegistryError> {
        self.sent::<Vec<String>>(&["schemas", "types"], None).await.map(|_| ())
    }

    /// Puts a schema under a subject, unless it is there already: its number is the same then.
    pub(super) async fn register(&self, subject: &str, schema: &SchemaText) -> Result<u32, RegistryError> {
        let kind = match schema.kind {
            SchemaKind::Avro => "AVRO",
            SchemaKind::Protobuf => "PROTOBUF",
            SchemaKind::Json => "JSON",
        };
        let given = serde_json::json!({"schema": schema.text, "schemaType": kind}).to_string();
        let path = ["subjects", subject, "versions"];
        let Registered { id } = self.sent(&path, Some(&given)).await?;
        Ok(id)
    }

    async fn ask(&self, path: &[&str]) -> Result<Answer, RegistryError> {
        self.sent(path, None).await
    }

    /// Asks for what is there, or gives a body for it.
    async fn sent<T: DeserializeOwned>(&self, path: &[&str], given: Option<&str>) -> Result<T, RegistryError> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(path)),
            Err(()) => return Err(self.away("its address has no room for a path".to_owned())),
        }
        let what = path.join("/");
        let once = async |shown: Option<&Secret>| {
            let answer = match given {
                None => self.web.get(&url, shown).await,
                Some(body) => self.web.post(&url, shown, CONTENT_TYPE, body.to_owned()).await,
            };
            answer.map_err(|reason| self.away(reason))
        };
        let mut shown = self.authorization();
        let mut got = once(shown.as_ref()).await?;
        if matches!(got.status, 401 | 403)
            && let Some(password) = &self.password
            && password.renew(&password.current()).await.map_err(RegistryError::unread)?
        {
            shown = self.authorization();
            got = once(shown.as_ref()).await?;
        }
        match got.status {
            200 => serde_json::from_slice(&got.body)
                .map_err(|error| self.away(format!("its answer to {what} is none of a registry's ({error})"))),
            status => Err(self.refusal(status, &what, &got, shown.as_ref(), given.is_some())),
        }
    }

    fn refusal(&self, status: u16, what: &str, got: &Got, shown: Option<&Secret>, given: bool) -> RegistryError {
        let refusal: Option<Refusal> = serde_json::from_slice(&got.body).ok();
        let password = self.password.as_ref().map(RotatingSecret::current);
        let shown = shown.map_or("", Secret::expose).trim_start_matches("Basic ");
        let secrets = [shown, password.as_ref().map_or("", Secret::expose)];
        let said = refusal.as_ref().map_or(String::new(), |refusal| format!(" {}", told(&refusal.message, &secrets)));
        let reason = format!("{status}{said}");
        match (status, refusal) {
            // A registry says which it has not; a page in its place does not.
            (404, Some(refusal)) if refusal.error_code >= 404 => {
                RegistryError::Unknown(format!("schema registry {self} does not have {what} ({reason})"))
            }
            // What is there already and has to stay readable, or a schema that it cannot read.
            (409 | 422, Some(_)) if given => {
                RegistryError::Unfit(format!("schema registry {self} takes no such schema as {what} ({reason})"))
            }
            (401 | 403, _) => RegistryError::Denied {
                address: self.to_string(),
                reason,
                cure: format!(
                    "see that --schema-registry-user and --schema-registry-password are right, and may {} its schemas",
                    if given { "write" } else { "read" }
                ),
            },
            _ => self.away(format!("it answers {reason} to {what}")),
        }
    }

    fn away(&self, reason: String) -> RegistryError {
        RegistryError::Away { address: self.to_string(), reason }
    }

    fn authorization(&self) -> Option<Secret> {
        if self.user.is_none() && self.password.is_none() {
            return None;
        }
        let password = self.password.as_ref().map(RotatingSecret::current);
        let (user, password) = (self.user.as_deref().unwrap_or_default(), password.as_ref().map_or("", Secret::expose));
        Some(Secret::new(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))))
    }
}

fn flat(references: Option<Vec<Reference>>) -> Vec<(Reference, bool)> {
    references.into_iter().flatten().map(|reference| (reference, false)).collect()
}

impl fmt::Display for Confluent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.base.as_str().trim_end_matches('/').fmt(f)
    }
}
