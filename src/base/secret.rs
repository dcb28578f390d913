use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use zeroize::Zeroizing;

/// A text that must never be shown: it has no `Display`, its `Debug` does not print it, and its memory is overwritten
/// when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text itself, for handing to the service it belongs to and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Secret::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret is read from. Its `Display` names the place and never shows a secret that was given literally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// Given as it is.
    Literal(Secret),
    /// `file:PATH`: what the file holds, without the line end after it.
    File(PathBuf),
    /// `keyvault:NAME` or `keyvault:NAME/VERSION`.
    KeyVault {
        /// The secret's name.
        name: String,
        /// One version of it; else the newest.
        version: Option<String>,
    },
}

impl SecretSource {
    /// Whether it can be read only with a vault's address.
    pub fn needs_vault(&self) -> bool {
        matches!(self, SecretSource::KeyVault { .. })
    }

    /// What is wrong with it, as far as can be told without looking there. Does not quote it: what stands for no place
    /// may be a secret that came there by mistake.
    pub fn fault(&self) -> Option<&'static str> {
        let is_word = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        match self {
            SecretSource::Literal(secret) if secret.expose().is_empty() => Some("is empty"),
            SecretSource::Literal(_) => None,
            SecretSource::File(path) => {
                let text = path.to_string_lossy().to_ascii_lowercase();
                let is_path = !text.is_empty() && !text.contains("sig=") && !text.contains("key=");
                (!is_path).then_some("names no file after file: (file:PATH)")
            }
            SecretSource::KeyVault { name, .. } if !is_word(name, 127) => {
                Some("names no secret after keyvault: (1 to 127 letters, digits and hyphens)")
            }
            SecretSource::KeyVault { version: Some(version), .. } if !is_word(version, 64) => {
                Some("names no version after the slash (keyvault:NAME/VERSION; keyvault:NAME is the newest)")
            }
            SecretSource::KeyVault { .. } => None,
        }
    }
}

impl FromStr for SecretSource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once(':') {
            Some(("file", path)) => SecretSource::File(path.into()),
            Some(("keyvault", secret)) => {
                let (name, version) = match secret.split_once('/') {
                    Some((name, version)) => (name, Some(version.to_owned())),
                    None => (secret, None),
                };
                SecretSource::KeyVault { name: name.to_owned(), version }
            }
            _ => SecretSource::Literal(Secret::new(text)),
        })
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::Literal(_) => f.write_str("a secret given as it is"),
            SecretSource::File(path) => write!(f, "file:{}", path.display()),
            SecretSource::KeyVault { name, version: None } => write!(f, "keyvault:{name}"),
            SecretSource::KeyVault { name, version: Some(version) } => write!(f, "keyvault:{name}/{version}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
        let literal: SecretSource = "hunter2".parse().unwrap();
        assert!(!format!("{literal:?} {literal}").contains("hunter2"));
    }

    #[test]
    fn a_place_that_is_none_is_told() {
        for text in
            ["", "file:", "keyvault:", "keyvault:/1", "keyvault:a b", "keyvault:a/", "keyvault:a/b/c", "keyvault:.."]
        {
            assert!(text.parse::<SecretSource>().unwrap().fault().is_some(), "{text}");
        }
        for text in ["s", "file:/x", "keyvault:a-1", "keyvault:a/0af1"] {
            assert_eq!(text.parse::<SecretSource>().unwrap().fault(), None, "{text}");
        }
    }

    #[test]
    fn the_prefix_says_where_it_is() {
        for text in ["file:/run/secrets/store", "keyvault:store-password", "keyvault:store-password/0af1"] {
            assert_eq!(text.parse::<SecretSource>().unwrap().to_string(), text);
        }
        for text in ["p:assword", "Endpoint=sb://x/;Key=y", ""] {
            assert_eq!(text.parse(), Ok(SecretSource::Literal(Secret::new(text))));
        }
    }
}
