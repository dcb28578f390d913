//! Plays as much of a RisingWave 2.6.1 as a loader or a guard sees of one, and notes what it is told, in order.
//!
//! It knows the default table and the ledger, keeps the keys of what is inserted, and refuses every statement that the
//! real one does not take or neither has any business to send.

mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use pgwire::api::Type;
use pgwire::api::stmt::NoopQueryParser;
use pgwire::tokio::process_socket;
use tokio::net::TcpListener;
use tokio::sync::watch;

use wire::Handlers;

/// A statement that changed something, when it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Records inserted, so many.
    Rows(usize),
    Flush,
    /// Files noted, so many.
    Ledger(usize),
    Recover,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Well,
    /// After a graceful restart.
    NeedsRecover,
    RecoveringUntil(Instant),
}

/// How long `RECOVER` takes here; five seconds there.
const RECOVERY: Duration = Duration::from_millis(700);

struct State {
    engine: Engine,
    superuser: bool,
    done: Vec<Done>,
    /// How many statements were refused.
    faults: u64,
    /// How many of them were a `RECOVER` by whom may not.
    refused_recovers: u64,
    /// What it was told and does not take.
    foreign: BTreeSet<String>,
    records: BTreeSet<(i32, i64)>,
    files: BTreeMap<String, String>,
    /// Of the users that have one.
    passwords: BTreeMap<String, String>,
    /// Whether they are asked for.
    asks: bool,
    /// What was granted, and to whom.
    grants: BTreeSet<String>,
    /// Whether there are tables.
    made: bool,
}

/// Listens as long as its test runs.
pub struct FakeRisingWave {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    restarts: watch::Sender<u32>,
    parser: Arc<NoopQueryParser>,
}

impl FakeRisingWave {
    pub async fn start(superuser: bool) -> FakeRisingWave {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State {
            engine: Engine::Well,
            superuser,
            done: Vec::new(),
            faults: 0,
            refused_recovers: 0,
            foreign: BTreeSet::new(),
            records: BTreeSet::new(),
            files: BTreeMap::new(),
            passwords: BTreeMap::new(),
            asks: true,
            grants: BTreeSet::new(),
            made: true,
        };
        let restarts = watch::Sender::new(0);
        let shared = Arc::new(Shared { state: Mutex::new(state), restarts, parser: Arc::new(NoopQueryParser::new()) });
        let fake = FakeRisingWave { port, shared: Arc::clone(&shared) };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let handlers = Handlers(Arc::clone(&shared));
                let mut restarts = shared.restarts.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = process_socket(socket, None, handlers) => {}
                        _ = restarts.changed() => {}
                    }
                });
            }
        });
        fake
    }

    pub fn url(&self) -> String {
        format!("postgresql://root@127.0.0.1:{}/dev", self.port)
    }

    /// Stops gracefully and starts again: connections end, and writing is broken until `RECOVER`.
    pub fn restart(&self) {
        self.state().engine = Engine::NeedsRecover;
        self.shared.restarts.send_modify(|restarts| *restarts += 1);
    }

    /// Starts again with nothing: no tables, no passwords.
    pub fn wipe(&self) {
        let mut state = self.state();
        (state.engine, state.made) = (Engine::Well, false);
        state.passwords.clear();
        state.grants.clear();
        drop(state);
        self.shared.restarts.send_modify(|restarts| *restarts += 1);
    }

    /// Of the users that have one.
    pub fn passwords(&self) -> BTreeMap<String, String> {
        self.state().passwords.clone()
    }

    /// Whether passwords are asked for of those who have one.
    pub fn ask_for_passwords(&self, asks: bool) {
        self.state().asks = asks;
    }

    /// What was granted, and to whom.
    pub fn grants(&self) -> BTreeSet<String> {
        self.state().grants.clone()
    }

    /// What a superuser does elsewhere.
    pub fn recover(&self) {
        self.state().engine = Engine::RecoveringUntil(Instant::now() + RECOVERY);
    }

    /// What changed something, in order.
    pub fn done(&self) -> Vec<Done> {
        self.state().done.clone()
    }

    /// Statements refused since the start.
    pub fn faults(&self) -> u64 {
        self.state().faults
    }

    /// How often someone asked for a recovery who may not.
    pub fn refused_recovers(&self) -> u64 {
        self.state().refused_recovers
    }

    /// Statements that no loader should send to a RisingWave.
    pub fn foreign(&self) -> BTreeSet<String> {
        self.state().foreign.clone()
    }

    /// How many records there are, and how many files are noted.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.records.len(), state.files.len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

