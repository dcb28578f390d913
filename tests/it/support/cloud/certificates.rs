use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use deltawave::offline::Certificate;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};

use crate::support::home;

/// A certificate authority, and a server's certificate by it for this machine and for Azure's names.
pub struct Certificates {
    /// What a program trusts by `SSL_CERT_FILE`.
    pub authority: PathBuf,
    pub server: Certificate,
}

const NAMES: [&str; 5] = [
    "localhost",
    "*.vault.azure.net",
    "*.blob.core.windows.net",
    "*.queue.core.windows.net",
    "login.microsoftonline.com",
];

impl Certificates {
    pub fn get() -> &'static Certificates {
        static SHARED: OnceLock<Certificates> = OnceLock::new();
        SHARED.get_or_init(Certificates::make)
    }

    fn make() -> Certificates {
        let directory = home("certificates");
        fs::create_dir_all(&directory).unwrap();
        let (authority_key, server_key) = (key(), key());
        let mut builder = builder("the tests' authority", "the tests' authority", &authority_key);
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        builder.sign(&authority_key, MessageDigest::sha256()).unwrap();
        let authority = builder.build();

        let mut builder = self::builder("a test's server", "the tests' authority", &server_key);
        let mut names = SubjectAlternativeName::new();
        names.ip("127.0.0.1");
        NAMES.iter().for_each(|name| {
            names.dns(name);
        });
        let names = names.build(&builder.x509v3_context(Some(&authority), None)).unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&authority_key, MessageDigest::sha256()).unwrap();
        let server = builder.build();

        let put = |name: &str, text: Vec<u8>| {
            let path = directory.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        Certificates {
            authority: put("authority.pem", authority.to_pem().unwrap()),
            server: Certificate {
                chain: put("server.pem", server.to_pem().unwrap()),
                key: put("server.key", server_key.private_key_to_pem_pkcs8().unwrap()),
            },
        }
    }
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn builder(subject: &str, issuer: &str, key: &PKey<Private>) -> X509Builder {
    let name = |text: &str| {
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", text).unwrap();
        name.build()
    };
    let mut serial = BigNum::new().unwrap();
    serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name(subject)).unwrap();
    builder.set_issuer_name(&name(issuer)).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder
}
