//! Plays as much of a RisingWave 2.6.1 as a loader or a guard sees of one, and notes what it is told, in order.
//!
//! It knows the default table and the ledger, keeps the keys of what is inserted, and refuses every statement that the
//! real one does not take or neither has any business to send. As the real one it acknowledges rows that it has not made
//! durable, forgets them in a recovery, and says FLUSH to be done all the same.

mod data;
mod engine;
mod objects;
mod users;
mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use pgwire::api::Type;
use pgwire::api::stmt::NoopQueryParser;
use pgwire::tokio::process_socket;
use tokio::net::TcpListener;
use tokio::sync::watch;

use data::Data;
pub use objects::Kind;
use objects::Objects;
use users::Users;
use wire::Handlers;

/// A statement that changed something, when it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Records inserted, so many.
    Rows(usize),
    Flush,
    /// Ranges of records counted, so many.
    Counted(usize),
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
    data: Data,
    recovery: Duration,
    /// So many FLUSHes come after a recovery that took what they were to make durable.
    forgetful_flushes: u32,
    /// Whether the next FLUSH does after files were noted.
    forgets_ledger: bool,
    /// What the next FLUSHes fail with.
    flush_faults: VecDeque<String>,
    users: Users,
    /// Whether passwords are asked for.
    asks: bool,
    objects: Objects,
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
            data: Data::new(),
            recovery: RECOVERY,
            forgetful_flushes: 0,
            forgets_ledger: false,
            flush_faults: VecDeque::new(),
            users: Users::default(),
            asks: true,
            objects: Objects::made(),
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
        self.fall(|_| Engine::NeedsRecover);
    }

    /// Is killed and starts again.
    pub fn crash(&self) {
        self.fall(|recovery| Engine::RecoveringUntil(Instant::now() + recovery));
    }

    /// Drops all connections, and recovers without anybody's asking.
    pub fn drop_connections(&self) {
        self.fall(|_| Engine::Well);
    }

    fn fall(&self, engine: impl Fn(Duration) -> Engine) {
        let mut state = self.state();
        state.data.forget();
        state.engine = engine(state.recovery);
        drop(state);
        self.shared.restarts.send_modify(|restarts| *restarts += 1);
    }

    /// From now on recovers in that time.
    pub fn recovers_within(&self, recovery: Duration) {
        self.state().recovery = recovery;
    }

    /// Fails the next FLUSH with these words.
    pub fn fail_flush(&self, message: &str) {
        self.state().flush_faults.push_back(message.to_owned());
    }

    /// Starts again with nothing: no tables, no passwords.
    pub fn wipe(&self) {
        let mut state = self.state();
        state.engine = Engine::Well;
        state.users = Users::default();
        state.objects = Objects::default();
        drop(state);
        self.shared.restarts.send_modify(|restarts| *restarts += 1);
    }

    /// Of the users that have one.
    pub fn passwords(&self) -> BTreeMap<String, String> {
        self.state().users.passwords()
    }

    /// What stands in its log: statements that were refused, whole.
    pub fn log(&self) -> Vec<String> {
        self.state().users.log()
    }

    /// Has no `rwadmin`, as before 2.6.
    pub fn without_admin(&self) {
        self.state().users.without_admin();
    }

    /// What someone else does.
    pub fn change_password(&self, user: &str, password: &str) {
        self.state().users.change_password(user, password);
    }

    /// Refuses to change users from now on, quoting the statement, as the real one does in some errors.
    pub fn close_users(&self) {
        self.state().users.close();
    }

    /// Whether passwords are asked for of those who have one.
    pub fn ask_for_passwords(&self, asks: bool) {
        self.state().asks = asks;
    }

    /// What was granted, and to whom.
    pub fn grants(&self) -> BTreeSet<String> {
        self.state().objects.grants()
    }

    /// What there is.
    pub fn objects(&self) -> BTreeMap<String, Kind> {
        self.state().objects.there()
    }

    /// Holds what a former `init` made, with users of its own, one of whom nobody but its operator knows. The new rows
    /// are found lacking so many times.
    pub fn former(&self, filling: u32) {
        let mut state = self.state();
        state.objects = Objects::former(filling);
        for user in ["loader", "reader", "grafana"] {
            state.users.change_password(user, "hunter");
        }
    }

    /// Something stands on the former latest state, or no longer.
    pub fn use_former(&self, used: bool) {
        self.state().objects.used = used;
    }

    /// Drops a table only after its sink, or no longer.
    pub fn protect_tables(&self, protects: bool) {
        self.state().objects.protects = protects;
    }

    /// Cuts all connections after so many more changes of tables, views and rights.
    pub fn cut_after(&self, changes: usize) {
        self.state().objects.cut_after(changes, self.shared.restarts.clone());
    }

    /// How many such changes there were.
    pub fn changes(&self) -> usize {
        self.state().objects.changes()
    }

    /// What a superuser does elsewhere.
    pub fn recover(&self) {
        self.state().recover();
    }

    /// Recovers just before the next FLUSHes, so many.
    pub fn forget_at_flushes(&self, flushes: u32) {
        self.state().forgetful_flushes = flushes;
    }

    /// Recovers just before the next FLUSH that follows ledger rows.
    pub fn forget_at_ledger_flush(&self) {
        self.state().forgets_ledger = true;
    }

    /// How many rejected records can be seen.
    pub fn rejected(&self) -> usize {
        self.state().data.seen().rejected.len()
    }

    /// Acknowledged rows that it has forgotten.
    pub fn forgotten(&self) -> usize {
        self.state().data.forgotten()
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

    /// How many records can be seen, and how many files are noted.
    pub fn counts(&self) -> (usize, usize) {
        let mut state = self.state();
        let seen = state.data.seen();
        (seen.records.len(), seen.files.len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

/// A query's answer: its columns and its rows as text.
struct Answer {
    columns: Vec<(&'static str, Type)>,
    rows: Vec<Vec<String>>,
}

impl Answer {
    fn text(columns: &[&'static str], rows: Vec<Vec<String>>) -> Answer {
        Answer { columns: columns.iter().map(|name| (*name, Type::VARCHAR)).collect(), rows }
    }
}
