use std::fmt;
use std::path::Path;
use std::str::FromStr;

use url::Url;

use crate::azure::blob::BlobAddress;

/// Where a Delta table is: a container and the table's folder in it. `Display` shows what programs take behind `delta:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeAddress {
    pub(super) container: BlobAddress,
    /// Without slashes at its ends.
    pub(super) folder: String,
}

const FORMS: &str = "give https://ACCOUNT.blob.core.windows.net/CONTAINER/TABLE, \
     abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/TABLE, http://HOST:PORT/devstoreaccount1/CONTAINER/TABLE, or a directory \
     as /PATH or ./PATH";

impl LakeAddress {
    /// Its container.
    pub fn container(&self) -> &BlobAddress {
        &self.container
    }

    /// Whether opening it needs a token.
    pub fn needs_credential(&self) -> bool {
        self.container.needs_credential()
    }

    /// The folder's last part, by which people call the table.
    pub fn name(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or_default()
    }
}

impl FromStr for LakeAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |fault: &str| {
            let shown = text.split(['?', ';']).next().unwrap_or_default();
            format!("`delta:{shown}` {fault}; {FORMS}")
        };
        let is_path = ["/", "./", "../"].iter().any(|start| text.starts_with(start));
        let (container, folder) = if is_path {
            let path = std::path::absolute(Path::new(text)).map_err(|_| wrong("needs a readable current directory"))?;
            let folder = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| wrong("names no directory"))?;
            let parent = path.parent().and_then(Path::to_str).ok_or_else(|| wrong("is not a UTF-8 path"))?;
            (parent.to_owned(), folder.to_owned())
        } else {
            let url = Url::parse(text).map_err(|_| wrong("is no address of a Delta table"))?;
            if url.query().is_some() {
                return Err(wrong(
                    "has a query: a SAS does not belong there, and lake tables are opened by the program's identity",
                ));
            }
            let path = url.path().trim_matches('/').to_owned();
            let host = url.host_str().unwrap_or_default().to_owned();
            let (before, rest) = match url.scheme() {
                "abfss" => {
                    let account = host.split_once(".dfs.").ok_or_else(|| wrong("names no account"))?;
                    (format!("https://{}.blob.{}/{}", account.0, account.1, url.username()), path)
                }
                "http" | "https" => {
                    let parts = if host.contains(".blob.") { 1 } else { 2 };
                    let mut all = path.splitn(parts + 1, '/');
                    let container: Vec<_> = all.by_ref().take(parts).collect();
                    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                    let rest = all.next().unwrap_or_default().to_owned();
                    (format!("{}://{host}{port}/{}", url.scheme(), container.join("/")), rest)
                }
                _ => return Err(wrong("is no address of a Delta table")),
            };
            (before, rest)
        };
        let sound = |part: &str| !part.is_empty() && !part.starts_with(['.', '_']) && !part.contains(['\\', '%', ' ']);
        if !folder.split('/').all(sound) {
            return Err(wrong("does not name a table in its container"));
        }
        let container =
            container.parse::<BlobAddress>().map_err(|error| wrong(&format!("has no container: {error}")))?;
        Ok(LakeAddress { container, folder })
    }
}

impl fmt::Display for LakeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.container.to_string().trim_end_matches('/'), self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_names_a_container_and_a_folder() {
        for (text, container, folder) in [
            (
                "https://a.blob.core.windows.net/lake/sales/orders",
                "https://a.blob.core.windows.net/lake",
                "sales/orders",
            ),
            ("abfss://lake@a.dfs.core.windows.net/orders/", "https://a.blob.core.windows.net/lake", "orders"),
            ("http://127.0.0.1:1/devstoreaccount1/lake/t", "http://127.0.0.1:1/devstoreaccount1/lake", "t"),
            ("/var/lake/t", "/var/lake", "t"),
        ] {
            let address: LakeAddress = text.parse().unwrap();
            assert_eq!(
                (address.container.to_string().as_str(), address.folder.as_str()),
                (container, folder),
                "{text}"
            );
            assert_eq!(address.to_string(), format!("{container}/{folder}"));
        }
        let shown = "./lake/t".parse::<LakeAddress>().unwrap().to_string();
        assert_eq!(shown, std::env::current_dir().unwrap().join("lake/t").display().to_string());
    }

    #[test]
    fn what_names_no_table_is_refused_without_showing_secrets() {
        for text in [
            "https://a.blob.core.windows.net/lake",
            "https://a.blob.core.windows.net/lake/t?sv=1&sig=hunter2",
            "lake/t",
            "s3://b/t",
            "https://a.blob.core.windows.net/lake/_t",
        ] {
            let said = text.parse::<LakeAddress>().unwrap_err();
            assert!(said.contains("give https://ACCOUNT") && !said.contains("hunter2"), "{said}");
        }
    }
}
