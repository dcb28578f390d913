use std::sync::Arc;

use super::finding::{Finding, Findings};
use crate::azure::identity::Identity;
use crate::base::SecretReader as _;
use crate::settings::LoaderSettings;

/// Reads every secret that is kept elsewhere.
pub(super) async fn look(settings: &LoaderSettings, identity: &Arc<Identity>, findings: &mut Findings) {
    let sources = [("--store-password", &settings.store_password), ("--blob-sas", &settings.blob_sas)];
    for (flag, source) in sources {
        let Some(source) = source else { continue };
        findings.add(match identity.read(source).await {
            Ok(_) => Finding::well("secret", format!("{flag}: read from {source}")),
            Err(error) => Finding::error("secret", &format_args!("{flag}: {error}")),
        });
    }
}
