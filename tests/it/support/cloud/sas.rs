use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

const ACCOUNT: &str = "devstoreaccount1";
/// The key every storage emulator has; it is published.
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A SAS for all of Azurite that is valid for so long.
pub fn sas_until(lifetime: Duration) -> String {
    sas(lifetime, KEY)
}

/// One that is signed by another key.
pub fn wrong_sas() -> String {
    sas(Duration::hours(1), &BASE64_STANDARD.encode("not the key of the account, which is longer"))
}

fn sas(lifetime: Duration, key: &str) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let expiry = (OffsetDateTime::now_utc() + lifetime).format(form).unwrap();
    let (permissions, services, kinds, protocols, version) = ("rwdlacup", "bq", "sco", "https,http", "2022-11-02");
    let text = format!("{ACCOUNT}\n{permissions}\n{services}\n{kinds}\n\n{expiry}\n\n{protocols}\n{version}\n\n");
    let key = PKey::hmac(&BASE64_STANDARD.decode(key).unwrap()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    signer.update(text.as_bytes()).unwrap();
    let signature = BASE64_STANDARD.encode(signer.sign_to_vec().unwrap());
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("sv", version)
        .append_pair("ss", services)
        .append_pair("srt", kinds)
        .append_pair("sp", permissions)
        .append_pair("se", &expiry)
        .append_pair("spr", protocols)
        .append_pair("sig", &signature)
        .finish()
}
