use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::options::Taken;
use super::tls::{InvalidTls, Mode, Roots, Tls};
use crate::base::{RotatingSecret, Secret};

/// Where the store is, as whom to connect and how: a libpq URL or keyword string. Shown without its password.
#[derive(Clone)]
pub struct StoreAddress {
    config: Config,
    tls: Tls,
    password: Option<RotatingSecret>,
}

/// Why a text is no store address.
#[derive(Debug, thiserror::Error)]
pub enum InvalidStoreAddress {
    /// Not of libpq's form. The text is not repeated: it may hold a password.
    #[error("not a libpq URL like postgresql://root@localhost:4566/dev ({0})")]
    Form(String),
    /// Without a host there is nothing to connect to.
    #[error("names no host; write postgresql://USER@HOST:PORT/DATABASE")]
    NoHost,
    /// What it says of TLS.
    #[error(transparent)]
    Tls(#[from] InvalidTls),
}

impl FromStr for StoreAddress {
    type Err = InvalidStoreAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // libpq's own default would be a database named after the user, which RisingWave does not have.
        let taken = Taken::from(text);
        let tls = Tls::new(&taken)?;
        let mut config: Config = taken
            .rest
            .parse()
            .map_err(|error: tokio_postgres::Error| InvalidStoreAddress::Form(crate::base::chain(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(InvalidStoreAddress::NoHost);
        }
        if config.get_dbname().is_none() {
            config.dbname("dev");
        }
        if config.get_user().is_none() {
            config.user("root");
        }
        config.application_name("deltawave").connect_timeout(Duration::from_secs(10));
        config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(Duration::from_secs(60));
        config.ssl_mode(tls.wanted());
        Ok(StoreAddress { config, tls, password: None })
    }
}

impl StoreAddress {
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    pub(super) fn password(&self) -> Option<&RotatingSecret> {
        self.password.as_ref()
    }

    /// The same server and user, another database.
    pub fn with_database(&self, database: &str) -> Self {
        let mut address = self.clone();
        address.config.dbname(database);
        address
    }

    /// The same server and database, another user, whose password is this one.
    pub fn with_user(&self, user: &str, password: &Secret) -> Self {
        let mut address = self.with_password(password);
        address.config.user(user);
        address
    }

    /// The same server and database, another user, who says no password. Only of an address that holds none.
    pub(super) fn passwordless(&self, user: &str) -> Self {
        let mut address = StoreAddress { password: None, ..self.clone() };
        address.config.user(user);
        address
    }

    /// With this password.
    pub fn with_password(&self, password: &Secret) -> Self {
        let mut address = self.clone();
        address.config.password(password.expose());
        address.password = None;
        address
    }

    /// With a password that is read again when the store refuses it.
    pub fn with_rotating_password(&self, password: RotatingSecret) -> Self {
        StoreAddress { password: Some(password), ..self.clone() }
    }

    /// Whether the text held a password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// As whom to connect.
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or("root")
    }

    /// Which database.
    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or("dev")
    }

    /// Host and port, if the store is on this very machine and may be spoken to without TLS.
    pub fn plain_on_loopback(&self) -> Option<(String, u16)> {
        let (host, port) = self.host_port();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        let local = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        (local && matches!(self.tls.mode, Mode::Disable | Mode::Prefer)).then_some((host, port))
    }

    /// The command that opens the same database by hand. A password is asked for, never shown.
    pub fn psql(&self) -> String {
        let (host, port) = self.host_port();
        if self.tls.mode == Mode::Prefer {
            format!("psql -h {host} -p {port} -U {} -d {}", self.user(), self.database())
        } else {
            format!("psql '{self}'")
        }
    }

    fn host_port(&self) -> (String, u16) {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        (host, self.config.get_ports().first().copied().unwrap_or(5432))
    }
}

/// `postgresql://USER@HOST:PORT/DATABASE`, with what was said of TLS, never with the password.
impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = self.host_port();
        write!(f, "postgresql://{}@{host}:{port}/{}", self.user(), self.database())?;
        if self.tls.mode != Mode::Prefer {
            write!(f, "?sslmode={}", self.tls.mode)?;
            if let Roots::File(path) = &self.tls.roots {
                write!(f, "&sslrootcert={}", path.display())?;
            }
        }
        Ok(())
    }
}

/// Two are the same if they lead to the same place in the same way; a password that is read elsewhere counts by where.
impl PartialEq for StoreAddress {
    fn eq(&self, other: &Self) -> bool {
        let source = |address: &Self| address.password.as_ref().map(|password| password.source().clone());
        self.config == other.config && self.tls == other.tls && source(self) == source(other)
    }
}

impl Eq for StoreAddress {}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_dev_and_the_password_stays_hidden() {
        let address: StoreAddress = "postgresql://ann:hunter2@db.example:4566".parse().unwrap();
        assert_eq!(address.to_string(), "postgresql://ann@db.example:4566/dev");
        assert_eq!(address.psql(), "psql -h db.example -p 4566 -U ann -d dev");
        assert!(!format!("{address:?}").contains("hunter2"));
        assert_eq!(address.with_database("x").to_string(), "postgresql://ann@db.example:4566/x");
    }

    #[test]
    fn what_is_said_of_tls_is_shown_and_understood_again() {
        for text in [
            "postgresql://ann@db.example:4566/dev?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            "postgresql://ann@db.example:4566/dev?sslmode=disable",
        ] {
            let address: StoreAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.psql(), format!("psql '{text}'"));
        }
        let keywords = "host=db.example port=4566 user=ann password=hunter2 sslmode=require";
        let address: StoreAddress = keywords.parse().unwrap();
        assert_eq!(address.to_string(), "postgresql://ann@db.example:4566/dev?sslmode=require");
        assert!(address.has_password() && !format!("{address:?}").contains("hunter2"));
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        let local = |text: &str| text.parse::<StoreAddress>().unwrap().plain_on_loopback();
        assert_eq!(local("postgresql://root@localhost:4566/dev"), Some(("localhost".to_owned(), 4566)));
        assert_eq!(local("postgresql://root@127.0.0.1:1?sslmode=disable"), Some(("127.0.0.1".to_owned(), 1)));
        assert_eq!(local("postgresql://root@127.0.0.1:1?sslmode=require"), None);
        assert_eq!(local("postgresql://root@db.example:4566"), None);
    }

    #[test]
    fn a_wrong_address_does_not_repeat_itself() {
        let error = "postgresql://ann:hunter2@host:port/x".parse::<StoreAddress>().unwrap_err().to_string();
        assert!(error.contains("libpq URL") && !error.contains("hunter2"), "{error}");
        assert!(matches!("dbname=dev".parse::<StoreAddress>(), Err(InvalidStoreAddress::NoHost)));
    }
}
