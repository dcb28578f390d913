//! Every program with every secret in every form, at its most talkative, through whatever fails: none of what it writes
//! holds a secret.

mod broker;
mod store;

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use futures::{StreamExt as _, stream};
use serde_json::json;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use tokio::process::Command;

use crate::capture::{broker, produce_plain};
use crate::loader::Bench;
use crate::support::cloud::{
    Answer, Asked, Cloud, HEADER, Held, Played, blob_url, queue_url, sas_until, token, wrong_sas,
};
use crate::support::{Ended, Files, Http, Running, program, run, store, unique};

/// A password, and what it looks like in a URL; and a word that stands for a secret in a place that is none.
const PASSWORD: [&str; 2] = ["correct-horse+battery", "correct-horse%2Bbattery"];
const MISPLACED: &str = "hunter2-misplaced";
const ASSERTION: &str = "assertion-of-a-service-account";
/// What opens a page.
const TOKEN: &str = "page-token-0123456789";

/// What must be written nowhere: the signatures, in both spellings, and whatever looks like one.
struct Secrets(Vec<String>);

impl Secrets {
    fn of(signatures: &[&str]) -> Secrets {
        let mut secrets: Vec<String> = PASSWORD.map(str::to_owned).to_vec();
        secrets.extend([MISPLACED, ASSERTION, HEADER].map(str::to_owned));
        // Any signature's name, any token's beginning.
        secrets.extend(["sig=", "sig%3d", "eyJ", "Bearer "].map(str::to_owned));
        for sas in signatures {
            let (_, signature) = sas.split_once("sig=").unwrap();
            let decoded = url::form_urlencoded::parse(sas.as_bytes()).find(|(name, _)| name == "sig").unwrap().1;
            secrets.extend([signature.to_owned(), decoded.into_owned()]);
        }
        Secrets(secrets)
    }

    /// These words, and any token.
    fn words(words: &[&str]) -> Secrets {
        Secrets([words, &["eyJ", "Bearer "]].concat().into_iter().map(str::to_owned).collect())
    }

    fn unseen(&self, what: &str, text: &str) {
        let lower = text.to_lowercase();
        for secret in &self.0 {
            assert!(!lower.contains(&secret.to_lowercase()), "{what}: {secret} in:\n{text}");
        }
    }
}

/// A service that quotes everything it is sent, in every place where a program might look.
async fn echo() -> Played {
    Played::https(|asked: &Asked| {
        let status = asked.query("prefix").and_then(|prefix| prefix.split('-').next()?.parse().ok()).unwrap_or(409);
        let all = format!("{} {:?}", asked.path, asked.headers).replace(['<', '>', '&'], " ");
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{all}</Code><Message>{all}</Message></Error>");
        let code = asked.path.replace(|c: char| c.is_control(), "");
        Answer::text(status, "application/xml", body).with("x-ms-error-code", code)
    })
    .await
}

/// What it is about, how the program is made each time, and what it ends with.
type Case = (String, Box<dyn Fn() -> Command>, i32);

/// A program's run where this cloud is around.
fn case(what: &str, cloud: &Cloud, path: &'static str, code: i32, set: &[(&str, &str)], flags: &[&str]) -> Case {
    let mut shown = Command::new("true");
    cloud.show(&mut shown);
    shown.envs(set.iter().copied());
    let set: Vec<(OsString, OsString)> =
        shown.as_std().get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let make = move || {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let mut command = program(path, &flags);
        command.envs(set.clone());
        command
    };
    (what.to_owned(), Box::new(make), code)
}

/// How a secret is given.
fn forms(directory: &TempDir, cloud: &Cloud, secret: &str) -> [String; 3] {
    let name = unique("secret");
    let file = directory.path().join(&name);
    fs::write(&file, secret).unwrap();
    cloud.vault.set(&name, secret);
    [secret.to_owned(), format!("file:{}", file.display()), format!("keyvault:{name}")]
}

/// Runs each once for people and once for machines, some at a time, and gives what they wrote with the code wanted.
async fn run_all(secrets: &Secrets, cases: Vec<Case>) -> usize {
    run_at_once(4, secrets, cases).await
}

