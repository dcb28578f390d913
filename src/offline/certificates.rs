use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};

/// A server's key and certificate for this machine, and the authority that signed it, valid for some days.
pub(super) struct Certificates {
    /// What a client has to trust.
    pub authority: String,
    /// Private key and certificate chain in one PEM text.
    pub server: String,
}

impl Certificates {
    /// Makes new ones; the authority's key is forgotten.
    pub(super) fn make() -> Result<Self, ErrorStack> {
        let (authority_key, server_key) = (key()?, key()?);
        let mut authority = builder("deltawave offline authority", &authority_key)?;
        authority.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        authority.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        authority.sign(&authority_key, MessageDigest::sha256())?;
        let authority = authority.build();
        let mut server = builder("localhost", &server_key)?;
        server.set_issuer_name(authority.subject_name())?;
        let names = SubjectAlternativeName::new()
            .dns("localhost")
            .ip("127.0.0.1")
            .build(&server.x509v3_context(Some(&authority), None))?;
        server.append_extension(names)?;
        server.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
        server.sign(&authority_key, MessageDigest::sha256())?;
        let authority = pem(&authority)?;
        let key = String::from_utf8_lossy(&server_key.private_key_to_pem_pkcs8()?).into_owned();
        Ok(Certificates { server: format!("{key}{}{authority}", pem(&server.build())?), authority })
    }
}

fn key() -> Result<PKey<Private>, ErrorStack> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&curve)?)
}

/// Its own issuer, until it gets another.
fn builder(name: &str, key: &PKeyRef<Private>) -> Result<X509Builder, ErrorStack> {
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
    let subject = subject.build();
    let mut serial = BigNum::new()?;
    serial.rand(120, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let (serial, from, until) = (serial.to_asn1_integer()?, Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(7)?);
    builder.set_serial_number(&serial)?;
    builder.set_not_before(&from)?;
    builder.set_not_after(&until)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(&subject)?;
    builder.set_pubkey(key)?;
    Ok(builder)
}

fn pem(certificate: &X509) -> Result<String, ErrorStack> {
    Ok(String::from_utf8_lossy(&certificate.to_pem()?).into_owned())
}
