//! The users that `deltawave init` makes, and passwords that change while a loader runs.

use std::path::{Path, PathBuf};

use deltawave::base::Secret;
use deltawave::offline::{Access, Postgres};
use deltawave::store::{Session, StoreAddress};

use crate::support::{Ended, Files, Http, Manner, Proxy, Running, TestStore, eventually, postgres_for, program, run};

/// As a RisingWave that has just started: root needs no password, and everybody else does.
pub const OPEN: &str = "host all root 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
const CLOSED: &str = "host all all 127.0.0.1/32 scram-sha-256\n";

/// A PostgreSQL that asks for passwords, and files to keep them in.
pub struct Guarded {
    pub postgres: Postgres,
    pub store: TestStore,
    secrets: tempfile::TempDir,
}

impl Guarded {
    pub async fn new() -> Guarded {
        let postgres = postgres_for(&Access { tls: None, rules: Some(OPEN.to_owned()), logical: false }).await;
        let store = TestStore::on(&postgres.url()).await;
        Guarded { postgres, store, secrets: tempfile::tempdir().unwrap() }
    }

    /// Root needs a password from now on, as on a RisingWave where one was set.
    pub async fn close(&mut self, root: &str) {
        let rules = self.postgres.service.log().with_file_name("pg_hba.conf");
        std::fs::write(rules, CLOSED).unwrap();
        let id = self.postgres.service.id().unwrap();
        assert_eq!(unsafe { libc::kill(id as libc::pid_t, libc::SIGHUP) }, 0);
        let open = self.store.address.clone();
        eventually("root needs a password", async || match Session::connect(&open).await {
            Err(error) if error.is_wrong_password() => Ok(()),
            other => Err(other.err()),
        })
        .await;
        self.store.address = open.with_password(&Secret::new(root));
    }

    /// Keeps a password in a file, replacing what was there in one piece, and gives how to name it.
    pub fn keep(&self, name: &str, password: &str) -> String {
        let path = self.file(name);
        let half = path.with_extension("new");
        std::fs::write(&half, format!("{password}\n")).unwrap();
        std::fs::rename(half, &path).unwrap();
        format!("file:{}", path.display())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.secrets.path().join(name)
    }

    pub fn url(&self) -> String {
        self.store.url()
    }

    pub fn url_of(&self, user: &str) -> String {
        self.url().replace("root@", &format!("{user}@"))
    }

    /// A session of a user with that password.
    pub async fn session_of(&self, user: &str, password: &str) -> Session {
        let address = self.store.address.with_user(user, &Secret::new(password));
        Session::connect(&address).await.unwrap_or_else(|error| panic!("{user}: {error}"))
    }

    pub async fn init(&self, flags: &[&str]) -> Ended {
        run(program(env!("CARGO_BIN_EXE_deltawave"), &[&["init", "--store-url", &self.url()], flags].concat())).await
    }

    /// As [`Self::init`], which must end well.
    pub async fn initialised(&self, flags: &[&str]) -> Ended {
        let ended = self.init(flags).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended
    }
}

/// What a server says to a statement that is not allowed.
async fn denied(session: &Session, sql: &str) {
    let error = session.execute_script(sql).await.expect_err(sql);
    assert!(["permission denied", "must be owner"].iter().any(|text| error.reason().contains(text)), "{sql}: {error}");
}

const OBJECTS: [&str; 11] = [
    "user_event_log",
    "capture_files",
    "rejected_events",
    "pruned_ranges",
    "forgotten_records",
    "forgotten_rows",
    "user_events",
    "latest_user_events",
    "latest_user_state",
    "pipeline_progress",
    "capture_gaps",
];

#[tokio::test]
async fn init_makes_users_who_may_do_just_what_they_need() {
    let mut guarded = Guarded::new().await;
    let root = guarded.keep("root", "root-1.secret");
    let flags = ["--root-password", &root, "--loader-password", "loader-1~secret", "--reader-password", "reader_1"];
    for _ in 0..2 {
        let ended = guarded.initialised(&flags).await;
        for user in ["user root", "user loader", "user reader"] {
            assert!(ended.out.contains(&format!("ready    {user}\n")), "{}", ended.out);
        }
        assert!(!format!("{}{}", ended.out, ended.err).contains("secret"), "{ended:?}");
    }
    guarded.close("root-1.secret").await;
    guarded.initialised(&flags).await;

    let reader = guarded.session_of("reader", "reader_1").await;
    for object in OBJECTS {
        assert_eq!(reader.query_number(&format!("SELECT count(*) FROM {object}")).await.unwrap(), 0, "{object}");
    }
    for sql in [
        "INSERT INTO user_event_log (event_hub, partition_id, sequence_number, enqueued_at) VALUES ('a', 0, 0, now())",
        "UPDATE capture_files SET size = 0",
        "DELETE FROM capture_files",
        "DROP VIEW user_events",
        "CREATE TABLE mine (id int)",
    ] {
        denied(&reader, sql).await;
    }
    let loader = guarded.session_of("loader", "loader-1~secret").await;
    for sql in [
        "DELETE FROM user_event_log",
        "UPDATE user_event_log SET age = 1",
        "TRUNCATE rejected_events",
        "INSERT INTO latest_user_events (id) VALUES (1)",
        "DROP TABLE capture_files",
        "CREATE TABLE mine (id int)",
        "ALTER USER reader WITH PASSWORD 'x'",
    ] {
        denied(&loader, sql).await;
    }
    let superusers =
        "SELECT count(*) FROM pg_roles WHERE rolname IN ('loader', 'reader') AND (rolsuper OR rolcreaterole)";
    assert_eq!(loader.query_number(superusers).await.unwrap(), 0);
    // A server logs statements that fail: none of those with a password did.
    let log = std::fs::read_to_string(guarded.postgres.service.log()).unwrap();
    assert!(log.contains("DROP TABLE capture_files") && !log.contains("secret"), "{log}");
}

