//! The loader's page in a headless Chromium: what it shows of whom, and what that costs. What is clicked and looked at
//! stands in the scripts beside this file; pictures of the page land in `target/page`.

mod pictures;
mod tables;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use azure_storage_blob::models::AccessTier;
use deltawave::offline::{Browser, Parts};
use tokio::process::Command;

use crate::loader::Bench;
use crate::loader_waiting::set_tier;
use crate::support::{Ended, Files, Http, Running, TestStore, event, home, postgres_store, quiet, user};

/// How long a script may take: other tests are at work on the same cores.
const LONGEST: Duration = Duration::from_secs(240);

/// A script in a browser of its own.
async fn script(name: &str, arguments: &[&str]) -> Command {
    let browser = Browser::get(&Parts::locate(), &quiet).await.unwrap_or_else(|error| panic!("{error}"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/page").join(name);
    browser.script(&script, arguments)
}

/// Waits until a script says this.
async fn said(script: &Running, word: &str) {
    crate::support::eventually(word, async || {
        let (out, err) = (script.out(), script.err());
        // It says nothing there unless it fails.
        assert!(err.is_empty(), "{out}\n{err}");
        if out.lines().any(|line| line == word) { Ok(()) } else { Err(out) }
    })
    .await;
}

async fn well(script: Running) -> Ended {
    let ended = script.end_within(LONGEST).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
    println!("{}", ended.out);
    ended
}

/// A port that was free a moment ago.
fn port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("127.0.0.1:{}", listener.local_addr().unwrap().port())
}

async fn ends(running: Running) {
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

fn named(number: i64, id: i64, name: &str) -> deltawave::capture::OutgoingEvent {
    let body = serde_json::json!({
        "id": id, "name": name, "age": 30, "op": "insert", "event_order": number, "ts": "2026-01-02T03:04:05.250",
    });
    event(number, body.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_data_and_changes_are_seen() {
    let bench = Bench::new().await;
    let names =
        ["Amélie", "日本太郎", "O'Brien", "<script>window.hacked = 1</script>", "<img src=x onerror=window.hacked=1>"];
    let mut events: Vec<_> = (1..).zip(names).map(|(id, name)| named(id, id, name)).collect();
    events.push(event(9, r#"{"id":"<svg onload=window.hacked=1>","op":"insert","event_order":9}"#));
    bench.files.add(0, 0, events).await;
    let archived = bench.files.add(1, 0, vec![user(0, 50, "insert", 1)]).await;
    set_tier(&bench.files, &archived, AccessTier::Archive).await;

    let running = bench.start(&["--poll", "0.05", "--http", "127.0.0.1:0"]);
    let http = Http::of(&running).await;
    let (_, head, _) = http.ask("/", "host: localhost\r\n").await;
    let policy = head.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    // A name of the internet could be anybody's that leads here.
    let (status, _, body) = http.ask("/page/rows", "host: rebound.example.com\r\n").await;
    assert!(status == 421 && body.contains("--http-token"), "{body}");
    assert_eq!(http.ask("/healthz", "host: rebound.example.com\r\n").await.0, 200);

    let looks = Running::start(script("looks.cjs", &[&http.url()]).await);
    said(&looks, "shown").await;
    // So that the first look is over.
    tokio::time::sleep(Duration::from_secs(5)).await;
    bench.files.add(0, 1, vec![named(20, 2, "renamed")]).await;
    well(looks).await;
    ends(running).await;
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_back_with_its_loader() {
    let bench = Bench::new().await;
    bench.files.add(0, 0, vec![user(0, 1, "insert", 1)]).await;
    let address = port();
    let flags = ["--poll", "0.05", "--http", &address];
    let running = bench.start(&flags);
    Http::of(&running).await;
    let page = Running::start(script("returns.cjs", &[&format!("http://{address}/")]).await);
    said(&page, "shown").await;
    running.signal(libc::SIGKILL);
    running.end().await;
    said(&page, "away").await;
    bench.files.add(0, 1, vec![user(1, 77, "insert", 2)]).await;
    let running = bench.start(&flags);
    well(page).await;
    ends(running).await;
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_users_are_paged_through() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..1, 0..10, 10_000).await;
    bench.once(&[]).await;
    let running = bench.start(&["--http", "127.0.0.1:0"]);
    let http = Http::of(&running).await;
    http.until(None).await;
    well(Running::start(script("many.cjs", &[&http.url()]).await)).await;
    ends(running).await;
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_token_opens_a_guarded_page() {
    let bench = Bench::new().await;
    bench.files.add(0, 0, vec![user(0, 1, "insert", 1)]).await;
    let file = home(&crate::support::unique("token"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let (first, second) = ("first-0123456789abcdef", "second-0123456789abcdef");
    std::fs::write(&file, format!("{first}\n")).unwrap();
    let from = format!("file:{}", file.display());
    let running = bench.start(&["--poll", "0.05", "--http", "127.0.0.1:0", "--http-token", &from]);
    let http = Http::of(&running).await;
    http.until_unguarded().await;
    for (path, status) in [("/", 401), ("/page/events", 401), ("/page/rows", 401), ("/metrics", 401), ("/healthz", 200)]
    {
        assert_eq!(http.get(path).await.0, status, "{path}");
    }
    let (status, _, body) = http.get("/readyz").await;
    assert_eq!((status, body.as_str()), (200, r#"{"ready":true}"#), "and no more");
    let bearer = |token: &str| format!("host: shown.example.com\r\nauthorization: Bearer {token}\r\n");
    for path in ["/", "/page/rows", "/metrics", "/readyz"] {
        let (status, _, body) = http.ask(path, &bearer(first)).await;
        assert!(status == 200 && body.len() > 40, "{path}: {status} {body}");
        assert_ne!(http.ask(path, &bearer(second)).await.0 == 200, path != "/readyz", "{path}");
    }
    let page = Running::start(script("token.cjs", &[&http.url(), first]).await);
    said(&page, "shown").await;
    std::fs::write(&file, second).unwrap();
    // What is shown and is no longer right makes the file be read again.
    crate::support::eventually("the new token", async || match http.ask("/metrics", &bearer(second)).await.0 {
        200 => Ok(()),
        status => Err(status),
    })
    .await;
    assert_eq!(http.ask("/metrics", &bearer(first)).await.0, 401);
    well(page).await;
    assert!(!running.err().contains(first) && !running.err().contains(second), "{}", running.err());
    ends(running).await;

    let weak = bench.fails(&["--http", "127.0.0.1:0", "--http-token", "short"]).await;
    assert!(weak.contains("less than 16 characters") && !weak.contains("short"), "{weak}");
    let missing = bench.fails(&["--http", "127.0.0.1:0", "--http-token", "file:/nowhere"]).await;
    assert!(missing.contains("file:/nowhere") && missing.contains("--http-token"), "{missing}");
    let running = bench.start(&["--http", "127.0.0.1:0", "--no-page"]);
    let http = Http::of(&running).await;
    assert_eq!(http.get("/").await.0, 404);
    ends(running).await;
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_look_cost_a_statement_a_second() {
    const SECONDS: u64 = 12;
    let bench = Bench { files: Files::new().await, store: postgres_store().await.initialised().await };
    bench.files.add_plain(0..4, 0..2, 100).await;
    bench.once(&[]).await;
    log_statements(&bench.store).await;
    let running = bench.start(&["--http", "127.0.0.1:0"]);
    let http = Http::of(&running).await;
    http.until(None).await;
    assert_eq!(asked(), 0, "nobody looks");
    let page = Running::start(script("two.cjs", &[&http.url(), &SECONDS.to_string()]).await);
    said(&page, "began").await;
    let before = asked();
    let began = std::time::Instant::now();
    said(&page, "ended").await;
    let (statements, seconds) = (asked() - before, began.elapsed().as_secs_f64());
    println!("two viewers: {statements} statements in {seconds:.1} s");
    assert!(statements as f64 <= seconds + 1.0, "{statements} statements in {seconds} s");
    assert!(statements as f64 >= seconds / 2.0, "{statements} statements in {seconds} s");
    well(page).await;
    // Whoever looked has gone, and so have the questions.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = asked();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(asked(), before);
    ends(running).await;
    bench.passed().await;
}

/// Has the server log what it is asked in this database.
async fn log_statements(store: &TestStore) {
    let database = store.rows("SELECT current_database()").await[0][0].clone();
    store.run(&format!("ALTER DATABASE {database} SET log_statement = 'all'")).await;
}

/// How often a page asked any database that logs what it is asked, of which there is one.
fn asked() -> usize {
    std::fs::read_to_string(server_log()).unwrap().matches("statement: /* deltawave page */").count()
}

fn server_log() -> PathBuf {
    home("postgres").join("log.txt")
}
