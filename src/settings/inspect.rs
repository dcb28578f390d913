use std::path::PathBuf;

use clap::Args;
use percent_encoding::percent_decode_str;
use url::Url;

use super::Faults;
use super::identity::{BlobSasArgs, IdentityArgs};
use crate::azure::blob::BlobAddress;
use crate::azure::identity::IdentitySettings;
use crate::base::{Secret, SecretSource};
use crate::formats::FormatName;

/// Flags of `deltawave inspect`.
#[derive(Debug, Clone, Args)]
pub struct InspectArgs {
    /// A Capture file: a path, or https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB[?SAS]
    // This is also the help text, where a link would show its brackets.
    #[allow(rustdoc::bare_urls)]
    #[arg(value_name = "FILE", hide_env_values = true)]
    file: Secret,
    #[command(flatten)]
    blob_sas: BlobSasArgs,
    /// How many of the first and of the last records to show
    #[arg(long, value_name = "N", default_value_t = 3)]
    records: usize,
    /// Print every record as a JSON object, one a line, instead
    #[arg(long)]
    json: bool,
    /// Tell what becomes of the records in this table; only the default one, `user_event_log`, is known without a store
    #[arg(long, value_name = "TABLE", conflicts_with = "json")]
    table: Option<String>,
    /// What bodies are, as in --route (docs/formats.md)
    #[arg(long, value_name = "NAME", default_value_t = FormatName::Json, requires = "table")]
    format: FormatName,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InspectedFile {
    /// On this machine.
    Path(PathBuf),
    /// In a container.
    Blob {
        /// The container.
        container: BlobAddress,
        /// The name in it.
        name: String,
    },
}

/// Validated settings of `inspect`.
#[derive(Debug, Clone)]
pub struct InspectSettings {
    /// Where the file is.
    pub file: InspectedFile,
    /// A SAS for it, beside the address.
    pub blob_sas: Option<SecretSource>,
    /// How many of the first and of the last records are shown.
    pub records: usize,
    /// Whether all records are printed as objects.
    pub json: bool,
    /// The table that records are mapped to.
    pub table: Option<String>,
    /// What bodies are.
    pub format: FormatName,
    /// How to get tokens.
    pub identity: IdentitySettings,
}

impl InspectArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<InspectSettings, Faults> {
        let mut faults = Faults::default();
        let file = faults.check("FILE", parse(self.file.expose()));
        let container = match &file {
            Some(InspectedFile::Blob { container, .. }) => Some(container),
            _ => None,
        };
        let blob_sas = self.blob_sas.check(container, &mut faults);
        let identity = self.identity.check(&[("--blob-sas", blob_sas.as_ref())], &mut faults);
        let settings = (|| {
            Some(InspectSettings {
                file: file?,
                blob_sas,
                records: self.records,
                json: self.json,
                table: self.table,
                format: self.format,
                identity: identity?,
            })
        })();
        faults.finish(settings)
    }
}

fn parse(text: &str) -> Result<InspectedFile, String> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Ok(InspectedFile::Path(PathBuf::from(text)));
    }
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    let path: Vec<&str> = url.path().trim_start_matches('/').split('/').collect();
    // Azurite has the account before the container.
    for containers in 1..path.len() {
        let (container, blob) = path.split_at(containers);
        let mut address = url.clone();
        address.set_path(&container.join("/"));
        if let Ok(container) = address.as_str().parse() {
            let name = percent_decode_str(&blob.join("/")).decode_utf8_lossy().into_owned();
            if !name.is_empty() {
                return Ok(InspectedFile::Blob { container, name });
            }
        }
    }
    Err("does not name a blob: give https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB[?SAS]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_path_or_a_blob() {
        assert_eq!(parse("./a.avro"), Ok(InspectedFile::Path("./a.avro".into())));
        let blob = |text: &str| match parse(text).unwrap() {
            InspectedFile::Blob { container, name } => (container.to_string(), name),
            file => panic!("{file:?}"),
        };
        let (container, name) = blob("https://a.blob.core.windows.net/capture/ns/hub/0/x%20y.avro?sv=1&sig=s");
        assert!(container.starts_with("https://a.blob.core.windows.net/capture"), "{container}");
        assert_eq!(name, "ns/hub/0/x y.avro");
        let (container, name) = blob("http://127.0.0.1:10000/devstoreaccount1/capture/ns/a.avro");
        assert!(container.ends_with("/devstoreaccount1/capture"), "{container}");
        assert_eq!(name, "ns/a.avro");
        assert!(parse("https://a.blob.core.windows.net/capture").unwrap_err().contains("does not name a blob"));
    }
}
