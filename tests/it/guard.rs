//! `deltawave guard` between a PostgreSQL that comes and goes and clients good and bad.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use deltawave::base::Secret;
use deltawave::offline::{Authority, Issued};
use deltawave::store::{Session, StoreAddress, StoreError};
use openssl::ssl::{SslConnector, SslMethod};
use postgres_openssl::MakeTlsConnector;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::{Instant, timeout};
use tokio_postgres::NoTls;

use crate::store_users::Guarded;
use crate::support::{Files, Http, Manner, Proxy, Running, event, eventually, program, run};

/// A store, and the files and the address of a guard beside it.
pub struct Bench {
    pub guarded: Guarded,
    pub authority: Authority,
    listen: SocketAddr,
}

pub const READER: &str = "reader-hunter";
pub const LOADER: &str = "loader-hunter";

impl Bench {
    pub async fn new() -> Bench {
        let guarded = Guarded::new().await;
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bench = Bench { guarded, authority: Authority::new("ours").unwrap(), listen: free.local_addr().unwrap() };
        bench.guarded.keep("root", "root-hunter");
        bench.guarded.keep("loader", LOADER);
        bench.guarded.keep("reader", READER);
        bench.guarded.keep("ca.pem", &bench.authority.pem().unwrap());
        bench.show(&bench.authority.issue(&["localhost"]).unwrap());
        bench
    }

    /// Replaces the certificate and its key.
    fn show(&self, issued: &Issued) {
        self.guarded.keep("key.pem", &issued.key);
        self.guarded.keep("certificate.pem", &issued.certificate);
    }

    fn start(&self, more: &[&str]) -> Running {
        Running::start(self.command(more))
    }

    /// A guard, everything in files.
    pub fn command(&self, more: &[&str]) -> Command {
        let secret = |name: &str| format!("file:{}", self.file(name).display());
        let mut command = program(
            env!("CARGO_BIN_EXE_deltawave"),
            &[&["guard", "--poll", "0.1", "--http", "127.0.0.1:0"], more].concat(),
        );
        command
            .env("DELTAWAVE_STORE_URL", self.guarded.url())
            .env("DELTAWAVE_LISTEN", self.listen.to_string())
            .env("DELTAWAVE_TLS_CERTIFICATE", self.file("certificate.pem"))
            .env("DELTAWAVE_TLS_KEY", self.file("key.pem"));
        for user in ["root", "loader", "reader"] {
            command.env(format!("DELTAWAVE_{}_PASSWORD", user.to_uppercase()), secret(user));
        }
        command
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.guarded.file(name)
    }

    /// By way of the guard, with everything verified.
    pub fn url(&self, user: &str) -> String {
        let database = self.guarded.store.address.database();
        let (port, ca) = (self.listen.port(), self.file("ca.pem"));
        format!("postgresql://{user}@localhost:{port}/{database}?sslmode=verify-full&sslrootcert={}", ca.display())
    }

    pub async fn connect(&self, user: &str, password: &str) -> Result<Session, StoreError> {
        let address: StoreAddress = self.url(user).parse().unwrap();
        Session::connect(&address.with_password(&Secret::new(password))).await
    }

    /// Asserts that nobody listens.
    pub async fn closed(&self) {
        let refused = TcpStream::connect(self.listen).await.expect_err("it listens");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }

    async fn raw(&self) -> TcpStream {
        TcpStream::connect(self.listen).await.unwrap()
    }
}

pub async fn ends(running: Running) -> String {
    let began = Instant::now();
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(!ended.err.contains("hunter"), "{}", ended.err);
    ended.err
}