/// The same, so many at a time.
async fn run_at_once(most: usize, secrets: &Secrets, cases: Vec<Case>) -> usize {
    let runs = cases.iter().flat_map(|(what, make, code)| ["json", "human"].map(|log| (what, make, *code, log)));
    let ends: Vec<(String, Ended, i32)> = stream::iter(runs)
        .map(async |(what, make, code, log)| {
            let mut command = make();
            command.args(["--log", log, "--log-level", "trace"]);
            (format!("{what} ({log})"), run(command).await, code)
        })
        .buffer_unordered(most)
        .collect()
        .await;
    for (what, ended, code) in &ends {
        assert_eq!(ended.code, Some(*code), "{what}: {}", ended.err);
        assert!(*code == 0 || !(ended.err.is_empty() && ended.out.is_empty()), "{what} fails and says nothing");
        secrets.unseen(what, &ended.err);
        secrets.unseen(what, &ended.out);
    }
    ends.len()
}

#[tokio::test]
async fn a_loader_writes_no_secret() {
    let (cloud, directory) = (Cloud::new().await, tempfile::tempdir().unwrap());
    let container = unique("capture");
    let files = Files::at(&cloud.container(&container)).await;
    let bench = Bench { files, store: store().await.initialised().await };
    bench.files.add_plain(0..1, 0..1, 3).await;
    let (good, wrong) = (sas_until(Duration::hours(1)), wrong_sas());
    let secrets = Secrets::of(&[&good, &wrong]);
    let echo = echo().await;
    let echoing = Cloud::with_blobs_at(&echo).await;
    let here = blob_url(&container);
    // Whoever comes is let in; what matters is that the password was there.
    let store_url = bench.store.url().replacen('@', &format!(":{}@", PASSWORD[1]), 1);

    let mut cases: Vec<Case> = Vec::new();
    let mut case = |what: &str, cloud: &Cloud, code: i32, set: &[(&str, &str)], flags: &[&str]| {
        let set = [&[("DELTAWAVE_STORE_URL", &*store_url)], set].concat();
        let flags = [&["--once", "--give-up", "0.2"], flags].concat();
        cases.push(self::case(what, cloud, env!("CARGO_BIN_EXE_loader"), code, &set, &flags));
    };
    const BLOB: &str = "DELTAWAVE_BLOB";
    const SAS: &str = "DELTAWAVE_BLOB_SAS";
    for source in forms(&directory, &cloud, &good) {
        case("well", &cloud, 0, &[(BLOB, &here), (SAS, &source)], &[]);
        case("nobody there", &cloud, 1, &[(BLOB, "https://127.0.0.1:1/devstoreaccount1/capture"), (SAS, &source)], &[]);
        case("on the command line", &cloud, 0, &[(BLOB, &here)], &["--blob-sas", &source]);
    }
    for source in forms(&directory, &cloud, &wrong) {
        case("refused", &cloud, 1, &[(BLOB, &here), (SAS, &source)], &[]);
    }
    for source in forms(&directory, &echoing, &wrong) {
        for status in [400, 401, 403, 409, 418, 500] {
            let set = [(BLOB, "https://a.blob.core.windows.net/capture"), (SAS, &*source)];
            case("echoed", &echoing, 1, &set, &["--namespace", &format!("{status}-x")]);
        }
    }
    for source in forms(&directory, &cloud, MISPLACED) {
        case("no SAS", &cloud, 1, &[(BLOB, &here), (SAS, &source)], &[]);
    }
    let signed = |url: &str, sas: &str| format!("{url}?{sas}");
    case("in the address", &cloud, 0, &[(BLOB, &signed(&here, &good))], &[]);
    case("wrong in the address", &cloud, 1, &[(BLOB, &signed(&here, &wrong))], &[]);
    case("echoed token", &echoing, 1, &[(BLOB, "https://a.blob.core.windows.net/capture")], &[]);
    case("given twice", &cloud, 2, &[(BLOB, &signed(&here, &good)), (SAS, &wrong)], &[]);
    case("for a directory", &cloud, 2, &[(BLOB, "/tmp"), (SAS, &good)], &[]);
    case("as the address", &cloud, 2, &[(BLOB, &good)], &[]);
    case("after keyvault:", &cloud, 2, &[(BLOB, &here), (SAS, &format!("keyvault:{good}"))], &[]);
    case("after file:", &cloud, 2, &[(BLOB, &here), (SAS, &format!("file:{good}"))], &[]);
    let queue = signed(&format!("{}/deeper", queue_url("events")), &good);
    case("in a bad queue address", &cloud, 2, &[(BLOB, &here), ("DELTAWAVE_NOTIFICATIONS", &queue)], &[]);
    cloud.vault.hold("closed", Held::Refused(403, "Forbidden", "ForbiddenByRbac"));
    case("closed vault", &cloud, 1, &[(BLOB, &here), (SAS, "keyvault:closed")], &[]);
    let no_store = format!("postgresql://ann:{}@127.0.0.1:1/dev", PASSWORD[1]);
    case("no store", &cloud, 1, &[(BLOB, &here), (SAS, &good), ("DELTAWAVE_STORE_URL", &no_store)], &[]);
    let no_url = format!("postgresql://ann:{}@host:port/dev", PASSWORD[0]);
    case("no store URL", &cloud, 2, &[(BLOB, &here), (SAS, &good), ("DELTAWAVE_STORE_URL", &no_url)], &[]);
    // Identities.
    let file = directory.path().join("assertion");
    fs::write(&file, ASSERTION).unwrap();
    let authority = Played::https(|asked: &Asked| {
        let text = format!("AADSTS700213: {}\r\nTrace", asked.body);
        Answer::json(401, json!({"error": text, "error_codes": [700_213], "error_description": text}))
    })
    .await;
    let host = format!("https://127.0.0.1:{}", authority.port());
    let pod = [
        (BLOB, &*here),
        ("AZURE_AUTHORITY_HOST", &host),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
    ];
    case("refused assertion", &cloud, 1, &pod, &[]);
    case("refused header", &cloud, 1, &[(BLOB, &here), ("IDENTITY_HEADER", MISPLACED)], &[]);
    let az = az(&directory);
    let path = format!("{az}:/usr/bin:/bin");
    case("az that talks", &cloud, 1, &[(BLOB, &here), ("PATH", &path)], &["--credential", "developer"]);
    let help = ["--blob-sas", &good, "--notifications", &queue, "--notifications-sas", &wrong, "--help"];
    case("help", &cloud, 0, &[(BLOB, &signed(&here, &good)), (SAS, &good)], &help);
    let all = [(BLOB, &*signed(&here, &good)), (SAS, &*good), ("DELTAWAVE_NOTIFICATIONS_SAS", &*wrong)];
    case("help of what is set", &cloud, 0, &all, &["--help"]);
    let ends = run_all(&secrets, cases).await;
    println!("{ends} endings, no secret");

    // What a loader that goes on tells over HTTP.
    for source in forms(&directory, &cloud, &wrong) {
        let mut command = program(env!("CARGO_BIN_EXE_loader"), &["--http", "127.0.0.1:0", "--blob-sas", &source]);
        cloud.show(&mut command);
        command.env(BLOB, &here).env("DELTAWAVE_STORE_URL", &store_url);
        let running = Running::start(command);
        let http = Http::of(&running).await;
        http.until(Some("SAS has expired or is wrong")).await;
        for path in ["/readyz", "/healthz", "/metrics"] {
            secrets.unseen(path, &http.get(path).await.2);
        }
        secrets.unseen("a running loader", &running.err());
    }
    // What opens its page, right and wrong.
    let page = Secrets::words(&[TOKEN]);
    for source in forms(&directory, &cloud, TOKEN) {
        let flags = ["--http", "127.0.0.1:0", "--http-token", &source, "--blob-sas", &good, "--log-level", "trace"];
        let mut command = program(env!("CARGO_BIN_EXE_loader"), &flags);
        cloud.show(&mut command);
        command.env(BLOB, &here).env("DELTAWAVE_STORE_URL", &store_url);
        let running = Running::start(command);
        let http = Http::of(&running).await;
        for (token, status) in [(TOKEN, 200), ("page-token-9876543210", 401)] {
            for path in ["/", "/metrics", "/page/rows"] {
                let (code, head, body) = http.ask(path, &format!("host: x\r\nauthorization: Bearer {token}\r\n")).await;
                assert_eq!(code, status, "{path}: {body}");
                page.unseen(path, &format!("{head}{body}"));
            }
        }
        let (code, head, _) = http.ask(&format!("/?token={TOKEN}"), "host: x\r\n").await;
        assert!(code == 303 && head.contains("set-cookie: deltawave="), "{head}");
        page.unseen("what the page sets", &head);
        page.unseen("a running loader", &running.err());
    }
    bench.passed().await;
}

