//! Where files are and rows go: started here, or a store that is there already.

use std::path::PathBuf;

use deltawave::azure::blob::{BlobAddress, Container};
use deltawave::offline::{Azurite, Parts, Persistence, Postgres, Scratch};
use deltawave::store::{Session, StoreAddress, create_objects, drop_objects};

use super::Outcome;

/// A directory of this run, removed with it.
pub struct Place {
    scratch: Scratch,
    parts: Parts,
}

impl Place {
    pub fn new() -> Outcome<Self> {
        Ok(Place { scratch: Scratch::new()?, parts: Parts::locate() })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// An Azurite with its data in memory.
    pub async fn azurite(&self) -> Outcome<Azurite> {
        let progress = |text: &str| eprintln!("{text}");
        Ok(Azurite::start(&self.parts, &self.path("azurite"), Persistence::Memory, &progress).await?)
    }

    /// The named store, or else a PostgreSQL of our own, which ends with the value.
    pub async fn store(&self, url: Option<&str>) -> Outcome<Store> {
        let progress = |text: &str| eprintln!("{text}");
        let (server, postgres) = match url {
            Some(url) => (url.to_owned(), None),
            None => {
                let directory = self.path("postgres");
                let postgres = Postgres::start(&self.parts, &directory, Persistence::Memory, &progress).await?;
                (postgres.url(), Some(postgres))
            }
        };
        let address: StoreAddress = server.parse()?;
        let database = format!("bench_{}", std::process::id());
        let session = Session::connect(&address).await?;
        session.execute_script(&format!("CREATE DATABASE {database}")).await?;
        // Rebuilt from the server's URL by its parts, as that may hold a password that an address does not show.
        let url = with_database(&server, &database)?;
        Ok(Store { address: address.with_database(&database), url, server: address, database, _postgres: postgres })
    }
}

fn with_database(server: &str, database: &str) -> Outcome<String> {
    let mut url = url::Url::parse(server)?;
    url.set_path(database);
    Ok(url.into())
}

/// A database of this run's own.
pub struct Store {
    pub address: StoreAddress,
    /// What the loader takes as `--store-url`.
    pub url: String,
    server: StoreAddress,
    database: String,
    _postgres: Option<Postgres>,
}

impl Store {
    pub async fn session(&self) -> Outcome<Session> {
        Ok(Session::connect(&self.address).await?)
    }

    /// Makes all tables and views anew, empty.
    pub async fn fresh(&self) -> Outcome<()> {
        let session = self.session().await?;
        drop_objects(&session, |_| {}).await?;
        create_objects(&session, |_| {}).await?;
        Ok(())
    }

    /// How many rows the target table shows.
    pub async fn rows(&self) -> Outcome<i64> {
        let session = self.session().await?;
        session.flush().await?;
        Ok(session.query_number("SELECT count(*) FROM user_event_log").await?)
    }

    /// Drops the database.
    pub async fn drop(self) -> Outcome<()> {
        let session = self.session().await?;
        drop_objects(&session, |_| {}).await?;
        drop(session);
        let server = Session::connect(&self.server).await?;
        Ok(server.execute_script(&format!("DROP DATABASE {}", self.database)).await?)
    }
}

/// Opens a container or directory, made if it is missing.
pub async fn container(address: &str) -> Outcome<Container> {
    let address: BlobAddress = address.parse()?;
    let container = Container::open(&address, None)?;
    container.ensure().await?;
    Ok(container)
}
