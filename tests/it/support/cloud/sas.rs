use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

const ACCOUNT: &str = "devstoreaccount1";
const VERSION: &str = "2022-11-02";
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

/// One for a single container, with these permissions: what most people are given.
pub fn container_sas(container: &str, permissions: &str) -> String {
    let (expiry, version, protocols) = (expiry(Duration::hours(1)), VERSION, "https,http");
    let resource = format!("/blob/{ACCOUNT}/{container}");
    // Start, identifier, addresses; then snapshot, encryption scope and five headers of the answer.
    let text = format!("{permissions}\n\n{expiry}\n{resource}\n\n\n{protocols}\n{version}\nc\n\n\n\n\n\n\n");
    let fields = [("sv", version), ("sr", "c"), ("sp", permissions), ("se", &expiry), ("spr", protocols)];
    signed(&text, KEY, &fields)
}

fn sas(lifetime: Duration, key: &str) -> String {
    let expiry = expiry(lifetime);
    let (permissions, services, kinds, protocols) = ("rwdlacup", "bq", "sco", "https,http");
    let text = format!("{ACCOUNT}\n{permissions}\n{services}\n{kinds}\n\n{expiry}\n\n{protocols}\n{VERSION}\n\n");
    let fields =
        [("sv", VERSION), ("ss", services), ("srt", kinds), ("sp", permissions), ("se", &expiry), ("spr", protocols)];
    signed(&text, key, &fields)
}

fn expiry(lifetime: Duration) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    (OffsetDateTime::now_utc() + lifetime).format(form).unwrap()
}

fn signed(text: &str, key: &str, fields: &[(&str, &str)]) -> String {
    let key = PKey::hmac(&BASE64_STANDARD.decode(key).unwrap()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    signer.update(text.as_bytes()).unwrap();
    let signature = BASE64_STANDARD.encode(signer.sign_to_vec().unwrap());
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).append_pair("sig", &signature).finish()
}
