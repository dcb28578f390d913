use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::{Answer, Asked, Played, claims};

const NAME: &str = "deltawave-tests";

/// What a vault has under a name.
#[derive(Debug, Clone)]
pub enum Held {
    /// Versions `1`, `2` and so on.
    Versions(Vec<String>),
    /// A secret that can be recovered.
    Deleted,
    /// It answers with this status, code and inner code.
    Refused(u16, &'static str, &'static str),
}

/// A Key Vault, played.
pub struct Vault {
    server: Played,
    secrets: Arc<Mutex<BTreeMap<String, Held>>>,
}

impl Vault {
    pub async fn start() -> Vault {
        let secrets = Arc::<Mutex<BTreeMap<String, Held>>>::default();
        let held = Arc::clone(&secrets);
        let server = Played::https(move |asked: &Asked| answer(asked, &held.lock().unwrap())).await;
        Vault { server, secrets }
    }

    /// What programs take as `--key-vault-url`.
    pub fn url(&self) -> String {
        format!("https://{NAME}.vault.azure.net")
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Adds a version of a secret.
    pub fn set(&self, name: &str, value: &str) {
        let mut secrets = self.secrets.lock().unwrap();
        let held = secrets.entry(name.to_owned()).or_insert_with(|| Held::Versions(Vec::new()));
        match held {
            Held::Versions(versions) => versions.push(value.to_owned()),
            other => *other = Held::Versions(vec![value.to_owned()]),
        }
    }

    pub fn hold(&self, name: &str, held: Held) {
        self.secrets.lock().unwrap().insert(name.to_owned(), held);
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.server.asked()
    }
}

fn answer(asked: &Asked, secrets: &BTreeMap<String, Held>) -> Answer {
    let refused = |status, code: &str, inner: &str| {
        let error = json!({"code": code, "message": "no", "innererror": {"code": inner}});
        Answer::json(status, json!({"error": error}))
    };
    if claims(asked).is_none_or(|claims| claims["aud"] != "https://vault.azure.net") {
        let challenge =
            r#"Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net""#;
        return refused(401, "Unauthorized", "AKV10000").with("www-authenticate", challenge);
    }
    let path = asked.path.split('?').next().unwrap_or_default();
    let mut parts = path.trim_matches('/').split('/');
    let (kind, name, version) = (parts.next(), parts.next().unwrap_or_default(), parts.next());
    let none = || {
        Answer::json(
            404,
            json!({"error": {"code": "SecretNotFound", "message": "A secret was not found in this key vault"}}),
        )
    };
    match (kind, secrets.get(name)) {
        (Some("deletedsecrets"), Some(Held::Deleted)) => Answer::json(200, json!({"recoveryId": "x"})),
        (Some("secrets"), Some(Held::Refused(status, code, inner))) => refused(*status, code, inner),
        (Some("secrets"), Some(Held::Versions(versions))) => {
            let found = match version {
                None => versions.last().map(|value| (versions.len(), value)),
                Some(version) => {
                    let at: usize = version.parse().unwrap_or(0);
                    at.checked_sub(1).and_then(|at| versions.get(at)).map(|value| (at, value))
                }
            };
            let Some((version, value)) = found else { return none() };
            let id = format!("https://{NAME}.vault.azure.net/secrets/{name}/{version}");
            Answer::json(200, json!({"value": value, "id": id, "attributes": {"enabled": true}}))
        }
        _ => none(),
    }
}
