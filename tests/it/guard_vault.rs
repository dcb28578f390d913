//! `deltawave guard` with its certificate and its passwords in a Key Vault, which is played.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use deltawave::base::Secret;
use deltawave::offline::Issued;
use deltawave::store::Session;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::x509::X509;
use serde_json::Value;
use tokio::process::Command;

use crate::guard::{Bench, LOADER, READER, ends};
use crate::support::cloud::{Cloud, Held};
use crate::support::{Files, Http, Proxy, Running, eventually, program};

struct Site {
    bench: Bench,
    cloud: Cloud,
}

impl Site {
    async fn new() -> Site {
        Site { bench: Bench::new().await, cloud: Cloud::without_storage().await }
    }

    fn guard(&self) -> Command {
        let mut command = self.bench.command(&["--reread", "0.2", "--log-level", "trace"]);
        self.cloud.show(&mut command);
        command.env("DELTAWAVE_TLS_CERTIFICATE", "keyvault:sql").env_remove("DELTAWAVE_TLS_KEY");
        command
    }

    /// As a vault keeps a certificate that it makes: the key first, in one secret.
    fn keep(&self, issued: &Issued) {
        self.cloud.vault.set("sql", &one(issued));
    }

    fn issue(&self) -> Issued {
        self.bench.authority.issue(&["localhost"]).unwrap()
    }

    async fn lets_in(&self) {
        eventually("the reader is let in", async || self.bench.connect("reader", READER).await.map(drop)).await;
    }

    /// Waits until the reader is turned away with these words.
    async fn turns_away(&self, words: &str) {
        eventually(words, async || match self.bench.connect("reader", READER).await {
            Err(error) if error.to_string().contains(words) => Ok(()),
            other => Err(other.err().map(|error| error.to_string())),
        })
        .await;
    }
}

fn one(issued: &Issued) -> String {
    format!("{}{}", issued.key, issued.certificate)
}

