//! The certificate that clients are shown.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::sha::Sha256;
use openssl::ssl::{SslAcceptor, SslMethod, SslVersion};
use openssl::x509::X509;

/// Why files are no certificate and key.
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
    /// No certificate in it.
    #[error("--tls-certificate {}: holds no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// No key in it.
    #[error("--tls-key {}: holds no private key in PEM form without a passphrase", .0.display())]
    NoKey(PathBuf),
    /// The two do not belong together, or OpenSSL takes one of them not.
    #[error("--tls-certificate and --tls-key do not belong together")]
    Unfit(#[source] ErrorStack),
}

/// A certificate and its key, in files that may be replaced at any time.
pub(super) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    acceptor: SslAcceptor,
    days_left: i32,
    /// What the files held when they were looked at last, good or bad.
    seen: [u8; 32],
}

impl Certificate {
    /// # Errors
    /// When the files are of no use now.
    pub(super) async fn open(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let files = Files::read(certificate, key).await?;
        let (acceptor, days_left) = files.acceptor(certificate, key)?;
        tracing::info!(days_left, "certificate {}", certificate.display());
        let loaded = Mutex::new(Loaded { acceptor, days_left, seen: files.digest() });
        Ok(Certificate { certificate: certificate.to_owned(), key: key.to_owned(), loaded })
    }

    /// What to accept clients with: the files as they are now. Files that are of no use, such as half of a new pair,
    /// leave all as it was; they are complained of once.
    pub(super) async fn acceptor(&self) -> (SslAcceptor, i32) {
        let read = Files::read(&self.certificate, &self.key).await;
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = read.as_ref().map_or([0; 32], Files::digest);
        if seen != loaded.seen {
            loaded.seen = seen;
            match read.and_then(|files| files.acceptor(&self.certificate, &self.key)) {
                Ok((acceptor, days_left)) => {
                    tracing::info!(days_left, "certificate {} was replaced", self.certificate.display());
                    (loaded.acceptor, loaded.days_left) = (acceptor, days_left);
                }
                Err(error) => {
                    let reason = crate::base::chain(&error);
                    tracing::warn!("{reason}; going on with the certificate from before");
                }
            }
        }
        (loaded.acceptor.clone(), loaded.days_left)
    }
}

struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    async fn read(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let read = async |flag, path: &Path| {
            let failed = |source| CertificateError::Read { flag, path: path.to_owned(), source };
            tokio::fs::read(path).await.map_err(failed)
        };
        Ok(Files { certificate: read("--tls-certificate", certificate).await?, key: read("--tls-key", key).await? })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(&self.certificate.len().to_be_bytes());
        digest.update(&self.certificate);
        digest.update(&self.key);
        digest.finish()
    }

    /// And how many days the certificate is good for.
    fn acceptor(&self, certificate: &Path, key: &Path) -> Result<(SslAcceptor, i32), CertificateError> {
        let no_certificate = || CertificateError::NoCertificate(certificate.to_owned());
        let chain = X509::stack_from_pem(&self.certificate).map_err(|_| no_certificate())?;
        let (first, others) = chain.split_first().ok_or_else(no_certificate)?;
        // A passphrase would be asked for on the terminal.
        let private = PKey::private_key_from_pem_callback(&self.key, |_| Ok(0))
            .map_err(|_| CertificateError::NoKey(key.to_owned()))?;
        let make = || {
            let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
            builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
            builder.set_certificate(first)?;
            for other in others {
                builder.add_extra_chain_cert(other.clone())?;
            }
            builder.set_private_key(&private)?;
            builder.check_private_key()?;
            let days = Asn1Time::days_from_now(0)?.diff(first.not_after())?.days;
            Ok((builder.build(), days))
        };
        make().map_err(CertificateError::Unfit)
    }
}
