use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::identity::IdentityArgs;
use super::store::{StoreArgs, secret};
use super::{Faults, Seconds};
use crate::azure::identity::IdentitySettings;
use crate::base::SecretSource;
use crate::store::{StoreAddress, check_password};

/// Flags of those who set up a store.
#[derive(Debug, Clone, Args)]
struct SetupArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Set this password for the URL's user, whether or not it has one yet: as it is, file:PATH, or keyvault:NAME
    #[arg(long, env = "DELTAWAVE_ROOT_PASSWORD", value_name = "SECRET", hide_env_values = true)]
    root_password: Option<String>,
    /// Make the user `loader`, who may do what a loader does, or set its password
    #[arg(long, env = "DELTAWAVE_LOADER_PASSWORD", value_name = "SECRET", hide_env_values = true)]
    loader_password: Option<String>,
    /// Make the user `reader`, who may read every table and view, or set its password
    #[arg(long, env = "DELTAWAVE_READER_PASSWORD", value_name = "SECRET", hide_env_values = true)]
    reader_password: Option<String>,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// How to set up a store.
#[derive(Debug, Clone)]
pub struct SetupSettings {
    /// The store.
    pub store: StoreAddress,
    /// The password to connect with, where it is not to be changed.
    pub store_password: Option<SecretSource>,
    /// The password to set for the user that connects.
    pub root_password: Option<SecretSource>,
    /// The password of the user `loader`, who is made.
    pub loader_password: Option<SecretSource>,
    /// The password of the user `reader`, who is made.
    pub reader_password: Option<SecretSource>,
    /// Who this is towards Azure.
    pub identity: IdentitySettings,
}

impl SetupArgs {
    fn check(self, faults: &mut Faults) -> Option<SetupSettings> {
        let store = self.store.check(faults);
        let mut password = |flag: &str, text: Option<String>| {
            let source = text.as_deref().map(secret)?;
            if let SecretSource::Literal(literal) = &source {
                faults.check(flag, check_password(literal));
            }
            Some(source)
        };
        let root_password = password("--root-password", self.root_password);
        let loader_password = password("--loader-password", self.loader_password);
        let reader_password = password("--reader-password", self.reader_password);
        if root_password.is_some() && store.as_ref().is_some_and(|store| store.address.has_password()) {
            faults.add("--root-password", "--store-url holds a password too; take it out there");
        }
        let store_password = store.as_ref().and_then(|store| store.password.clone());
        let secrets = [
            ("--store-password", store_password.as_ref()),
            ("--root-password", root_password.as_ref()),
            ("--loader-password", loader_password.as_ref()),
            ("--reader-password", reader_password.as_ref()),
        ];
        let identity = self.identity.check(&secrets, faults)?;
        Some(SetupSettings {
            store: store?.address,
            store_password,
            root_password,
            loader_password,
            reader_password,
            identity,
        })
    }
}

/// Flags of `deltawave init`.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    #[command(flatten)]
    setup: SetupArgs,
    /// Drop the tables and views first, with all they hold; asks before it does
    #[arg(long)]
    recreate: bool,
    /// With --recreate: do not ask
    #[arg(long, requires = "recreate")]
    yes: bool,
    /// How long to retry a store that is away before exit 1, in seconds
    #[arg(long, env = "DELTAWAVE_GIVE_UP", value_name = "SECONDS", default_value = "60")]
    give_up: Seconds,
}

/// What `init` does with tables that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recreate {
    /// Leaves them as they are.
    No,
    /// Drops and makes them anew, once a person has agreed.
    Ask,
    /// Drops and makes them anew.
    Yes,
}

/// Validated settings of `init`.
#[derive(Debug, Clone)]
pub struct InitSettings {
    /// The store and its users.
    pub setup: SetupSettings,
    /// What to do with what is there.
    pub recreate: Recreate,
    /// How long a store that is away is retried.
    pub give_up: Duration,
}

impl InitArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<InitSettings, Faults> {
        let mut faults = Faults::default();
        let setup = self.setup.check(&mut faults);
        let recreate = match (self.recreate, self.yes) {
            (false, _) => Recreate::No,
            (true, false) => Recreate::Ask,
            (true, true) => Recreate::Yes,
        };
        let give_up = self.give_up.0;
        faults.finish(setup.map(|setup| InitSettings { setup, recreate, give_up }))
    }
}

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
        for (flag, time, least) in [
            ("--poll", self.poll.0, 0.01),
            ("--store-timeout", self.store_timeout.0, 0.1),
            ("--reread", self.reread.0, 0.01),
        ] {
            if time < Duration::from_secs_f64(least) {
                faults.add(flag, format_args!("must be at least {least} s"));
            }
        }
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
        let settings = setup.map(|setup| GuardSettings {
            setup,
            http: self.http,
            front,
            poll: self.poll.0,
            store_timeout: self.store_timeout.0,
            reread: self.reread.0,
        });
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