const LOG: [(&str, &str); 10] = [
    ("id", "integer"),
    ("name", "character varying"),
    ("age", "integer"),
    ("op", "character varying"),
    ("event_order", "bigint"),
    ("ts", "timestamp without time zone"),
    ("event_hub", "character varying"),
    ("partition_id", "integer"),
    ("sequence_number", "bigint"),
    ("enqueued_at", "timestamp without time zone"),
];

/// A query's answer: its columns and its rows as text.
struct Answer {
    columns: Vec<(&'static str, Type)>,
    rows: Vec<Vec<String>>,
}

impl State {
    /// The answer to a query, or `None` for what is no known query. Parameters are there when it is run.
    fn query(&self, sql: &str, parameters: &[String]) -> Option<Answer> {
        let text = |names: &[&'static str]| names.iter().map(|name| (*name, Type::VARCHAR)).collect();
        if sql == "SELECT version()" {
            let version = "PostgreSQL 13.14.0-RisingWave-2.6.1 (a fake)".to_owned();
            return Some(Answer { columns: text(&["version"]), rows: vec![vec![version]] });
        }
        if sql.starts_with("SELECT column_name::varchar, data_type::varchar, is_nullable::varchar, ordinal_position") {
            let mut columns: Vec<_> = text(&["column_name", "data_type", "is_nullable"]);
            columns.push(("ordinal_position", Type::INT4));
            columns.push(("is_generated", Type::VARCHAR));
            let row = |(position, (name, kind)): (i32, (&str, &str))| {
                vec![name.to_owned(), kind.to_owned(), "YES".to_owned(), position.to_string(), "NEVER".to_owned()]
            };
            return Some(Answer { columns, rows: (1..).zip(LOG).map(row).collect() });
        }
        if sql.starts_with("SELECT i.indkey::varchar FROM pg_catalog.pg_index") {
            return Some(Answer { columns: text(&["indkey"]), rows: vec![vec!["{7,8,9,10}".to_owned()]] });
        }
        if sql.starts_with("SELECT DISTINCT table_name::varchar FROM information_schema.columns") {
            let tables: &[&str] = if self.made { &["capture_files", "rejected_events"] } else { &[] };
            let rows = tables.iter().map(|name| vec![(*name).to_owned()]).collect();
            return Some(Answer { columns: text(&["table_name"]), rows });
        }
        if sql.starts_with("SELECT blob, etag FROM capture_files") {
            let row = |(blob, etag): (&String, &String)| vec![blob.clone(), etag.clone()];
            let rows = match parameters {
                [_, _, first, last] => self.files.range(first.clone()..=last.clone()).map(row).collect(),
                _ => Vec::new(),
            };
            return Some(Answer { columns: text(&["blob", "etag"]), rows });
        }
        None
    }

    fn change(&mut self, sql: &str, parameters: &[String]) -> Result<(), String> {
        match sql {
            // A sign of life, whose row nobody reads.
            "SELECT 1" => {}
            "SET TimeZone = 'UTC'" => {}
            "FLUSH" => self.done.push(Done::Flush),
            "RECOVER" if !self.superuser => {
                self.refused_recovers += 1;
                return Err("Permission denied: only superusers can trigger adhoc recovery".to_owned());
            }
            "RECOVER" => {
                self.engine = Engine::RecoveringUntil(Instant::now() + RECOVERY);
                self.done.push(Done::Recover);
            }
            // Of no row.
            "DELETE FROM capture_files WHERE container = '' AND target = '' AND blob = ''" => self.can_write()?,
            _ if sql.starts_with("-- ") && sql.contains(" IF NOT EXISTS ") => self.made = true,
            _ if sql.starts_with("GRANT ") => drop(self.grants.insert(sql.to_owned())),
            _ if sql.contains(" USER ") && sql.contains(" WITH PASSWORD ") => self.set_password(sql)?,
            _ if sql.starts_with("INSERT INTO ") => {
                self.can_write()?;
                self.insert(sql, parameters);
            }
            _ => {
                self.foreign.insert(sql.to_owned());
                return Err(format!("Unhandled statement: {sql}"));
            }
        }
        Ok(())
    }

    fn set_password(&mut self, sql: &str) -> Result<(), String> {
        let (verb, rest) = sql.split_once(" USER \"").unwrap();
        let (user, rest) = rest.split_once("\" WITH PASSWORD '").unwrap();
        let there = ["root", "postgres"].contains(&user) || self.passwords.contains_key(user);
        match (verb, there) {
            ("CREATE", true) => return Err(format!("Catalog error: user with name {user} exists: {sql}")),
            ("ALTER", false) => return Err(format!("Catalog error: user not found: {user}: {sql}")),
            ("CREATE" | "ALTER", _) => {}
            _ => drop(self.foreign.insert(sql.to_owned())),
        }
        self.passwords.insert(user.to_owned(), rest.trim_end_matches('\'').to_owned());
        Ok(())
    }

    fn can_write(&mut self) -> Result<(), String> {
        match self.engine {
            Engine::NeedsRecover => {
                Err("Failed to run the query: Scheduler error: No worker node found for worker slot id: [1:0]"
                    .to_owned())
            }
            Engine::RecoveringUntil(end) if Instant::now() < end => {
                Err("DML is not permitted during cluster recovery (no available table reader in streaming executors)"
                    .to_owned())
            }
            _ => {
                self.engine = Engine::Well;
                Ok(())
            }
        }
    }

    fn insert(&mut self, sql: &str, parameters: &[String]) {
        let names = sql.split(['(', ')']).nth(1).unwrap();
        let names: Vec<_> = names.split(", ").map(|name| name.trim_matches('"')).collect();
        let unnested: Vec<_> = sql.split_once(") SELECT ").unwrap().1.split(", ").collect();
        let plain = unnested.len() == names.len()
            && (1..).zip(&unnested).all(|(number, item)| {
                item.strip_prefix(&format!("unnest(${number}::varchar::")).is_some_and(|kind| kind.ends_with("[])"))
            });
        if !plain {
            self.foreign.insert(sql.to_owned());
        }
        let column = |wanted: &str| -> Vec<String> {
            let index = names.iter().position(|name| *name == wanted).unwrap();
            let items = parameters[index].trim_start_matches('{').trim_end_matches('}');
            items.split(',').map(|item| item.trim_matches('"').to_owned()).collect()
        };
        if sql.starts_with("INSERT INTO \"public\".\"user_event_log\" ") {
            let numbers = column("sequence_number");
            self.done.push(Done::Rows(numbers.len()));
            for (partition, number) in column("partition_id").iter().zip(&numbers) {
                self.records.insert((partition.parse().unwrap(), number.parse().unwrap()));
            }
        } else if sql.starts_with("INSERT INTO \"capture_files\" ") {
            let blobs = column("blob");
            self.done.push(Done::Ledger(blobs.len()));
            self.files.extend(blobs.into_iter().zip(column("etag")));
        } else {
            self.foreign.insert(sql.to_owned());
        }
    }
}
