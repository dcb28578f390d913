//! Containers and queues as the storage services address them: `SERVICE/NAME`, opened by a key, a SAS or a token.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::ClientOptions;
use time::OffsetDateTime;
use url::Url;

use super::access::{Key, Opener, Sas};
use super::sas;
use super::transport::{Manner, Repeats, options};
use crate::base::Secret;

/// One container or queue of a storage service. `Debug` never shows a SAS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Without a query.
    url: Url,
    name: String,
    access: Access,
}

/// What opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    /// The development account's published key: the address is an emulator's.
    DevelopmentKey,
    /// A shared access signature, as a URL query without `?`.
    Sas(Secret),
    /// Nothing that the address says.
    Token,
}

/// How one service's addresses differ from another's.
pub(super) struct Dialect {
    /// What hosts that carry the account in their name have in it.
    pub label: &'static str,
    /// Said of a path that does not name one thing.
    pub not_one: &'static str,
    /// Said of a bad name.
    pub bad_name: &'static str,
}

/// What an SDK client is made with.
pub(super) struct Connection {
    /// Without a SAS: the transport puts it on each request, where no error and no log of the SDK sees it.
    pub url: Url,
    pub credential: Option<Arc<dyn TokenCredential>>,
    /// The SDK repeats nothing: callers have their own patience.
    pub options: ClientOptions,
    pub opener: Opener,
}

/// Why there is no connection.
pub(super) enum Unopened {
    /// A token is needed and no credential was given.
    NoCredential,
    /// The development SAS could not be made.
    Signature(azure_core::Error),
}

impl Endpoint {
    /// # Errors
    /// What is wrong with the text, to be said after it.
    pub fn parse(text: &str, dialect: &Dialect) -> Result<Self, &'static str> {
        let mut url = Url::parse(text).map_err(|_| "is not a URL")?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("has a user name, a password or a fragment, which storage addresses do not have");
        }
        let query = url.query().map(str::to_owned);
        url.set_query(None);
        let path = url.path().trim_matches('/').to_owned();
        let hosted = url.host_str().is_some_and(|host| host.contains(dialect.label));
        let (account, name) = match path.split_once('/') {
            None if hosted => (None, path.as_str()),
            Some((account, name)) if !hosted => (Some(account), name),
            _ => return Err(dialect.not_one),
        };
        if !is_name(name) {
            return Err(dialect.bad_name);
        }
        let access = match (url.scheme(), account, query) {
            (_, _, Some(query)) if url::form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == "sig") => {
                Access::Sas(Secret::new(query))
            }
            (_, _, Some(_)) => return Err("has a query that is not a SAS (it has no sig)"),
            ("http", Some(sas::DEVELOPMENT_ACCOUNT), None) => Access::DevelopmentKey,
            ("http", ..) => return Err("is not encrypted: http is for the emulator's devstoreaccount1 only"),
            _ => Access::Token,
        };
        url.set_path(&path);
        Ok(Endpoint { name: name.to_owned(), url, access })
    }

    /// The address without its SAS.
    pub fn shown(&self) -> &str {
        self.url.as_str()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn needs_credential(&self) -> bool {
        self.access == Access::Token
    }

    /// Its neighbour whose name has `suffix` after this one's, opened by the same; nothing if no name is so long.
    pub fn neighbour(&self, suffix: &str) -> Option<Self> {
        let name = format!("{}{suffix}", self.name);
        let mut url = self.url.clone();
        url.set_path(&format!("{}{suffix}", self.url.path()));
        is_name(&name).then(|| Endpoint { url, name, access: self.access.clone() })
    }

    /// Whether the address itself has a SAS.
    pub fn has_sas(&self) -> bool {
        matches!(self.access, Access::Sas(_))
    }

    /// Sends nothing. A server may be silent for so long. A token that is not needed is not used; a SAS given beside
    /// the address goes before what the address says.
    pub fn connect(&self, key: Option<Key>, silence: Duration) -> Result<Connection, Unopened> {
        let (credential, sas) = match (key, &self.access) {
            (Some(Key::Sas(sas)), _) => (None, Some(sas)),
            (_, Access::DevelopmentKey) => {
                let query = sas::development(OffsetDateTime::now_utc()).map_err(Unopened::Signature)?;
                (None, Some(Sas::fixed(query)))
            }
            (_, Access::Sas(query)) => (None, Some(Sas::fixed(query.clone()))),
            (Some(Key::Token(credential)), Access::Token) => (Some(credential), None),
            (None, Access::Token) => return Err(Unopened::NoCredential),
        };
        let (opener, manner) = match sas {
            Some(sas) => (Opener::Sas, Manner::Signed(sas)),
            None => (Opener::Token, Manner::Plain),
        };
        let options = options(silence, Repeats::Never, manner);
        Ok(Connection { url: self.url.clone(), credential, options, opener })
    }
}

/// The same rule for containers and for queues.
fn is_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.split('-').all(|part| !part.is_empty())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// What may be shown of a text that could be a SAS URL or, by mistake, a connection string or a key.
pub(super) fn without_secrets(text: &str) -> String {
    let shown = text.split(['?', ';']).next().unwrap_or_default();
    let lower = shown.to_ascii_lowercase();
    if lower.contains("key=") || lower.contains("sig=") || shown.contains('@') {
        return "…".to_owned();
    }
    shown.to_owned()
}
