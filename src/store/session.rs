use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_postgres::Config;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

use super::address::StoreAddress;
use super::error::StoreError;
use super::repeats::Repeats;

/// Which engine answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The product.
    RisingWave,
    /// The embedded store of one machine.
    PostgreSql,
}

impl Kind {
    /// What makes texts mean the same on every server, in every database and for every user, and a commit last. RisingWave
    /// writes all but times with a zone in one way only.
    const fn manners(self) -> &'static str {
        match self {
            Kind::RisingWave => "SET TimeZone = 'UTC'",
            Kind::PostgreSql => {
                "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET DateStyle = 'ISO, YMD'; \
                 SET TimeZone = 'UTC'; SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; \
                 SET extra_float_digits = 1; \
                 SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
            }
        }
    }
}

/// One connection to the store.
///
/// It does not reconnect: the caller must know that what it sent last may or may not have been applied. Statements are
/// sent unnamed and whole, so that a pooler between here and the server may give each of them to another connection.
pub struct Session {
    client: Client,
    address: StoreAddress,
    kind: Kind,
    version: String,
    repeats: Repeats,
    /// Columns that the ledger was seen to have; none goes.
    ledger_columns: Mutex<BTreeSet<String>>,
    connection: Connection,
}

/// The task that serves a connection. It ends with this, since a server that does not answer would keep it for ever.
struct Connection {
    task: AbortHandle,
    ended: CancellationToken,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    /// Connects and asks which engine it is. A rotating password that is refused is read again and tried once more.
    ///
    /// # Errors
    /// When the server is away or refuses; the error names the address, never the password.
    pub async fn connect(address: &StoreAddress) -> Result<Self, StoreError> {
        let Some(password) = address.password() else {
            return Self::connect_once(address, address.config()).await;
        };
        let mut tried = false;
        loop {
            let current = password.current();
            let mut config = address.config().clone();
            config.password(current.expose());
            let refusal = match Self::connect_once(address, &config).await {
                Err(error) if error.is_wrong_password() => error,
                connected => return connected,
            };
            match password.renew(&current).await {
                Ok(true) if !tried => {
                    tracing::info!(store = %address, "password refused, read again from {}", password.source());
                    tried = true;
                }
                Ok(_) => return Err(refusal.adding(format_args!("it was read from {}", password.source()))),
                Err(error) => return Err(refusal.adding(error)),
            }
        }
    }

