use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Where the store is and as whom to connect: a libpq URL or keyword string. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreAddress {
    config: Config,
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
}

impl FromStr for StoreAddress {
    type Err = InvalidStoreAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // libpq's own default would be a database named after the user, which RisingWave does not have.
        let mut config: Config = text
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
        Ok(StoreAddress { config })
    }
}

impl StoreAddress {
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The same server and user, another database.
    pub fn with_database(&self, database: &str) -> Self {
        let mut config = self.config.clone();
        config.dbname(database);
        StoreAddress { config }
    }

    /// The command that opens the same database by hand. A password is asked for, never shown.
    pub fn psql(&self) -> String {
        let (host, port) = self.host_port();
        let (user, database) = (self.config.get_user().unwrap_or("root"), self.config.get_dbname().unwrap_or("dev"));
        format!("psql -h {host} -p {port} -U {user} -d {database}")
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

/// `postgresql://USER@HOST:PORT/DATABASE`, never the password.
impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = self.host_port();
        let (user, database) = (self.config.get_user().unwrap_or("root"), self.config.get_dbname().unwrap_or("dev"));
        write!(f, "postgresql://{user}@{host}:{port}/{database}")
    }
}

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
    fn a_wrong_address_does_not_repeat_itself() {
        let error = "postgresql://ann:hunter2@host:port/x".parse::<StoreAddress>().unwrap_err().to_string();
        assert!(error.contains("libpq URL") && !error.contains("hunter2"), "{error}");
        assert!(matches!("dbname=dev".parse::<StoreAddress>(), Err(InvalidStoreAddress::NoHost)));
    }
}
