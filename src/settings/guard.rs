use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::setup::{SetupArgs, SetupSettings};
use super::{Faults, Seconds};

/// Flags of `deltawave guard`.
#[derive(Debug, Clone, Args)]
pub struct GuardArgs {
    #[command(flatten)]
    setup: SetupArgs,
    /// Serve /healthz, /readyz and /metrics on this address [default: do not]
    #[arg(long, env = "DELTAWAVE_HTTP", value_name = "ADDR:PORT")]
    http: Option<SocketAddr>,
    /// Let clients in to the store on this address, by TLS only, while the store is set up [default: do not]
    #[arg(
        long,
        env = "DELTAWAVE_LISTEN",
        value_name = "ADDR:PORT",
        requires = "tls_certificate",
        requires = "tls_key"
    )]
    listen: Option<SocketAddr>,
    /// With --listen: the server's certificate and those that lead to its root, a PEM file; read again when it changes
    #[arg(long, env = "DELTAWAVE_TLS_CERTIFICATE", value_name = "FILE", requires = "listen")]
    tls_certificate: Option<PathBuf>,
    /// With --listen: the certificate's key, a PEM file
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
    /// How often to read the passwords again, and to set those that changed, in seconds
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
    /// Time between looks at the passwords.
    pub reread: Duration,
}

/// Where and how clients are let in to the store.
#[derive(Debug, Clone)]
pub struct FrontSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Host and port of the store, on this machine.
    pub store: (String, u16),
    /// The server's certificate and those that lead to its root.
    pub certificate: PathBuf,
    /// The certificate's key.
    pub key: PathBuf,
    /// How many clients at once.
    pub clients: u16,
}

impl GuardArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<GuardSettings, Faults> {
        let mut faults = Faults::default();
        let setup = self.setup.check(&mut faults);
        let poll = faults.check("--poll", self.poll.at_least(0.01));
        let store_timeout = faults.check("--store-timeout", self.store_timeout.at_least(0.1));
        let reread = faults.check("--reread", self.reread.at_least(0.01));
        let mut front = None;
        if let (Some(listen), Some(certificate), Some(key)) = (self.listen, self.tls_certificate, self.tls_key) {
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
            front = store.map(|store| FrontSettings { listen, store, certificate, key, clients: self.clients });
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
}
