use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::setup::{SetupArgs, SetupSettings};
use super::{Faults, Seconds};
use crate::base::SecretSource;

/// Flags of `deltawave guard`.
#[derive(Debug, Clone, Args)]
pub struct GuardArgs {
    #[command(flatten)]
    setup: SetupArgs,
    /// Serve /healthz, /readyz and /metrics on this address [default: do not]
    #[arg(long, env = "DELTAWAVE_HTTP", value_name = "ADDR:PORT")]
    http: Option<SocketAddr>,
    /// Let clients in to the store on this address, by TLS only, while the store is set up [default: do not]
    #[arg(long, env = "DELTAWAVE_LISTEN", value_name = "ADDR:PORT", requires = "tls_certificate")]
    listen: Option<SocketAddr>,
    /// With --listen: the server's certificate and those that lead to its root, a PEM file, or keyvault:NAME of one with
    /// its key; read again when it changes
    #[arg(long, env = "DELTAWAVE_TLS_CERTIFICATE", value_name = "FILE", requires = "listen")]
    tls_certificate: Option<SecretSource>,
    /// With --listen: the certificate's key, a PEM file [default: it is in the certificate's]
    #[arg(long, env = "DELTAWAVE_TLS_KEY", value_name = "FILE", requires = "listen")]
    tls_key: Option<PathBuf>,
    /// With --listen: how many clients at once; more are turned away
    #[arg(long, env = "DELTAWAVE_CLIENTS", value_name = "N", default_value_t = 256,
          value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
    /// How often to look whether the store answers and takes writes, in seconds
    #[arg(long, env = "DELTAWAVE_POLL", value_name = "SECONDS", default_value = "5")]
    poll: Seconds,
    /// How long the store may take to answer before it counts as lost, in seconds
    #[arg(long, env = "DELTAWAVE_STORE_TIMEOUT", value_name = "SECONDS", default_value = "30")]
    store_timeout: Seconds,
    /// How often to read the passwords and the certificate again, and to take those that changed, in seconds
    #[arg(long, env = "DELTAWAVE_REREAD", value_name = "SECONDS", default_value = "60")]
    reread: Seconds,
}

/// Validated settings of `guard`.
#[derive(Debug, Clone)]
pub struct GuardSettings {
    /// The store and its users.
    pub setup: SetupSettings,
    /// Where health is served.
    pub http: Option<SocketAddr>,
    /// Where clients are let in.
    pub front: Option<FrontSettings>,
    /// Time between looks at the store.
    pub poll: Duration,
    /// How long the store may take to answer.
    pub store_timeout: Duration,
    /// Time between looks at the passwords and the certificate.
    pub reread: Duration,
}

/// Where and how clients are let in to the store.
#[derive(Debug, Clone)]
pub struct FrontSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Host and port of the store, on this machine.
    pub store: (String, u16),
    /// What to show clients.
    pub certificate: CertificateSource,
    /// How many clients at once.
    pub clients: u16,
}

/// Where the server's certificate, those that lead to its root, and its key are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// In files, or one.
    Files {
        /// The certificates.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// In one secret of a vault.
    Vault(SecretSource),
}

impl CertificateSource {
    fn check(source: Option<SecretSource>, key: Option<PathBuf>, faults: &mut Faults) -> Option<Self> {
        const FLAG: &str = "--tls-certificate";
        let path = match source? {
            source @ SecretSource::KeyVault { .. } => {
                if key.is_some() {
                    faults.add("--tls-key", format_args!("{FLAG} {source} holds the key too: leave this out"));
                }
                return Some(CertificateSource::Vault(source));
            }
            // Not repeated: a key may be in it.
            SecretSource::Literal(text) if text.expose().contains("-----BEGIN") => {
                faults.add(FLAG, "is a certificate itself: give the file that holds it, or keyvault:NAME");
                return None;
            }
            SecretSource::Literal(path) => PathBuf::from(path.expose()),
            SecretSource::File(path) => path,
        };
        Some(CertificateSource::Files { key: key.unwrap_or_else(|| path.clone()), certificate: path })
    }
}

