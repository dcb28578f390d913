//! A certificate with its key, as clients are shown it: pure.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod, SslVersion};
use openssl::x509::{X509, X509VerifyResult};

use crate::base::SecretError;

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file is not there or not ours to read.
    #[error("{flag} {}: cannot be read", path.display())]
    Read {
        /// The flag that named it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A vault does not have it yet.
    #[error(
        "{place}: the vault {vault} has no certificate {name}; make it, with the name that clients connect to for HOST: \
         {}",
        create(vault, name)
    )]
    Missing {
        /// The flag and what it named.
        place: String,
        /// The vault's name.
        vault: String,
        /// The certificate's.
        name: String,
    },
    /// A vault does not give it.
    #[error("{place}: {source}")]
    Vault {
        /// The flag and what it named.
        place: String,
        /// Why.
        source: SecretError,
    },
    /// No certificate in it.
    #[error("{0}: holds no certificate in PEM form")]
    NoCertificate(String),
    /// No key in it.
    #[error("{0}: holds no private key in PEM form without a passphrase{hint}", hint = exportable(.0))]
    NoKey(String),
    /// It looks as a vault's other form does, and OpenSSL takes it not.
    #[error(
        "{0}: is neither PEM nor PKCS#12 without a passphrase; make the certificate with the content type \
         application/x-pem-file"
    )]
    NoForm(String),
    /// The key is another's.
    #[error("{0} do not belong together")]
    Unfit(String),
    /// OpenSSL does not take it.
    #[error("{0}: is not taken by OpenSSL")]
    Refused(String, #[source] ErrorStack),
    /// Its time is over.
    #[error("{place}: the certificate has expired ({end}): renew it")]
    Expired {
        /// The flag and what it named.
        place: String,
        /// When.
        end: String,
    },
    /// Its time has not come.
    #[error("{place}: the certificate is not valid before {begin}: wait, or compare this machine's clock")]
    Early {
        /// The flag and what it named.
        place: String,
        /// When it is.
        begin: String,
    },
}

fn create(vault: &str, name: &str) -> String {
    const LINE: &str = r#"az keyvault certificate create --vault-name VAULT --name NAME --policy '{"issuerParameters":{"name":"Self"},"keyProperties":{"exportable":true,"keyType":"RSA","keySize":2048},"secretProperties":{"contentType":"application/x-pem-file"},"x509CertificateProperties":{"subject":"CN=HOST","subjectAlternativeNames":{"dnsNames":["HOST"]},"validityInMonths":12},"lifetimeActions":[{"trigger":{"daysBeforeExpiry":30},"action":{"actionType":"AutoRenew"}}]}'"#;
    LINE.replacen("VAULT", vault, 1).replacen("NAME", name, 1)
}

/// A vault keeps back the key of a certificate that it was told to.
fn exportable(place: &str) -> &'static str {
    if place.contains("keyvault:") { "; the certificate's key must be exportable" } else { "" }
}

/// What holds a certificate, those that lead to its root, and its key.
pub(super) enum Text {
    /// Two files in PEM form, each with the flag that named it.
    Files { certificate: (String, Vec<u8>), key: (String, Vec<u8>) },
    /// All in one: PEM, or what a vault makes of PKCS#12.
    One(String, Vec<u8>),
}

/// A certificate that is good for some time.
pub(super) struct Shown {
    pub acceptor: SslAcceptor,
    pub until: SystemTime,
}

impl Text {
    /// Whatever tells it from another.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = openssl::sha::Sha256::new();
        match self {
            Text::Files { certificate, key } => {
                digest.update(&certificate.1.len().to_be_bytes());
                digest.update(&certificate.1);
                digest.update(&key.1);
            }
            Text::One(_, bytes) => digest.update(bytes),
        }
        digest.finish()
    }

    /// # Errors
    /// It is of no use now.
    pub(super) fn shown(&self) -> Result<Shown, CertificateError> {
        let (place, key, mut chain) = self.parts()?;
        let owned = chain.iter().position(|one| one.public_key().is_ok_and(|public| public.public_eq(&key)));
        let Some(owned) = owned else { return Err(CertificateError::Unfit(self.both())) };
        let own = chain.remove(owned);
        let refused = |error| CertificateError::Refused(place.clone(), error);
        let (begin, until) =
            moment(own.not_before()).and_then(|begin| Ok((begin, moment(own.not_after())?))).map_err(refused)?;
        let now = SystemTime::now();
        if until <= now {
            return Err(CertificateError::Expired { place, end: own.not_after().to_string() });
        }
        if begin > now {
            return Err(CertificateError::Early { place, begin: own.not_before().to_string() });
        }
        let acceptor = acceptor(&own, in_order(&own, chain), &key).map_err(refused)?;
        Ok(Shown { acceptor, until })
    }

    /// For messages, the key, and all certificates.
    fn parts(&self) -> Result<(String, PKey<Private>, Vec<X509>), CertificateError> {
        let (certificate, key) = match self {
            Text::Files { certificate, key } => (certificate, key),
            Text::One(place, bytes) if !is_pem(bytes) => {
                let (key, chain) = pkcs12(bytes).ok_or_else(|| CertificateError::NoForm(place.clone()))?;
                return Ok((place.clone(), key, chain));
            }
            Text::One(place, bytes) => {
                let one = (place.clone(), bytes.clone());
                return Ok((place.clone(), private_key(&one)?, certificates(&one)?));
            }
        };
        Ok((certificate.0.clone(), private_key(key)?, certificates(certificate)?))
    }

    /// How to name what holds the key and what holds the certificate.
    fn both(&self) -> String {
        match self {
            Text::Files { .. } => "--tls-certificate and --tls-key".to_owned(),
            Text::One(place, _) => format!("{place}: the key and the certificates in it"),
        }
    }
}

