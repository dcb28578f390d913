use azure_core::credentials::Secret as Key;
use azure_core::hmac::hmac_sha256;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

use crate::base::Secret;

/// The account every storage emulator has.
pub(super) const DEVELOPMENT_ACCOUNT: &str = "devstoreaccount1";

/// The key every storage emulator has. It is published, and opens nothing else.
/// Source: <https://learn.microsoft.com/azure/storage/common/storage-connect-azurite>.
const DEVELOPMENT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// How long a development SAS is valid: the key behind it is public, so its end protects nothing.
const LIFETIME: Duration = Duration::days(3650);

/// An account SAS for the emulator, as a URL query without `?`: all that we ask of its blobs and queues.
///
/// # Errors
/// None in practice: the key is constant and well formed.
pub(super) fn development(now: OffsetDateTime) -> Result<Secret, azure_core::Error> {
    let (permissions, services, kinds, protocols, version) = ("rwdlacup", "bq", "sco", "https,http", "2022-11-02");
    let expiry = (now + LIFETIME)
        .to_offset(time::UtcOffset::UTC)
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"))
        .map_err(|error| azure_core::Error::new(azure_core::error::ErrorKind::DataConversion, error))?;
    // Empty lines stand for the start time, the address range and the encryption scope.
    let text =
        format!("{DEVELOPMENT_ACCOUNT}\n{permissions}\n{services}\n{kinds}\n\n{expiry}\n\n{protocols}\n{version}\n\n");
    let signature = hmac_sha256(&text, &Key::new(DEVELOPMENT_KEY))?;
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("sv", version)
        .append_pair("ss", services)
        .append_pair("srt", kinds)
        .append_pair("sp", permissions)
        .append_pair("se", &expiry)
        .append_pair("spr", protocols)
        .append_pair("sig", &signature)
        .finish();
    Ok(Secret::new(query))
}
