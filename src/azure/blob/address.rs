use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

use crate::azure::endpoint::{Dialect, Endpoint, without_secrets};

/// Where a container of blobs is: the value of `--blob`. `Display` and `Debug` never show a SAS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobAddress {
    pub(super) place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A container of a storage service.
    Service(Endpoint),
    /// A directory, as an absolute path.
    Directory(PathBuf),
}

/// A text that is no blob address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{shown:?} {fault}; give azurite, http://HOST:PORT/devstoreaccount1/CONTAINER, \
     https://ACCOUNT.blob.core.windows.net/CONTAINER[?SAS], or a directory as /PATH, ./PATH or file:///PATH"
)]
pub struct AddressError {
    shown: String,
    fault: &'static str,
}

const AZURITE: &str = "http://127.0.0.1:10000/devstoreaccount1/capture";

const DIALECT: Dialect = Dialect {
    label: ".blob.",
    not_one: "does not name one container",
    bad_name: "has no valid container name (3 to 63 lowercase letters, digits and single hyphens)",
};

impl BlobAddress {
    /// Whether [`Container::open`](super::Container::open) needs a token credential for this address.
    pub fn needs_credential(&self) -> bool {
        matches!(&self.place, Place::Service(endpoint) if endpoint.needs_credential())
    }

    /// Whether it has a SAS of its own, which leaves no room for another.
    pub fn has_sas(&self) -> bool {
        matches!(&self.place, Place::Service(endpoint) if endpoint.has_sas())
    }

    /// Whether it is a directory of this machine, of which no service tells anything.
    pub fn is_directory(&self) -> bool {
        matches!(self.place, Place::Directory(_))
    }
}

impl FromStr for BlobAddress {
    type Err = AddressError;

    /// Reads one of the forms that [`AddressError`] lists. A relative directory is taken from the current one.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let place = match text.split_once(':').map(|(scheme, _)| scheme) {
            _ if text == "azurite" => Endpoint::parse(AZURITE, &DIALECT).map(Place::Service),
            _ if text == "." || text == ".." => directory(Path::new(text)),
            _ if ["/", "./", "../"].iter().any(|start| text.starts_with(start)) => directory(Path::new(text)),
            Some("http" | "https") => Endpoint::parse(text, &DIALECT).map(Place::Service),
            Some("file") => Url::parse(text)
                .ok()
                .and_then(|url| url.to_file_path().ok())
                .ok_or("is not a file URL of this machine")
                .and_then(|path| directory(&path)),
            _ => Err("is not a blob address"),
        };
        place.map(|place| BlobAddress { place }).map_err(|fault| AddressError { shown: without_secrets(text), fault })
    }
}

impl fmt::Display for BlobAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Service(endpoint) => f.write_str(endpoint.shown()),
            Place::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}

fn directory(path: &Path) -> Result<Place, &'static str> {
    // Absolute, because the path is the container's name in the ledger, whatever directory a program is started in.
    let path = std::path::absolute(path).map_err(|_| "needs a readable current directory")?;
    match path.to_str() {
        Some(_) => Ok(Place::Directory(path)),
        None => Err("is not a UTF-8 path"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<BlobAddress>().unwrap().to_string()
    }

    fn refused(text: &str) -> String {
        text.parse::<BlobAddress>().unwrap_err().to_string()
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(shown("azurite"), "http://127.0.0.1:10000/devstoreaccount1/capture");
        assert_eq!(shown("http://azurite:1/devstoreaccount1/c-1"), "http://azurite:1/devstoreaccount1/c-1");
        assert_eq!(shown("https://a.blob.core.windows.net/capture/"), "https://a.blob.core.windows.net/capture");
        assert_eq!(shown("https://127.0.0.1:9/devstoreaccount1/cap"), "https://127.0.0.1:9/devstoreaccount1/cap");
        assert_eq!(shown("/var/capture"), "/var/capture");
        assert_eq!(shown("file:///var/capture"), "/var/capture");
        assert_eq!(shown("./x"), std::env::current_dir().unwrap().join("x").display().to_string());
    }

    #[test]
    fn only_a_bare_azure_address_needs_a_credential() {
        let needs = |text: &str| text.parse::<BlobAddress>().unwrap().needs_credential();
        assert!(needs("https://a.blob.core.windows.net/capture"));
        assert!(!needs("https://a.blob.core.windows.net/capture?sv=1&sig=x"));
        assert!(!needs("azurite"));
        assert!(!needs("/tmp"));
    }

    #[test]
    fn a_sas_is_never_shown() {
        let address: BlobAddress = "https://a.blob.core.windows.net/capture?sv=1&sig=hunter2".parse().unwrap();
        assert_eq!(address.to_string(), "https://a.blob.core.windows.net/capture");
        assert!(!format!("{address:?}").contains("hunter2"));
        for text in [
            "https://a.blob.core.windows.net/capture/deep?sv=1&sig=hunter2",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=hunter2",
            "AccountKey=hunter2;AccountName=a",
            "https://a:hunter2@a.blob.core.windows.net/capture",
        ] {
            assert!(!refused(text).contains("hunter2"), "{}", refused(text));
        }
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_what_forms_exist() {
        let text = refused("http://example.com/other/capture");
        assert!(text.starts_with("\"http://example.com/other/capture\" is not encrypted"), "{text}");
        assert!(text.ends_with("/PATH, ./PATH or file:///PATH"), "{text}");
        assert!(refused("capture").contains("is not a blob address"));
        assert!(refused("https://a.blob.core.windows.net/").contains("container name"));
        assert!(refused("https://a.blob.core.windows.net/a/b").contains("does not name one container"));
        assert!(refused("https://a.blob.core.windows.net/Capture").contains("container name"));
        assert!(refused("https://a.blob.core.windows.net/capture?x=1").contains("no sig"));
    }
}
