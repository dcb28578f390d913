use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::formats::Naming;

/// The domain of namespaces outside sovereign clouds.
const PUBLIC_CLOUD: &str = "servicebus.windows.net";

/// Which registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryAddress {
    /// One that speaks Confluent's API, by where that begins.
    Confluent(Url),
    /// Azure's, by its namespace's host name.
    Azure(String),
}

impl RegistryAddress {
    /// How records name a schema of it.
    pub fn naming(&self) -> Naming {
        match self {
            RegistryAddress::Confluent(_) => Naming::Prefix,
            RegistryAddress::Azure(_) => Naming::ContentType,
        }
    }
}

impl FromStr for RegistryAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(namespace) = text.strip_prefix("azure:") {
            let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
            if namespace.is_empty() || !namespace.chars().all(sound) {
                return Err(format!("`{text}` is not azure:NAMESPACE"));
            }
            let host =
                if namespace.contains('.') { namespace.to_owned() } else { format!("{namespace}.{PUBLIC_CLOUD}") };
            return Ok(RegistryAddress::Azure(host.to_ascii_lowercase()));
        }
        // What may stand in it is no text to be quoted.
        let url: Url = text.parse().map_err(|error| format!("is neither a URL ({error}) nor azure:NAMESPACE"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("is neither http://… nor https://… nor azure:NAMESPACE".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "holds a user or a password: give them by --schema-registry-user and --schema-registry-password"
                    .to_owned(),
            );
        }
        if url.query().is_some() {
            return Err("has a query behind it: leave it out".to_owned());
        }
        Ok(RegistryAddress::Confluent(url))
    }
}

impl fmt::Display for RegistryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistryAddress::Confluent(url) => url.as_str().trim_end_matches('/').fmt(f),
            RegistryAddress::Azure(host) => write!(f, "azure:{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_a_url_or_a_namespace_of_azure() {
        for (text, shown) in [
            ("http://localhost:8081", "http://localhost:8081"),
            ("https://r.example/apis/ccompat/v7/", "https://r.example/apis/ccompat/v7"),
            ("azure:contoso", "azure:contoso.servicebus.windows.net"),
            ("azure:contoso.servicebus.chinacloudapi.cn", "azure:contoso.servicebus.chinacloudapi.cn"),
        ] {
            assert_eq!(text.parse::<RegistryAddress>().unwrap().to_string(), shown);
        }
        for text in ["localhost:8081", "ftp://x", "https://ann:hunter2@r", "azure:", "azure:a/b", "https://r?x=1"] {
            let said = text.parse::<RegistryAddress>().unwrap_err();
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