#[tokio::test]
async fn clients_come_in_by_tls_and_only_while_the_store_is_set_up() {
    let mut bench = Bench::new().await;
    bench.guarded.postgres.service.stop().await.unwrap();
    let running = bench.start(&[]);
    let http = Http::of(&running).await;
    let answer = http.until(Some("Connection refused")).await;
    assert_eq!((&answer["stage"], &answer["listening"]), (&"waiting".into(), &serde_json::Value::Null), "{answer}");
    assert_eq!(http.get("/healthz").await.0, 200);
    bench.closed().await;

    bench.guarded.postgres.service.restart().await.unwrap();
    let answer = http.until(None).await;
    assert_eq!(answer["stage"], "serving");
    assert!(answer["listening"].as_str().unwrap().ends_with(&bench.listen.port().to_string()), "{answer}");
    let reader = bench.connect("reader", READER).await.unwrap();
    assert_eq!(reader.query_number("SELECT count(*) FROM latest_user_state").await.unwrap(), 0);
    let refused = reader.execute_script("DELETE FROM user_event_log").await.unwrap_err();
    assert!(refused.reason().contains("permission denied"), "{refused}");
    let wrong = bench.connect("reader", "wrong").await.err().unwrap();
    assert!(wrong.is_wrong_password(), "{wrong}");
    // Here root needs no password at the store itself: from outside it does not get in.
    let refused = bench.connect("root", "whatever").await.err().unwrap();
    assert!(refused.reason().contains("this user has no password"), "{refused}");

    // Without TLS, in words and in bytes.
    let plain: StoreAddress = bench.url("reader").split('?').next().unwrap().parse().unwrap();
    let plain = format!("{plain}?sslmode=disable").parse::<StoreAddress>().unwrap().with_password(&Secret::new(READER));
    let refused = Session::connect(&plain).await.err().unwrap();
    assert_eq!(refused.reason(), "TLS is required: sslmode=require");
    let mut raw = bench.raw().await;
    raw.write_all(&[0, 0, 0, 8, 4, 210, 22, 48]).await.unwrap();
    assert_eq!(raw.read_u8().await.unwrap(), b'N', "no GSSAPI");
    raw.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(Duration::from_secs(5), raw.read_to_end(&mut rest)).await.expect("it is closed");
    assert_eq!(rest, b"");

    // Gone: whoever is in is cut off, and nobody listens. Back: all is as it was.
    bench.guarded.postgres.service.kill();
    http.until(Some("")).await;
    eventually("the client is cut off", async || if reader.is_closed() { Ok(()) } else { Err("still there") }).await;
    bench.closed().await;
    bench.guarded.postgres.service.restart().await.unwrap();
    let answer = http.until(None).await;
    assert_eq!(answer["clients"], 0, "{answer}");
    bench.connect("reader", READER).await.unwrap();
    let said = ends(running).await;
    assert_eq!(said.matches("letting clients in by TLS").count(), 2, "{said}");
    bench.closed().await;
}

#[tokio::test]
async fn a_loader_works_through_the_front_as_a_user_that_may_do_little() {
    let bench = Bench::new().await;
    let running = bench.start(&[]);
    let http = Http::of(&running).await;
    http.until(None).await;
    let home = tempfile::tempdir().unwrap();
    let files = Files::at(&home.path().display().to_string()).await;
    files.add_plain(0..4, 0..5, 100).await;
    files.add(0, 8, vec![event(500, "no JSON")]).await;
    files.put(&files.name(0, 9), b"no Capture file".to_vec()).await;
    for _ in 0..2 {
        let secret = format!("file:{}", bench.file("loader").display());
        let mut loader = program(env!("CARGO_BIN_EXE_loader"), &["--once", "--store-password", &secret]);
        loader.env("DELTAWAVE_BLOB", files.url()).env("DELTAWAVE_STORE_URL", bench.url("loader"));
        let ended = run(loader).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(!ended.err.contains("hunter"), "{}", ended.err);
    }
    let reader = bench.connect("reader", READER).await.unwrap();
    let count = async |sql: &str| reader.query_number(sql).await.unwrap();
    assert_eq!(count("SELECT count(*) FROM user_event_log").await, 2000);
    assert_eq!(count("SELECT count(*) FROM capture_files").await, 22);
    assert_eq!(count("SELECT count(*) FROM rejected_events").await, 1);
    ends(running).await;
}

