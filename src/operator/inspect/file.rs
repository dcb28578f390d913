use super::error::InspectError;
use crate::azure::blob::Container;
use crate::azure::identity::Identity;
use crate::settings::{InspectSettings, InspectedFile};

/// The largest blob that is taken into memory, in bytes; Capture closes files at 500 MB.
const LIMIT: u64 = 2 << 30;

/// A file's name and bytes.
///
/// # Errors
/// When it cannot be had.
pub(super) async fn read(settings: &InspectSettings) -> Result<(String, Vec<u8>), InspectError> {
    match &settings.file {
        InspectedFile::Path(path) => {
            let bytes = tokio::fs::read(path).await;
            let bytes = bytes.map_err(|source| InspectError::File { path: path.clone(), source })?;
            Ok((path.display().to_string(), bytes))
        }
        InspectedFile::Blob { container, name } => {
            let identity = Identity::new(settings.identity.clone());
            let key = identity.key(container.needs_credential(), settings.blob_sas.as_ref())?;
            let bytes = Container::open(container, key)?.get(name, LIMIT).await?;
            Ok((name.clone(), bytes.to_vec()))
        }
    }
}