#[tokio::test]
async fn the_port_is_shut_until_the_vault_has_a_certificate_and_takes_each_new_one() {
    let site = Site::new().await;
    let running = Running::start(site.guard());
    let http = Http::of(&running).await;
    // All is well but that nobody can come in from outside.
    let answer = http.until(None).await;
    assert_eq!(answer["listening"], Value::Null, "{answer}");
    site.bench.closed().await;
    running.says("the port stays shut").await;
    let trouble = http.ready().await.1["certificate_trouble"].clone();
    let wanted = "the port stays shut: --tls-certificate keyvault:sql: the vault deltawave-tests has no certificate sql; \
                  make it, with the name that clients connect to for HOST: az keyvault certificate create --vault-name \
                  deltawave-tests --name sql --policy '{\"issuerParameters\":{\"name\":\"Self\"}";
    assert!(trouble.as_str().unwrap().starts_with(wanted), "{trouble}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(running.err().matches("has no certificate sql").count(), 1, "{}", running.err());

    // It arrives.
    site.keep(&site.issue());
    site.lets_in().await;
    let answer = http.until(None).await;
    assert_eq!(
        (&answer["certificate_days_left"], &answer["certificate_trouble"]),
        (&7.into(), &Value::Null),
        "{answer}"
    );
    let first = site.bench.connect("reader", READER).await.unwrap();
    // Another version.
    site.keep(&site.bench.authority.issue(&["elsewhere.example"]).unwrap());
    site.turns_away("its certificate is for another host").await;
    site.keep(&site.issue());
    site.lets_in().await;

    // What is of no use changes nothing and is told.
    let (good, other) = (site.issue(), site.issue());
    let expired = site.bench.authority.issue_until(SystemTime::now(), &["localhost"]).unwrap();
    for (kept, words) in [
        ("no certificate".to_owned(), "is neither PEM nor PKCS#12 without a passphrase; make the certificate with"),
        (
            good.certificate.clone(),
            "holds no private key in PEM form without a passphrase; the certificate's key must be",
        ),
        (good.key.clone(), "keyvault:sql: holds no certificate in PEM form"),
        (format!("{}{}", other.key, good.certificate), "the key and the certificates in it do not belong together"),
        (one(&expired), "keyvault:sql: the certificate has expired ("),
    ] {
        site.cloud.vault.set("sql", &kept);
        running.says(words).await;
        site.bench.connect("reader", READER).await.unwrap_or_else(|error| panic!("{words}: {error}"));
        let answer = http.ready().await.1;
        let trouble = answer["certificate_trouble"].as_str().unwrap();
        assert!(
            trouble.starts_with("going on with the certificate from before: ") && trouble.contains(words),
            "{trouble}"
        );
    }
    for (held, words) in [
        (Held::Refused(403, "Forbidden", "ForbiddenByRbac"), "give it the role Key Vault Secrets User"),
        (Held::Refused(403, "Forbidden", "SecretDisabled"), "secret sql of https://deltawave-tests.vault.azure.net is"),
        (
            Held::Deleted,
            "was deleted: bring it back with `az keyvault secret recover` (a certificate with `az keyvault cert",
        ),
    ] {
        site.cloud.vault.hold("sql", held);
        running.says(words).await;
        site.bench.connect("reader", READER).await.unwrap_or_else(|error| panic!("{words}: {error}"));
    }
    first.check().await.expect("whoever was in stays in");
    let said = ends(running).await;
    for secret in ["BEGIN", good.key.lines().nth(1).unwrap()] {
        assert!(!said.contains(secret), "{secret} in:\n{said}");
    }
    assert_eq!(said.matches("was replaced").count(), 2, "{said}");
}

#[tokio::test]
async fn the_port_shuts_when_the_certificate_runs_out_and_opens_with_the_next() {
    let site = Site::new().await;
    let soon = SystemTime::now() + Duration::from_secs(6);
    site.keep(&site.bench.authority.issue_until(soon, &["localhost"]).unwrap());
    let running = Running::start(site.guard());
    let http = Http::of(&running).await;
    site.lets_in().await;
    let first = site.bench.connect("reader", READER).await.unwrap();
    running.says("letting nobody else in: the certificate has run out").await;
    site.bench.closed().await;
    // Its end is a whole second.
    assert!(SystemTime::now() > soon - Duration::from_secs(1), "not before");
    let answer = http.until(None).await;
    let trouble = answer["certificate_trouble"].as_str().unwrap();
    assert!(trouble.starts_with("the port stays shut: --tls-certificate keyvault:sql: the certificate has expired"));
    assert_eq!((&answer["listening"], &answer["certificate_days_left"]), (&Value::Null, &(-1).into()), "{answer}");
    let metrics = http.get("/metrics").await.2;
    for line in ["deltawave_guard_listening 0", "deltawave_guard_certificate_days_left -1", "deltawave_guard_ready 1"] {
        assert!(metrics.contains(line), "{line} is missing in:\n{metrics}");
    }
    site.keep(&site.issue());
    site.lets_in().await;
    first.check().await.expect("whoever was in stays in");
    ends(running).await;
}

#[tokio::test]
async fn a_certificate_may_be_kept_as_a_vault_keeps_pkcs12_or_in_one_file() {
    let site = Site::new().await;
    let issued = site.issue();
    let certificate = X509::from_pem(issued.certificate.as_bytes()).unwrap();
    let key = PKey::private_key_from_pem(issued.key.as_bytes()).unwrap();
    let pkcs12 = Pkcs12::builder().pkey(&key).cert(&certificate).build2("").unwrap().to_der().unwrap();
    site.cloud.vault.set("sql", &BASE64_STANDARD.encode(pkcs12));
    let running = Running::start(site.guard());
    site.lets_in().await;
    ends(running).await;

    site.bench.guarded.keep("both.pem", &one(&issued));
    let mut command = site.bench.command(&[]);
    command.env("DELTAWAVE_TLS_CERTIFICATE", site.bench.file("both.pem")).env_remove("DELTAWAVE_TLS_KEY");
    let running = Running::start(command);
    site.lets_in().await;
    ends(running).await;
}

#[tokio::test]
async fn a_password_changed_in_the_vault_is_set_by_guard_and_taken_by_a_loader() {
    let mut site = Site::new().await;
    for (name, password) in [("root", "root-hunter"), ("loader", LOADER), ("reader", READER)] {
        site.cloud.vault.set(name, password);
    }
    let mut guard = site.guard();
    for user in ["root", "loader", "reader"] {
        guard.env(format!("DELTAWAVE_{}_PASSWORD", user.to_uppercase()), format!("keyvault:{user}"));
    }
    let guard = Running::start(guard);
    Http::of(&guard).await.until(None).await;
    site.bench.guarded.close("root-hunter").await;

    let home = tempfile::tempdir().unwrap();
    let files = Files::at(&home.path().display().to_string()).await;
    files.add_plain(0..2, 0..3, 50).await;
    let proxy = Proxy::to(&site.bench.guarded.url()).await;
    let start = || {
        let flags = ["--poll", "0.05", "--slow-retry", "0.3", "--http", "127.0.0.1:0"];
        let mut loader = program(env!("CARGO_BIN_EXE_loader"), &flags);
        site.cloud.show(&mut loader);
        loader
            .env("DELTAWAVE_BLOB", files.url())
            .env("DELTAWAVE_STORE_URL", proxy.url(&site.bench.guarded.url_of("loader")))
            .env("DELTAWAVE_STORE_PASSWORD", "keyvault:loader");
        Running::start(loader)
    };
    let loaded = async |wanted: i64| {
        eventually("records", async || match site.bench.guarded.store.count("user_event_log").await {
            count if count == wanted => Ok(()),
            count => Err(count),
        })
        .await;
    };
    let stopped = async |loader: Running| {
        loader.signal(libc::SIGTERM);
        let ended = loader.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(!ended.err.contains("hunter"), "{}", ended.err);
        ended.err
    };
    let loader = start();
    loaded(300).await;

    // Into the vault first: guard sets it, and the loader, which is in, takes it when it has to come in again.
    site.cloud.vault.set("loader", "loader-hunter-2");
    guard.says("password set anew user=\"loader\"").await;
    files.add_plain(0..2, 3..6, 50).await;
    loaded(600).await;
    proxy.cut();
    files.add_plain(0..2, 6..8, 50).await;
    loaded(800).await;
    let said = stopped(loader).await;
    assert!(said.contains("password refused, read again from keyvault:loader"), "{said}");

    // A loader that starts before guard has set it is refused until then, and says why.
    guard.signal(libc::SIGSTOP);
    site.cloud.vault.set("loader", "loader-hunter-3");
    files.add_plain(0..2, 8..10, 50).await;
    let loader = start();
    let http = Http::of(&loader).await;
    let answer = http.until(Some("password authentication failed")).await;
    assert!(answer.to_string().contains("it was read from keyvault:loader"), "{answer}");
    guard.signal(libc::SIGCONT);
    loaded(1000).await;
    http.until(None).await;
    stopped(loader).await;

    // Root's is guard's own: it is set by the session that guard has, and lets it in when the store was away.
    site.cloud.vault.set("root", "root-hunter-2");
    let root = site.bench.guarded.store.address.with_password(&Secret::new("root-hunter-2"));
    let root = eventually("root", async || Session::connect(&root).await).await;
    assert_eq!(
        root.query_number("SELECT sum(loaded) FROM capture_files").await.unwrap(),
        1000,
        "none twice, none lost"
    );
    // Killed at once, it may have lost the new one again.
    site.bench.guarded.postgres.service.kill();
    site.bench.guarded.postgres.service.restart().await.unwrap();
    Http::of(&guard).await.until(None).await;
    ends(guard).await;
}
