//! A database for each test, on PostgreSQL or on the server that `DELTAWAVE_TEST_STORE_URL` names.

use std::time::Duration;

use deltawave::store::{Kind, Session, StoreAddress, create_objects, drop_objects};
use tokio::time::timeout;

use super::{postgres, unique};

/// How long any statement of a test may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// A database of the test's own. Every question gets a connection of its own, so that it outlives its server's
/// restarts.
pub struct TestStore {
    pub address: StoreAddress,
    server: StoreAddress,
    name: String,
}

/// A fresh database with nothing in it: on the server that `DELTAWAVE_TEST_STORE_URL` names (a libpq URL without a
/// password, of a RisingWave) if it is set, else on the shared PostgreSQL.
pub async fn store() -> TestStore {
    match std::env::var("DELTAWAVE_TEST_STORE_URL") {
        Ok(url) => TestStore::on(&url).await,
        Err(_) => postgres_store().await,
    }
}

/// As [`store`], for tests of what only PostgreSQL has.
pub async fn postgres_store() -> TestStore {
    TestStore::on(&postgres().await.url()).await
}

impl TestStore {
    /// A fresh database on that server.
    pub async fn on(url: &str) -> TestStore {
        TestStore::made(url, "").await
    }

    /// As [`Self::on`], the database made with these options.
    pub async fn made(url: &str, options: &str) -> TestStore {
        let server: StoreAddress = url.parse().unwrap();
        let name = unique("test");
        let store = TestStore { address: server.with_database(&name), server, name };
        let session = Session::connect(&store.server).await.unwrap();
        session.execute_script(&format!("CREATE DATABASE {} {options}", store.name)).await.unwrap();
        store
    }

    /// As [`Self::on`], with the tables and views that `deltawave init` makes.
    pub async fn initialised(self) -> TestStore {
        create_objects(&self.session().await, |_| {}).await.unwrap();
        self
    }

    /// What programs take as `--store-url`.
    pub fn url(&self) -> String {
        self.address.to_string()
    }

    pub async fn session(&self) -> Session {
        Session::connect(&self.address).await.unwrap()
    }

    /// Runs statements, and waits until what they did is visible.
    pub async fn run(&self, sql: &str) {
        let session = self.session().await;
        let run = async {
            session.execute_script(sql).await?;
            session.flush().await
        };
        timeout(DEADLINE, run).await.unwrap_or_else(|_| panic!("{sql}: no answer")).unwrap();
    }

    /// A query's rows as text, of everything that was inserted before; NULL is shown as `NULL`.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let session = self.session().await;
        let ask = async {
            session.flush().await?;
            session.query_text(sql).await
        };
        let (_, rows) = timeout(DEADLINE, ask).await.unwrap_or_else(|_| panic!("{sql}: no answer")).unwrap();
        let text = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".to_owned());
        rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
    }

    /// The names of a query's columns.
    pub async fn columns(&self, sql: &str) -> Vec<String> {
        self.session().await.query_text(sql).await.unwrap().0
    }

    /// A query's one number.
    pub async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0][0].parse().unwrap_or_else(|_| panic!("{sql}: not a number"))
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table}")).await
    }

    /// Drops the database. Called last, so that a failed test leaves it to be looked at.
    pub async fn passed(self) {
        let session = self.session().await;
        drop_objects(&session, |_| {}).await.unwrap();
        // RisingWave drops no database that has something in it.
        let tables = "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = 'public'";
        for row in self.rows(tables).await {
            session.execute_script(&format!("DROP TABLE {}", row[0])).await.unwrap();
        }
        let force = match session.kind() {
            Kind::PostgreSql => " WITH (FORCE)",
            Kind::RisingWave => "",
        };
        drop(session);
        let server = Session::connect(&self.server).await.unwrap();
        server.execute_script(&format!("DROP DATABASE {}{force}", self.name)).await.unwrap();
    }
}
