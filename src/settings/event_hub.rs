use std::fmt;
use std::str::FromStr;

use crate::capture::Hub;

/// The domain of namespaces outside sovereign clouds.
const PUBLIC_CLOUD: &str = "servicebus.windows.net";

/// An event hub in Azure, written `NAMESPACE/HUB`, or with the namespace's full host name for a sovereign cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHub {
    /// The namespace's host name, such as `NAMESPACE.servicebus.windows.net`, in lower case.
    pub host: String,
    /// The namespace: the first label of the host name.
    pub namespace: String,
    /// The event hub's own name.
    pub hub: String,
}

/// Why a text names no event hub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEventHub {
    /// Not two names with a slash between them.
    #[error("`{0}` is not NAMESPACE/HUB, for example my-namespace/user-events")]
    Form(String),
    /// The part before the slash.
    #[error(
        "`{0}` is not an Event Hubs namespace: use its name (6 to 50 letters, digits and hyphens, a letter first) or \
         its host name NAMESPACE.{PUBLIC_CLOUD}"
    )]
    Namespace(String),
    /// The part after the slash.
    #[error(
        "`{0}` is not the name of an event hub: use up to 256 letters, digits, dots, underscores and hyphens, a letter \
         or digit at both ends"
    )]
    Hub(String),
}

impl EventHub {
    /// The hub as Capture files name it.
    pub fn names(&self) -> Hub {
        // Both names obey stricter rules than Capture's.
        Hub::new(&self.namespace, &self.hub).expect("checked names")
    }
}

impl FromStr for EventHub {
    type Err = InvalidEventHub;

    fn from_str(text: &str) -> Result<Self, InvalidEventHub> {
        let (host, hub) = text.split_once('/').ok_or_else(|| InvalidEventHub::Form(text.to_owned()))?;
        let namespace_error = || InvalidEventHub::Namespace(host.to_owned());
        let lower = host.to_ascii_lowercase();
        let (namespace, host) = match lower.split_once('.') {
            None => (lower.clone(), format!("{lower}.{PUBLIC_CLOUD}")),
            Some((namespace, domain)) if is_service_domain(domain) => (namespace.to_owned(), lower.clone()),
            Some(_) => return Err(namespace_error()),
        };
        if !is_namespace(&namespace) {
            return Err(namespace_error());
        }
        if !is_hub(hub) {
            return Err(InvalidEventHub::Hub(hub.to_owned()));
        }
        Ok(EventHub { host, namespace, hub: hub.to_owned() })
    }
}

/// As [`FromStr`], without repeating a connection string that was given instead: it holds a key.
pub(super) fn parse(text: &str) -> Result<EventHub, String> {
    if text.contains("SharedAccess") || text.trim_start().starts_with("Endpoint=") {
        return Err(
            "is a connection string: write NAMESPACE/HUB here; the connection string, which is for Kafka and HTTPS only, \
                    goes into --connection-string of producer, capture and loader --live"
                .to_owned(),
        );
    }
    text.parse().map_err(|error: InvalidEventHub| error.to_string())
}

impl fmt::Display for EventHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.hub)
    }
}

/// Every cloud's domain begins with `servicebus.`; a new cloud should need no new version of this.
fn is_service_domain(domain: &str) -> bool {
    domain.strip_prefix("servicebus.").is_some_and(|cloud| {
        cloud.contains('.')
            && cloud.split('.').all(|label| {
                !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            })
    })
}

fn is_namespace(name: &str) -> bool {
    (6..=50).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with('-')
}

fn is_hub(name: &str) -> bool {
    let at_an_end = |c: char| c.is_ascii_alphanumeric();
    (1..=256).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && name.starts_with(at_an_end)
        && name.ends_with(at_an_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_gets_the_public_clouds_domain_and_a_host_name_keeps_its_own() {
        for (text, host) in [
            ("contoso/user-events", "contoso.servicebus.windows.net"),
            ("Contoso/user-events", "contoso.servicebus.windows.net"),
            ("contoso.servicebus.windows.net/user-events", "contoso.servicebus.windows.net"),
            ("contoso.servicebus.usgovcloudapi.net/user-events", "contoso.servicebus.usgovcloudapi.net"),
            ("contoso.servicebus.chinacloudapi.cn/user-events", "contoso.servicebus.chinacloudapi.cn"),
        ] {
            let hub: EventHub = text.parse().unwrap();
            assert_eq!((hub.host.as_str(), hub.namespace.as_str(), hub.hub.as_str()), (host, "contoso", "user-events"));
            assert_eq!(hub.to_string(), format!("{host}/user-events"));
            assert_eq!(hub.names(), Hub::new("contoso", "user-events").unwrap());
        }
        assert_eq!("contoso/A.b_c-1".parse::<EventHub>().unwrap().hub, "A.b_c-1");
    }

    #[test]
    fn what_the_service_would_refuse_is_refused_here() {
        assert_eq!("contoso".parse::<EventHub>(), Err(InvalidEventHub::Form("contoso".to_owned())));
        let long = "n".repeat(51);
        for namespace in
            ["", "short", "1contoso", "contoso-", "con_toso", "contoso.example.com", "contoso.servicebus.", &long]
        {
            let error = InvalidEventHub::Namespace(namespace.to_owned());
            assert_eq!(format!("{namespace}/hub").parse::<EventHub>(), Err(error));
        }
        let long = "n".repeat(257);
        for hub in ["", "-hub", "hub.", "a b", "a/b", &long] {
            let error = InvalidEventHub::Hub(hub.to_owned());
            assert_eq!(format!("contoso/{hub}").parse::<EventHub>(), Err(error));
        }
    }
}