/// An `az` that says what it should not, where a program might repeat it.
fn az(directory: &TempDir) -> String {
    let folder = directory.path().join("bin");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("az");
    let token = token("https://storage.azure.com", OffsetDateTime::now_utc().unix_timestamp() + 60);
    fs::write(&path, format!("#!/bin/sh\necho '{token}'\necho 'ERROR: {MISPLACED} {token}' >&2\nexit 1\n")).unwrap();
    executable(&path);
    folder.display().to_string()
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_capture_writes_no_secret() {
    let (cloud, directory) = (Cloud::new().await, tempfile::tempdir().unwrap());
    let (good, wrong) = (sas_until(Duration::hours(1)), wrong_sas());
    let secrets = Secrets::of(&[&good, &wrong]);
    let broker = broker(1);
    produce_plain(&broker.bootstrap_servers(), 3);
    let bootstrap = broker.bootstrap_servers();
    let mut cases: Vec<Case> = Vec::new();
    for (sas, code) in [(&good, 0), (&wrong, 1)] {
        // Beside the address, or in it.
        let mut ways = forms(&directory, &cloud, sas).map(Some).to_vec();
        ways.push(None);
        for source in ways {
            let query = if source.is_none() { format!("?{sas}") } else { String::new() };
            let blob = format!("{}{query}", blob_url(&unique("capture")));
            let mut set = vec![("DELTAWAVE_BLOB", &*blob)];
            set.extend(source.as_ref().map(|source| ("DELTAWAVE_BLOB_SAS", &**source)));
            let flags = ["--window", "1", "--until-end", "--skip-empty", "--give-up", "1", "--broker", &bootstrap];
            cases.push(case("capture", &cloud, env!("CARGO_BIN_EXE_capture"), code, &set, &flags));
        }
    }
    let blob = format!("https://a.blob.core.windows.net/c?{good}");
    let set = [("DELTAWAVE_BLOB", &*blob), ("DELTAWAVE_BLOB_SAS", &*good)];
    cases.push(case("help", &cloud, env!("CARGO_BIN_EXE_capture"), 0, &set, &["--help"]));
    // One at a time: a topic has one capture, and each case is run twice on one container.
    let ends = run_at_once(1, &secrets, cases).await;
    println!("{ends} endings, no secret");
}

/// What every process of this machine was started with.
#[cfg(target_os = "linux")]
fn command_lines() -> String {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect::<Vec<_>>().join("\n")
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn up_hands_no_secret_to_what_it_starts_and_shows_none() {
    let store = store().await;
    let secrets = Secrets(PASSWORD.map(str::to_owned).to_vec());
    let url = store.url().replacen('@', &format!(":{}@", PASSWORD[1]), 1);
    let flags = ["up", "--plain", "--events", "50", "--rate", "max", "--exit", "--log-level", "trace"];
    let mut command = program(env!("CARGO_BIN_EXE_deltawave"), &flags);
    command.env("DELTAWAVE_STORE_URL", &url);
    let running = Running::start(command);
    let watching = tokio::task::spawn_blocking(|| {
        let mut seen = String::new();
        for _ in 0..20 {
            seen.push_str(&command_lines());
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        seen
    });
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let seen = watching.await.unwrap();
    assert!(seen.contains("azurite"), "what it started was not seen");
    secrets.unseen("command lines", &seen);
    secrets.unseen("up", &ended.err);
    secrets.unseen("up", &ended.out);
    for (url, code) in [(url.clone(), 0), (format!("{url}x"), 1), (url.replacen("postgresql", "ftp", 1), 2)] {
        let mut command = program(env!("CARGO_BIN_EXE_deltawave"), &["init", "--log-level", "trace"]);
        command.env("DELTAWAVE_STORE_URL", &url);
        let ended = run(command).await;
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        secrets.unseen("init", &ended.err);
        secrets.unseen("init", &ended.out);
    }
    store.passed().await;
}