#[tokio::test]
async fn a_certificate_is_replaced_while_clients_come_and_go() {
    let bench = Bench::new().await;
    let running = bench.start(&[]);
    let http = Http::of(&running).await;
    let answer = http.until(None).await;
    assert_eq!(answer["certificate_days_left"], 7, "{answer}");
    let first = bench.connect("reader", READER).await.unwrap();

    // Half of a new pair changes nothing.
    let other = bench.authority.issue(&["elsewhere.example"]).unwrap();
    bench.guarded.keep("certificate.pem", &other.certificate);
    bench.connect("reader", READER).await.unwrap();
    running.says("--tls-certificate and --tls-key do not belong together").await;
    bench.guarded.keep("key.pem", &other.key);
    let refused = bench.connect("reader", READER).await.err().unwrap();
    assert!(refused.reason().starts_with("its certificate is for another host"), "{refused}");
    // Nor does one that has expired.
    bench.show(&bench.authority.issue_until(SystemTime::now(), &["localhost"]).unwrap());
    let refused = bench.connect("reader", READER).await.err().unwrap();
    assert!(refused.reason().starts_with("its certificate is for another host"), "{refused}");
    running.says("certificate.pem: the certificate has expired").await;
    bench.show(&Authority::new("others").unwrap().issue(&["localhost"]).unwrap());
    let refused = bench.connect("reader", READER).await.err().unwrap();
    assert!(refused.reason().starts_with("its certificate is not signed by anyone trusted"), "{refused}");
    bench.show(&bench.authority.issue(&["localhost"]).unwrap());
    bench.connect("reader", READER).await.unwrap();
    first.check().await.expect("whoever was in stays in");
    let said = ends(running).await;
    assert!(said.contains("certificate") && said.contains("was replaced"), "{said}");
}

#[tokio::test]
async fn passwords_that_change_are_set_without_a_restart() {
    let mut bench = Bench::new().await;
    let running = bench.start(&["--reread", "0.2"]);
    let http = Http::of(&running).await;
    http.until(None).await;
    bench.guarded.close("root-hunter").await;
    bench.connect("root", "root-hunter").await.unwrap();
    for (user, password) in [("root", "root-hunter-2"), ("reader", "reader-hunter-2"), ("loader", "loader-hunter-2")] {
        bench.guarded.keep(user, password);
        eventually(user, async || bench.connect(user, password).await.map(drop)).await;
    }
    let refused = bench.connect("reader", READER).await.err().unwrap();
    assert!(refused.is_wrong_password(), "{refused}");
    // A file that is gone for a while changes nothing.
    std::fs::remove_file(bench.file("reader")).unwrap();
    running.says("cannot be read").await;
    assert!(http.ready().await.0);
    bench.guarded.keep("reader", "reader-hunter-3");
    eventually("reader", async || bench.connect("reader", "reader-hunter-3").await.map(drop)).await;
    // Changed while the store was away: the one from before still opens.
    bench.guarded.postgres.service.kill();
    bench.guarded.keep("root", "root-hunter-3");
    bench.guarded.postgres.service.restart().await.unwrap();
    http.until(None).await;
    eventually("root", async || bench.connect("root", "root-hunter-3").await.map(drop)).await;
    ends(running).await;
}