#[tokio::test]
async fn passwords_that_are_wrong_or_unfit_are_told_and_never_shown() {
    let mut guarded = Guarded::new().await;
    let root = guarded.keep("root", "first");
    guarded.initialised(&["--root-password", &root]).await;
    guarded.close("first").await;

    let ended = guarded.init(&["--log", "off", "--root-password", "hunter2"]).await;
    assert_eq!((ended.code, ended.err.lines().count()), (Some(1), 1), "{}", ended.err);
    assert!(ended.err.contains("password authentication failed for user \"root\""), "{}", ended.err);
    // Here is how root's password is changed: the old one to connect with, the new one to set.
    let changed = ["--store-password", "first", "--root-password", "second"];
    for flags in [&changed[..], &changed, &changed[2..], &["--store-password", "second"]] {
        guarded.initialised(flags).await;
    }
    guarded.store.address = guarded.store.address.with_password(&Secret::new("second"));

    let unfit = guarded.keep("unfit", "hunter2'; DROP TABLE capture_files; --");
    let ended = guarded.init(&["--log", "off", "--root-password", "second", "--loader-password", &unfit]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains(&format!("--loader-password: the password from {unfit} holds")), "{}", ended.err);
    let ended = guarded.init(&["--log", "off", "--root-password", "file:/nowhere/root"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("file:/nowhere/root cannot be read (No such file"), "{}", ended.err);
    for flags in [["--reader-password", "hunter 2"], ["--reader-password", ""]] {
        let ended = guarded.init(&flags).await;
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains("--reader-password: ") && !ended.err.contains("hunter"), "{}", ended.err);
    }
}

fn loader(url: &str, files: &Files, password: &str) -> Running {
    let flags = ["--poll", "0.05", "--slow-retry", "0.3", "--http", "127.0.0.1:0", "--store-password", password];
    let mut command = program(env!("CARGO_BIN_EXE_loader"), &flags);
    command.env("DELTAWAVE_BLOB", files.url()).env("DELTAWAVE_STORE_URL", url);
    Running::start(command)
}

async fn in_directory(home: &Path) -> Files {
    Files::at(&home.display().to_string()).await
}

#[tokio::test]
async fn a_loader_reads_its_password_again_when_it_is_refused() {
    let guarded = Guarded::new().await;
    let home = tempfile::tempdir().unwrap();
    let files = in_directory(home.path()).await;
    let password = guarded.keep("loader", "hunter-one");
    guarded.initialised(&["--loader-password", &password]).await;
    let proxy = Proxy::to(&guarded.url()).await;
    files.add_plain(0..2, 0..3, 50).await;
    let running = loader(&proxy.url(&guarded.url_of("loader")), &files, &password);
    let http = Http::of(&running).await;
    let loaded = async |wanted: i64| {
        eventually("records", async || match guarded.store.count("user_event_log").await {
            count if count == wanted => Ok(()),
            count => Err(count),
        })
        .await;
    };
    loaded(300).await;

    // Changed at the store first: refused until the file says it too.
    guarded.initialised(&["--loader-password", "hunter-two"]).await;
    proxy.cut();
    files.add_plain(0..2, 3..6, 50).await;
    let answer = http.until(Some("password authentication failed")).await;
    assert!(answer.to_string().contains(&format!("it was read from {password}")), "{answer}");
    guarded.keep("loader", "hunter-two");
    http.until(None).await;
    loaded(600).await;

    // Changed in the file first: nothing happens until it is needed.
    guarded.keep("loader", "hunter-three");
    files.add_plain(0..2, 6..8, 50).await;
    loaded(800).await;
    proxy.set(Manner::Refuse);
    guarded.initialised(&["--loader-password", "hunter-three"]).await;
    proxy.cut_and_set(Manner::Pass);
    files.add_plain(0..2, 8..10, 50).await;
    loaded(1000).await;
    http.until(None).await;

    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("password refused, read again from file:"), "{}", ended.err);
    assert!(!ended.err.contains("hunter"), "{}", ended.err);
    let files = "SELECT sum(loaded) FROM capture_files";
    assert_eq!(guarded.store.number(files).await, 1000, "none twice, none lost");
    assert_eq!(guarded.store.count("rejected_events").await, 0);
}

#[tokio::test]
async fn a_loader_waits_for_a_password_that_is_not_there_yet_and_takes_only_one() {
    let guarded = Guarded::new().await;
    let home = tempfile::tempdir().unwrap();
    let files = in_directory(home.path()).await;
    files.add_plain(0..1, 0..1, 10).await;
    guarded.initialised(&["--loader-password", "hunter-one"]).await;
    let source = format!("file:{}", guarded.file("late").display());
    let running = loader(&guarded.url_of("loader"), &files, &source);
    running.says("late cannot be read (No such file or directory").await;
    guarded.keep("late", "hunter-one");
    Http::of(&running).await.until(None).await;
    eventually("rows", async || match guarded.store.count("user_event_log").await {
        10 => Ok(()),
        rows => Err(rows),
    })
    .await;
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().await.code, Some(0));

    let with_password = guarded.url_of("loader").replace("loader@", "loader:hunter2@");
    assert!(with_password.parse::<StoreAddress>().unwrap().has_password());
    let ended = loader(&with_password, &files, "hunter3").end().await;
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.err, "error: --store-password: --store-url holds a password too; take it out there\n");
}