impl GuardArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<GuardSettings, Faults> {
        let mut faults = Faults::default();
        let in_vault = self.tls_certificate.as_ref().filter(|source| source.needs_vault());
        let setup = self.setup.check(&[("--tls-certificate", in_vault)], &mut faults);
        let certificate = CertificateSource::check(self.tls_certificate, self.tls_key, &mut faults);
        let poll = faults.check("--poll", self.poll.at_least(0.01));
        let store_timeout = faults.check("--store-timeout", self.store_timeout.at_least(0.1));
        let reread = faults.check("--reread", self.reread.at_least(0.01));
        let mut front = None;
        if let (Some(listen), Some(certificate)) = (self.listen, certificate) {
            let store = setup.as_ref().and_then(|setup| setup.store.plain_on_loopback());
            if setup.is_some() && store.is_none() {
                faults.add(
                    "--listen",
                    "passes on without TLS, so --store-url must lead to this machine (localhost) and say no sslmode, \
                     or disable",
                );
            }
            if setup.as_ref().is_some_and(|setup| setup.root_password.is_none()) {
                faults.add("--listen", "lets in whoever reaches it, so --root-password is needed");
            }
            front = store.map(|store| FrontSettings { listen, store, certificate, clients: self.clients });
        }
        let settings = (|| {
            Some(GuardSettings {
                setup: setup?,
                http: self.http,
                front,
                poll: poll?,
                store_timeout: store_timeout?,
                reread: reread?,
            })
        })();
        faults.finish(settings)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: GuardArgs,
    }

    fn validate(flags: &[&str]) -> Result<GuardSettings, String> {
        let cli = Cli::try_parse_from([&["guard"], flags].concat()).map_err(|error| error.to_string())?;
        cli.args.validate().map_err(|faults| faults.to_string())
    }

    #[test]
    fn passwords_are_checked_and_never_repeated() {
        let text = validate(&[
            "--store-url",
            "postgresql://root:hunter2@h/dev",
            "--store-password",
            "hunter3",
            "--loader-password",
            "hunter 4",
            "--reader-password",
            "",
        ])
        .unwrap_err();
        for fault in [
            "--store-password: --store-url holds a password too",
            "--loader-password: holds characters that a connection URL",
            "--reader-password: is empty",
        ] {
            assert!(text.contains(fault), "{fault} is missing in:\n{text}");
        }
        assert!(!text.contains("hunter"), "{text}");
        let text = validate(&["--root-password", "keyvault:root"]).unwrap_err();
        assert!(text.contains("--root-password") && text.contains("--key-vault-url"), "{text}");
        let text = validate(&["--root-password", "a", "--store-url", "postgresql://r:b@h/dev"]).unwrap_err();
        assert!(text.starts_with("error: --root-password: --store-url holds a password too"), "{text}");
        let settings = validate(&["--root-password", "file:/a b", "--loader-password", "hunter5"]).unwrap();
        assert!(!format!("{settings:?}").contains("hunter5"));
    }

    #[test]
    fn a_front_needs_a_certificate_a_password_and_a_store_on_this_machine() {
        let tls = ["--tls-certificate", "/c", "--tls-key", "/k", "--root-password", "secret"];
        let front = |more: &[&str]| validate(&[&["--listen", "0.0.0.0:4567"], &tls[..], more].concat());
        assert_eq!(front(&[]).unwrap().front.unwrap().store, ("localhost".to_owned(), 4566));
        for url in ["postgresql://root@db.example/dev", "postgresql://root@localhost/dev?sslmode=require"] {
            let text = front(&["--store-url", url]).unwrap_err();
            assert!(text.contains("--listen: passes on without TLS"), "{text}");
        }
        assert!(validate(&["--listen", "0.0.0.0:4567"]).unwrap_err().contains("--tls-certificate"));
        let text = validate(&[&["--listen", "0.0.0.0:4567"], &tls[..4]].concat()).unwrap_err();
        assert!(text.contains("--listen: lets in whoever reaches it"), "{text}");
    }
    #[test]
    fn a_certificate_is_in_files_or_in_a_vault() {
        let source = |more: &[&str]| {
            let front = ["--listen", "0.0.0.0:4567", "--root-password", "secret"];
            validate(&[&front, more].concat()).map(|settings| settings.front.unwrap().certificate)
        };
        let files = |certificate: &str, key: &str| CertificateSource::Files {
            certificate: certificate.into(),
            key: key.into(),
        };
        assert_eq!(source(&["--tls-certificate", "/c", "--tls-key", "/k"]), Ok(files("/c", "/k")));
        assert_eq!(source(&["--tls-certificate", "file:/c"]), Ok(files("/c", "/c")));
        let vault = ["--key-vault-url", "https://v.vault.azure.net"];
        let secret = CertificateSource::Vault("keyvault:sql".parse().unwrap());
        assert_eq!(source(&[&["--tls-certificate", "keyvault:sql"], &vault[..]].concat()), Ok(secret));
        for (flags, words) in [
            (&["--tls-certificate", "keyvault:sql"][..], "say which by --key-vault-url"),
            (&["--tls-certificate", "keyvault:"], "--tls-certificate: names no secret"),
            (&["--tls-certificate", "keyvault:sql", "--tls-key", "/k"], "holds the key too: leave this out"),
            (&["--tls-certificate=-----BEGIN PRIVATE KEY-----\nhunter2"], "is a certificate itself"),
        ] {
            let text = source(flags).unwrap_err();
            assert!(text.contains(words) && !text.contains("hunter"), "{words} is missing in:\n{text}");
        }
    }
}