#[tokio::test]
async fn statements_are_cancelled_and_too_many_clients_turned_away() {
    let bench = Bench::new().await;
    let running = bench.start(&["--clients", "3"]);
    let http = Http::of(&running).await;
    http.until(None).await;
    let tls = || {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
        builder.set_ca_file(bench.file("ca.pem")).unwrap();
        MakeTlsConnector::new(builder.build())
    };
    let url = bench.url("reader");
    let mut config: tokio_postgres::Config = url.split('?').next().unwrap().parse().unwrap();
    let (client, connection) = config.password(READER).connect(tls()).await.unwrap();
    tokio::spawn(connection);
    let cancel = client.cancel_token();
    for by_tls in [true, false] {
        let sleep = client.simple_query("SELECT pg_sleep(60)");
        let cancelled = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            if by_tls {
                cancel.cancel_query(tls()).await.unwrap();
            } else {
                // As libpq before 17 does.
                cancel.cancel_query_raw(bench.raw().await, NoTls).await.unwrap();
            }
        };
        let (slept, ()) = timeout(Duration::from_secs(10), async { tokio::join!(sleep, cancelled) }).await.unwrap();
        assert_eq!(slept.unwrap_err().code().unwrap().code(), "57014", "cancelled, by TLS: {by_tls}");
    }

    let second = bench.connect("reader", READER).await.unwrap();
    let third = bench.connect("reader", READER).await.unwrap();
    let fourth = bench.connect("reader", READER).await.err().expect("there is no place");
    assert!(!fourth.needs_someone(), "{fourth}");
    running.says("3 clients are connected: more are turned away").await;
    drop(third);
    eventually("a place", async || bench.connect("reader", READER).await.map(drop)).await;
    second.check().await.unwrap();
    ends(running).await;
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_lost_until_it_does() {
    let mut bench = Bench::new().await;
    let proxy = Proxy::to(&bench.guarded.url()).await;
    bench.guarded.store.address = proxy.url(&bench.guarded.url()).parse().unwrap();
    let running = bench.start(&["--store-timeout", "0.5"]);
    let http = Http::of(&running).await;
    http.until(None).await;
    let client = bench.connect("reader", READER).await.unwrap();
    proxy.set(Manner::Stall);
    http.until(Some("an answer within 0.5 s did not come")).await;
    eventually("the client is cut off", async || if client.is_closed() { Ok(()) } else { Err("still there") }).await;
    bench.closed().await;
    proxy.set(Manner::Pass);
    http.until(None).await;
    bench.connect("reader", READER).await.unwrap();
    let (status, _, metrics) = http.get("/metrics").await;
    assert_eq!(status, 200);
    for line in
        ["deltawave_guard_ready 1", "deltawave_guard_certificate_days_left 7", "# HELP deltawave_guard_clients "]
    {
        assert!(metrics.contains(line), "{line} is missing in:\n{metrics}");
    }
    ends(running).await;
}

#[tokio::test]
async fn one_that_is_silent_loses_its_place_after_a_while() {
    let bench = Bench::new().await;
    let running = bench.start(&["--clients", "1"]);
    Http::of(&running).await.until(None).await;
    let began = Instant::now();
    let mut silent = bench.raw().await;
    assert!(bench.connect("reader", READER).await.is_err(), "it has the place");
    let ended = timeout(Duration::from_secs(20), silent.read_u8()).await.expect("it is cut off");
    assert!(ended.is_err() && began.elapsed() > Duration::from_secs(9), "{:?}", began.elapsed());
    eventually("the place", async || bench.connect("reader", READER).await.map(drop)).await;
    ends(running).await;
}

#[tokio::test]
async fn what_cannot_be_guarded_is_told_at_once() {
    let bench = Bench::new().await;
    let fails = async || {
        let ended = bench.start(&["--log", "off"]).end().await;
        assert_eq!((ended.code, ended.err.lines().count()), (Some(1), 1), "{}", ended.err);
        ended.err
    };
    let issued = bench.authority.issue(&["localhost"]).unwrap();
    bench.guarded.keep("key.pem", &bench.authority.issue(&["localhost"]).unwrap().key);
    assert!(fails().await.starts_with("error: --tls-certificate and --tls-key do not belong together"));
    bench.guarded.keep("key.pem", "no key");
    assert!(fails().await.contains("key.pem: holds no private key in PEM form without a passphrase"));
    bench.guarded.keep("key.pem", &issued.key);
    bench.guarded.keep("certificate.pem", "");
    assert!(fails().await.contains("certificate.pem: holds no certificate in PEM form"));
    std::fs::remove_file(bench.file("certificate.pem")).unwrap();
    assert!(fails().await.contains("certificate.pem: cannot be read: No such file"));
    bench.show(&bench.authority.issue_until(SystemTime::now(), &["localhost"]).unwrap());
    assert!(fails().await.contains("certificate.pem: the certificate has expired ("));
    bench.show(&issued);
    let _taken = TcpListener::bind(bench.listen).await.unwrap();
    assert!(fails().await.contains(&format!("cannot listen on {} (--listen)", bench.listen)));
}
