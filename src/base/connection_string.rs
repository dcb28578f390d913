use super::Secret;

/// Why a text cannot be used as an event hub's connection string. Shows no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionStringError {
    /// No `Endpoint=sb://HOST/`.
    #[error("is not a connection string: copy the whole of it, which begins with Endpoint=sb://")]
    NoEndpoint,
    /// Nothing that proves anything.
    #[error("has no key: copy the whole of it, with SharedAccessKeyName and SharedAccessKey")]
    NoKey,
    /// Another namespace's.
    #[error("is for the namespace {found}, and --event-hub names {wanted}: use the one that belongs to the other")]
    Namespace {
        /// The connection string's host.
        found: String,
        /// The host asked for.
        wanted: String,
    },
    /// Another hub's.
    #[error(
        "is for the event hub {found} (EntityPath), and --event-hub names {wanted}: use the one that belongs to the other"
    )]
    Hub {
        /// The connection string's hub.
        found: String,
        /// The hub asked for.
        wanted: String,
    },
}

/// What a connection string of a namespace, or of one of its hubs, proves with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionString {
    /// A policy's key, by which signatures are made.
    Key {
        /// The policy.
        name: String,
        /// Its key.
        key: Secret,
    },
    /// A signature that somebody made.
    Signature(Secret),
}

impl ConnectionString {
    /// Takes it apart, if it is whole and for this hub, or for its whole namespace.
    ///
    /// # Errors
    /// What is wrong with it; the message continues "the connection string".
    pub fn parse(text: &Secret, host: &str, hub: &str) -> Result<Self, ConnectionStringError> {
        let field = |name: &str| {
            text.expose().trim().split(';').find_map(|part| {
                let (key, value) = part.split_once('=')?;
                (key.trim().eq_ignore_ascii_case(name) && !value.trim().is_empty()).then(|| value.trim())
            })
        };
        let endpoint = field("Endpoint").and_then(|endpoint| endpoint.strip_prefix("sb://"));
        let found = endpoint.ok_or(ConnectionStringError::NoEndpoint)?.trim_end_matches('/');
        let found = found.split_once(':').map_or(found, |(found, _)| found);
        if !found.eq_ignore_ascii_case(host) {
            return Err(ConnectionStringError::Namespace { found: found.to_owned(), wanted: host.to_owned() });
        }
        if let Some(found) = field("EntityPath")
            && !found.eq_ignore_ascii_case(hub)
        {
            return Err(ConnectionStringError::Hub { found: found.to_owned(), wanted: hub.to_owned() });
        }
        match (field("SharedAccessKeyName"), field("SharedAccessKey"), field("SharedAccessSignature")) {
            (Some(name), Some(key), _) => Ok(ConnectionString::Key { name: name.to_owned(), key: Secret::new(key) }),
            (_, _, Some(signature)) => Ok(ConnectionString::Signature(Secret::new(signature))),
            _ => Err(ConnectionStringError::NoKey),
        }
    }
}

/// Checks that a connection string is whole and for this hub, or for its whole namespace.
///
/// # Errors
/// As [`ConnectionString::parse`].
pub fn check_connection_string(text: &Secret, host: &str, hub: &str) -> Result<(), ConnectionStringError> {
    ConnectionString::parse(text, host, hub).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "contoso.servicebus.windows.net";

    fn check(text: &str) -> Result<(), String> {
        check_connection_string(&Secret::new(text), HOST, "events").map_err(|error| error.to_string())
    }

    #[test]
    fn a_namespaces_and_the_hubs_own_are_taken() {
        let key = "SharedAccessKeyName=send;SharedAccessKey=abc=";
        for text in [
            format!("Endpoint=sb://{HOST}/;{key}"),
            format!("endpoint=sb://Contoso.servicebus.windows.net;{key};EntityPath=events\n"),
            format!("{key};Endpoint=sb://{HOST}:5671/"),
            format!("Endpoint=sb://{HOST}/;SharedAccessSignature=SharedAccessSignature sr=x&sig=y"),
        ] {
            assert_eq!(check(&text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_key_goes_before_a_signature() {
        let read = |proof: &str| {
            ConnectionString::parse(&Secret::new(format!("Endpoint=sb://{HOST}/;{proof}")), HOST, "events").unwrap()
        };
        let signature = "SharedAccessSignature=SharedAccessSignature sr=x&sig=y";
        let key = ConnectionString::Key { name: "send".to_owned(), key: Secret::new("abc=") };
        assert_eq!(read(&format!("{signature};SharedAccessKeyName=send;SharedAccessKey=abc=")), key);
        let signature = ConnectionString::Signature(Secret::new("SharedAccessSignature sr=x&sig=y"));
        assert_eq!(read("SharedAccessSignature=SharedAccessSignature sr=x&sig=y"), signature);
    }

    #[test]
    fn what_is_wrong_is_named_and_the_key_is_not() {
        let key = "SharedAccessKeyName=send;SharedAccessKey=hunter2";
        for (text, words) in [
            (format!("hunter2;{key}"), "begins with Endpoint=sb://"),
            (format!("Endpoint=sb://{HOST}/;SharedAccessKeyName=hunter2;SharedAccessKey="), "has no key"),
            (format!("Endpoint=sb://other.servicebus.windows.net/;{key}"), "namespace other.servicebus.windows.net"),
            (format!("Endpoint=sb://{HOST}/;{key};EntityPath=logs"), "event hub logs (EntityPath)"),
        ] {
            let error = check(&text).unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
    }
}