    async fn connect_once(address: &StoreAddress, config: &Config) -> Result<Self, StoreError> {
        const CONNECT: Duration = Duration::from_secs(15);
        let tls = address.tls().connector().map_err(|reason| StoreError::permanent(address, reason))?;
        let connecting = config.connect(tls);
        let (client, connection) = tokio::time::timeout(CONNECT, connecting)
            .await
            .map_err(|_| StoreError::timed_out(address, "a connection"))?
            .map_err(|error| StoreError::new(address, &error))?;
        // What breaks it is told to whoever waits for an answer.
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let connection = tokio::spawn(async move {
            let _ended = guard;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "store connection ended");
            }
        });
        let connection = Connection { task: connection.abort_handle(), ended };
        let version = async {
            let messages = client.simple_query("SELECT version()").await?;
            let version = messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            let version = version.unwrap_or_default();
            let kind = if version.contains("RisingWave") { Kind::RisingWave } else { Kind::PostgreSql };
            client.batch_execute(kind.manners()).await?;
            Ok((kind, version))
        };
        let (kind, version) = version.await.map_err(|error| StoreError::new(address, &error))?;
        Ok(Session {
            client,
            address: address.clone(),
            kind,
            version,
            repeats: Repeats::default(),
            ledger_columns: Mutex::default(),
            connection,
        })
    }

    /// Which engine it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The engine's name and version for people: `RisingWave 2.6.1`, `PostgreSQL 18.4`.
    pub fn engine(&self) -> String {
        let version = self.version.split_once("RisingWave-").map_or(&*self.version, |(_, version)| version);
        let number = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        match self.kind {
            Kind::RisingWave => format!("RisingWave {}", number.unwrap_or_default()),
            Kind::PostgreSql => format!("PostgreSQL {}", number.unwrap_or_default()),
        }
    }

    /// Where it is.
    pub fn address(&self) -> &StoreAddress {
        &self.address
    }

    /// Whether the connection broke; every further call would fail.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Comes when the connection broke.
    pub async fn closed(&self) {
        self.connection.ended.cancelled().await;
    }

    /// Asks the server to give up what it does for this connection. It may have done it, or go on.
    pub async fn cancel(&self) {
        const LONGEST: Duration = Duration::from_secs(2);
        if let Ok(tls) = self.address.tls().connector() {
            let _ = tokio::time::timeout(LONGEST, self.client.cancel_token().cancel_query(tls)).await;
        }
    }

    /// Waits until all that was inserted is durable and visible. On PostgreSQL every statement already is.
    pub async fn flush(&self) -> Result<(), StoreError> {
        match self.kind {
            Kind::RisingWave => self.execute_script("FLUSH").await,
            Kind::PostgreSql => Ok(()),
        }
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// When there is none.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.execute_script("SELECT 1").await
    }

    /// Asks whether changes are taken, by one that changes nothing: no file has an empty name. A RisingWave that was
    /// restarted refuses every change until it is asked to recover, and answers every query.
    ///
    /// # Errors
    /// [`super::Fault::NeedsRecover`] in that state. The ledger must exist.
    pub async fn check_writes(&self) -> Result<(), StoreError> {
        self.execute_script("DELETE FROM capture_files WHERE container = '' AND target = '' AND blob = ''").await
    }

    /// Heals a RisingWave that takes no writes since its graceful restart; it does again within seconds.
    ///
    /// # Errors
    /// A permanent fault, saying what to do, when this user may not.
    pub async fn recover(&self) -> Result<(), StoreError> {
        self.execute_script("RECOVER").await.map_err(|error| {
            if !error.needs_someone() {
                return error;
            }
            let reason = format!(
                "it takes no writes since its restart until a superuser asks it to RECOVER ({}): run `RECOVER` as \
                 root, or connect as a superuser",
                error.reason()
            );
            StoreError::permanent(&self.address, reason)
        })
    }

    /// Runs statements that take no parameters and whose rows nobody wants.
    pub async fn execute_script(&self, sql: &str) -> Result<(), StoreError> {
        self.client.batch_execute(sql).await.map_err(|error| self.error(&error))
    }

    /// Runs a query and gives its columns' names and its rows as text, as the server formats them.
    pub async fn query_text(&self, sql: &str) -> Result<(Vec<String>, Vec<Vec<Cell>>), StoreError> {
        let messages = self.client.simple_query(sql).await.map_err(|error| self.error(&error))?;
        let (mut columns, mut rows) = (Vec::new(), Vec::new());
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(description) => {
                    columns = description.iter().map(|column| column.name().to_owned()).collect();
                }
                SimpleQueryMessage::Row(row) => {
                    rows.push((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect());
                }
                _ => {}
            }
        }
        Ok((columns, rows))
    }

    /// A query's one whole number.
    ///
    /// # Errors
    /// Also when the query gives no row or something else.
    pub async fn query_number(&self, sql: &str) -> Result<i64, StoreError> {
        let (_, rows) = self.query_text(sql).await?;
        let cell = rows.first().and_then(|row| row.first()).and_then(Option::as_deref).unwrap_or_default();
        cell.parse().map_err(|_| StoreError::permanent(&self.address, format!("`{sql}` gave `{cell}`, not a number")))
    }

    /// Runs a query whose parameters are texts.
    pub(super) async fn query(&self, sql: &str, parameters: &[&str]) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        self.client.query_typed(sql, &texts(parameters)).await.map_err(|error| self.error(&error))
    }

    /// Runs a statement whose parameters are values, as texts, and gives how many rows it made or changed.
    pub(super) async fn execute(&self, sql: &str, parameters: &[&str]) -> Result<u64, StoreError> {
        let done = self.client.execute_typed(sql, &texts(parameters)).await;
        done.map_err(|error| StoreError::of_values(&self.address, &error))
    }

    pub(super) fn repeats(&self) -> &Repeats {
        &self.repeats
    }

    pub(super) fn ledger_columns(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.ledger_columns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Of anything but values.
    pub(super) fn error(&self, error: &tokio_postgres::Error) -> StoreError {
        StoreError::new(&self.address, error)
    }
}

fn texts<'a>(parameters: &'a [&'a str]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    parameters.iter().map(|parameter| (parameter as _, Type::VARCHAR)).collect()
}

/// A value as the server shows it; `None` is NULL.
pub type Cell = Option<String>;
