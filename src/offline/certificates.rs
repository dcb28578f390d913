use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

use super::OfflineError;

/// Signs certificates for servers on this machine. Its key is in memory only, and is forgotten with it.
pub struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

/// What a server shows those who connect.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate, as PEM.
    pub certificate: String,
    /// Its private key, as PEM.
    pub key: String,
}

/// Added at both ends: a clock may be off by a little.
const TOLERANCE: Duration = Duration::from_secs(3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

impl Authority {
    /// A new one, whose own certificate is valid for a week.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn new(name: &str) -> Result<Self, OfflineError> {
        let key = key()?;
        let now = SystemTime::now();
        let mut builder = builder(name, &key, now - TOLERANCE, now + WEEK + TOLERANCE)?;
        builder.set_issuer_name(&*named(name)?)?;
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Authority { certificate: builder.build(), key })
    }

    /// What a client has to trust, as PEM.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn pem(&self) -> Result<String, OfflineError> {
        Ok(text(&self.certificate.to_pem()?))
    }

    /// A certificate for these host names and addresses, valid for a week.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn issue(&self, hosts: &[&str]) -> Result<Issued, OfflineError> {
        self.issue_until(SystemTime::now() + WEEK + TOLERANCE, hosts)
    }

    /// As [`issue`](Self::issue), valid until then; it may be past.
    ///
    /// # Errors
    /// OpenSSL's.
    pub fn issue_until(&self, end: SystemTime, hosts: &[&str]) -> Result<Issued, OfflineError> {
        let key = key()?;
        let mut builder = builder(hosts.first().unwrap_or(&"localhost"), &key, end - WEEK - TOLERANCE, end)?;
        builder.set_issuer_name(self.certificate.subject_name())?;
        let mut names = SubjectAlternativeName::new();
        for host in hosts {
            match host.parse::<IpAddr>() {
                Ok(_) => names.ip(host),
                Err(_) => names.dns(host),
            };
        }
        let names = names.build(&builder.x509v3_context(Some(&self.certificate), None))?;
        builder.append_extension(names)?;
        builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
        builder.sign(&self.key, MessageDigest::sha256())?;
        let certificate = text(&builder.build().to_pem()?);
        Ok(Issued { certificate, key: text(&key.private_key_to_pem_pkcs8()?) })
    }
}

fn key() -> Result<PKey<Private>, ErrorStack> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&curve)?)
}

fn named(name: &str) -> Result<X509Name, ErrorStack> {
    let mut builder = X509NameBuilder::new()?;
    builder.append_entry_by_nid(Nid::COMMONNAME, name)?;
    Ok(builder.build())
}

/// All but the issuer, the extensions and the signature.
fn builder(name: &str, key: &PKeyRef<Private>, from: SystemTime, until: SystemTime) -> Result<X509Builder, ErrorStack> {
    let time = |time: SystemTime| {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Asn1Time::from_unix(i64::try_from(seconds).unwrap_or(i64::MAX))
    };
    let mut serial = BigNum::new()?;
    serial.rand(120, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(&*named(name)?)?;
    builder.set_not_before(&*time(from)?)?;
    builder.set_not_after(&*time(until)?)?;
    builder.set_pubkey(key)?;
    Ok(builder)
}

fn text(pem: &[u8]) -> String {
    String::from_utf8_lossy(pem).into_owned()
}