fn is_pem(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"-----BEGIN").is_some()
}

fn certificates((place, pem): &(String, Vec<u8>)) -> Result<Vec<X509>, CertificateError> {
    match X509::stack_from_pem(pem) {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(CertificateError::NoCertificate(place.clone())),
    }
}

fn private_key((place, pem): &(String, Vec<u8>)) -> Result<PKey<Private>, CertificateError> {
    // A passphrase would be asked for on the terminal.
    PKey::private_key_from_pem_callback(pem, |_| Ok(0)).map_err(|_| CertificateError::NoKey(place.clone()))
}

fn pkcs12(text: &[u8]) -> Option<(PKey<Private>, Vec<X509>)> {
    let der = BASE64_STANDARD.decode(text.trim_ascii()).ok()?;
    let parsed = Pkcs12::from_der(&der).ok()?.parse2("").ok()?;
    Some((parsed.pkey?, parsed.cert.into_iter().chain(parsed.ca.into_iter().flatten()).collect()))
}

/// Each after the one that it signed, whatever order they were kept in; those that signed none of them last.
fn in_order(own: &X509, mut others: Vec<X509>) -> Vec<X509> {
    let mut ordered: Vec<X509> = Vec::new();
    loop {
        let last = ordered.last().unwrap_or(own);
        let Some(next) = others.iter().position(|other| other.issued(last) == X509VerifyResult::OK) else { break };
        ordered.push(others.remove(next));
    }
    ordered.extend(others);
    ordered
}

fn acceptor(own: &X509, others: Vec<X509>, key: &PKey<Private>) -> Result<SslAcceptor, ErrorStack> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_certificate(own)?;
    for other in others {
        builder.add_extra_chain_cert(other)?;
    }
    builder.set_private_key(key)?;
    builder.check_private_key()?;
    Ok(builder.build())
}

fn moment(time: &Asn1TimeRef) -> Result<SystemTime, ErrorStack> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    Ok(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKeyRef;
    use openssl::rsa::Rsa;
    use openssl::x509::extension::BasicConstraints;
    use openssl::x509::{X509Builder, X509NameBuilder};

    use super::*;

    fn key() -> PKey<Private> {
        PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
    }

    fn signed(name: &str, key: &PKeyRef<Private>, days: u32, by: Option<(&X509, &PKeyRef<Private>)>) -> X509 {
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_text("CN", name).unwrap();
        let subject = subject.build();
        let mut builder = X509Builder::new().unwrap();
        builder.set_version(2).unwrap();
        builder.set_subject_name(&subject).unwrap();
        builder.set_issuer_name(by.map_or(&subject, |(issuer, _)| issuer.subject_name())).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(days.saturating_sub(9)).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(days).unwrap()).unwrap();
        builder.append_extension(BasicConstraints::new().ca().build().unwrap()).unwrap();
        builder.sign(by.map_or(key, |(_, key)| key), MessageDigest::sha256()).unwrap();
        builder.build()
    }

    fn text(parts: &[Vec<u8>]) -> Text {
        Text::One("--tls-certificate x".to_owned(), parts.concat())
    }

    #[test]
    fn the_chain_is_sorted_whatever_order_it_was_kept_in() {
        let (root_key, middle_key, own_key) = (key(), key(), key());
        let root = signed("root", &root_key, 5, None);
        let middle = signed("middle", &middle_key, 5, Some((&root, &root_key)));
        let own = signed("own", &own_key, 5, Some((&middle, &middle_key)));
        let pem = |one: &X509| one.to_pem().unwrap();
        let subjects = |chain: Vec<X509>| chain.iter().map(pem).collect::<Vec<_>>();
        assert_eq!(subjects(in_order(&own, vec![root.clone(), middle.clone()])), [pem(&middle), pem(&root)]);
        let shuffled =
            text(&[pem(&root), own_key.private_key_to_pem_pkcs8().unwrap(), pem(&middle), pem(&own)]).shown().unwrap();
        let left = shuffled.until.duration_since(SystemTime::now()).unwrap();
        assert!(left <= Duration::from_secs(5 * 86_400) && left > Duration::from_secs(5 * 86_400 - 60), "{left:?}");
    }

    #[test]
    fn what_is_not_valid_yet_waits() {
        let key = key();
        let early = text(&[key.private_key_to_pem_pkcs8().unwrap(), signed("own", &key, 20, None).to_pem().unwrap()]);
        assert!(matches!(early.shown(), Err(CertificateError::Early { .. })));
        let sealed = key.private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_128_cbc(), b"x").unwrap();
        let sealed = text(&[sealed, signed("own", &key, 5, None).to_pem().unwrap()]);
        assert!(matches!(sealed.shown(), Err(CertificateError::NoKey(_))));
    }
}
