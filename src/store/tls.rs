//! TLS to the store, by libpq's names.

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::config::SslMode;

use super::options::Taken;

/// Whether to use TLS, and what to make of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Disable,
    /// If the server speaks it; its certificate is not looked at.
    Prefer,
    /// Its certificate is not looked at, unless there is a file of roots.
    Require,
    /// Its certificate must be signed by a root, for whatever host.
    VerifyCa,
    /// And it must be that of the host.
    VerifyFull,
}

/// Who signs the certificates that are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// Those of this system: `SSL_CERT_FILE`, `SSL_CERT_DIR`, or where systems keep them.
    System,
    /// Those in a PEM file and no other.
    File(PathBuf),
}

/// Why an address says nothing of use of TLS.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTls {
    /// A mode that is none.
    #[error("sslmode `{0}` is none of disable, prefer, require, verify-ca, verify-full")]
    SslMode(String),
    /// Without a mode nothing is verified, whatever roots there are.
    #[error("sslrootcert does nothing without an sslmode of require, verify-ca or verify-full; say which")]
    UnusedRoots,
    /// Any public authority would sign a certificate for some host.
    #[error("sslrootcert=system needs sslmode=verify-full: anyone can have a certificate for some other host")]
    SystemRoots,
}

/// What an address says of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    pub mode: Mode,
    pub roots: Roots,
}

impl Mode {
    const ALL: [(Mode, &str); 5] = [
        (Mode::Disable, "disable"),
        (Mode::Prefer, "prefer"),
        (Mode::Require, "require"),
        (Mode::VerifyCa, "verify-ca"),
        (Mode::VerifyFull, "verify-full"),
    ];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Mode::ALL.into_iter().find(|(mode, _)| mode == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl Tls {
    pub(super) fn new(taken: &Taken) -> Result<Self, InvalidTls> {
        let system = taken.sslrootcert.as_deref() == Some("system");
        let mode = match taken.sslmode.as_deref() {
            None if system => Mode::VerifyFull,
            None => Mode::Prefer,
            Some(name) => Mode::ALL
                .into_iter()
                .find(|(_, known)| *known == name)
                .map(|(mode, _)| mode)
                .ok_or_else(|| InvalidTls::SslMode(name.to_owned()))?,
        };
        if taken.sslrootcert.is_some() && mode == Mode::Prefer {
            return Err(InvalidTls::UnusedRoots);
        }
        if system && mode == Mode::Require {
            return Err(InvalidTls::SystemRoots);
        }
        let roots = match &taken.sslrootcert {
            Some(path) if !system => Roots::File(path.into()),
            _ => Roots::System,
        };
        Ok(Tls { mode, roots })
    }

    /// What the client does when the server speaks no TLS.
    pub(super) fn wanted(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }

    /// Whether to look at the certificate, and whether at the name in it.
    fn checks(&self) -> (bool, bool) {
        match (self.mode, &self.roots) {
            (Mode::Disable | Mode::Prefer, _) | (Mode::Require, Roots::System) => (false, false),
            (Mode::Require, Roots::File(_)) | (Mode::VerifyCa, _) => (true, false),
            (Mode::VerifyFull, _) => (true, true),
        }
    }

    /// Reads the roots anew, so that a file that was replaced counts from the next connection on.
    ///
    /// # Errors
    /// A sentence, when the roots cannot be read.
    pub(super) fn connector(&self) -> Result<MakeTlsConnector, String> {
        /// One that looks at nothing is always the same, and making one reads every root of the system.
        static UNVERIFIED: OnceLock<SslConnector> = OnceLock::new();
        let (certificate, name) = self.checks();
        let failed = |error: ErrorStack| format!("TLS cannot be set up: {error}");
        let connector = match (certificate, &self.roots) {
            (true, Roots::File(path)) => verifying(Some(read(path)?)).map_err(failed)?,
            (true, Roots::System) => verifying(None).map_err(failed)?,
            (false, _) => match UNVERIFIED.get() {
                Some(connector) => connector.clone(),
                None => {
                    let made = unverifying().map_err(failed)?;
                    UNVERIFIED.get_or_init(|| made).clone()
                }
            },
        };
        let mut connector = MakeTlsConnector::new(connector);
        connector.set_callback(move |connection, _| {
            connection.set_verify_hostname(name);
            Ok(())
        });
        Ok(connector)
    }
}

fn builder() -> Result<SslConnectorBuilder, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    Ok(builder)
}

fn unverifying() -> Result<SslConnector, ErrorStack> {
    let mut builder = builder()?;
    builder.set_verify(SslVerifyMode::NONE);
    Ok(builder.build())
}

/// Trusts these roots and no others, or those of this system.
fn verifying(roots: Option<Vec<X509>>) -> Result<SslConnector, ErrorStack> {
    let mut builder = builder()?;
    builder.set_verify(SslVerifyMode::PEER);
    if let Some(roots) = roots {
        let mut store = X509StoreBuilder::new()?;
        for root in roots {
            store.add_cert(root)?;
        }
        builder.set_cert_store(store.build());
        return Ok(builder.build());
    }
    // The OpenSSL built in here knows no system's directory by itself.
    let found = openssl_probe::probe();
    let directory = found.cert_dir.iter().find(|directory| directory.is_dir());
    if found.cert_file.is_some() || directory.is_some() {
        builder.load_verify_locations(found.cert_file.as_deref(), directory.map(PathBuf::as_path))?;
    }
    Ok(builder.build())
}

fn read(path: &PathBuf) -> Result<Vec<X509>, String> {
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|error| format!("sslrootcert {shown} cannot be read: {error}"))?;
    match X509::stack_from_pem(&pem) {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        _ => Err(format!("sslrootcert {shown} holds no certificate in PEM form")),
    }
}

/// What a failed handshake means, for people; `None` if it only broke off, which may pass.
pub(super) fn explain(error: &str) -> Option<&'static str> {
    const CAUSES: [(&[&str], &str); 6] = [
        (
            &["server does not support TLS"],
            "it speaks no TLS, but sslmode asks for it: switch TLS on there, or say sslmode=disable where nobody can \
             listen in",
        ),
        (
            &["hostname mismatch", "Hostname mismatch", "IP address mismatch"],
            "its certificate is for another host: connect by a name that stands in the certificate, or say \
             sslmode=verify-ca",
        ),
        (&["certificate has expired"], "its certificate has expired: renew it there"),
        (&["not yet valid"], "its certificate is not valid yet: compare the clocks of both machines"),
        (
            &["self-signed", "self signed", "unable to get", "unable to verify", "invalid CA"],
            "its certificate is not signed by anyone trusted here: name the file of its root by sslrootcert",
        ),
        (
            &["certificate verify failed", "wrong version number", "unsupported protocol", "handshake failure"],
            "no TLS session came about",
        ),
    ];
    CAUSES.iter().find(|(texts, _)| texts.iter().any(|text| error.contains(text))).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(mode: Option<&str>, roots: Option<&str>) -> Result<Tls, InvalidTls> {
        let own = |text: &str| text.to_owned();
        Tls::new(&Taken { rest: String::new(), sslmode: mode.map(own), sslrootcert: roots.map(own) })
    }

    #[test]
    fn the_modes_are_libpqs() {
        let checks = |mode, roots| tls(mode, roots).unwrap().checks();
        assert_eq!(checks(None, None), (false, false));
        assert_eq!(checks(Some("disable"), Some("/ca")), (false, false));
        assert_eq!(checks(Some("require"), None), (false, false));
        assert_eq!(checks(Some("require"), Some("/ca")), (true, false), "as verify-ca");
        assert_eq!(checks(Some("verify-ca"), None), (true, false));
        assert_eq!(checks(Some("verify-full"), Some("/ca")), (true, true));
        assert_eq!(checks(None, Some("system")), (true, true));
        assert!(matches!(tls(Some("allow"), None), Err(InvalidTls::SslMode(_))));
        assert!(matches!(tls(None, Some("/ca")), Err(InvalidTls::UnusedRoots)));
        assert!(matches!(tls(Some("require"), Some("system")), Err(InvalidTls::SystemRoots)));
    }

    #[test]
    fn roots_that_cannot_be_read_are_named() {
        let mut wanted = tls(Some("verify-ca"), Some("/nowhere/ca.pem")).unwrap();
        assert!(wanted.connector().err().unwrap().starts_with("sslrootcert /nowhere/ca.pem cannot be read: "));
        wanted.roots = Roots::File("Cargo.toml".into());
        assert_eq!(wanted.connector().err().unwrap(), "sslrootcert Cargo.toml holds no certificate in PEM form");
        // Not read where nothing is verified.
        wanted.mode = Mode::Disable;
        assert!(wanted.connector().is_ok());
    }
}
