use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deltawave::azure::queue::Queue;
use serde_json::json;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::process::Command;
use tokio::time::sleep;

use super::{QUICK, Site, stopped};
use crate::support::cloud::{Answer, Asked, Certificates, Played, blob_url, queue_url, token};
use crate::support::{Running, program, run, unique};

const STORAGE: &str = "https://storage.azure.com";

#[tokio::test]
async fn a_managed_identity_opens_blobs_and_queues_and_its_tokens_are_renewed() {
    let site = Site::new().await;
    let queue = unique("events");
    Queue::open(&site.cloud.queue(&queue).parse().unwrap(), None).unwrap().ensure().await.unwrap();
    site.cloud.identity.last(3);
    site.file(0).await;
    let id = "0000-the-id";
    let flags = ["--notifications", &queue_url(&queue), "--client-id", id];
    let running = Running::start(site.loader(&[&QUICK[..], &flags].concat()));
    for minute in 1..6 {
        site.loaded(minute).await;
        sleep(Duration::from_secs(1)).await;
        site.file(minute).await;
    }
    site.loaded(6).await;
    let said = stopped(running).await;
    assert!(said.contains("credential=managed-identity because=\"IDENTITY_ENDPOINT is set\""), "{said}");
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    let asked = site.cloud.identity.asked();
    // Tokens of 3 s for 5 s, which Azurite would not take any longer.
    assert!(asked.len() >= 3, "{} tokens", asked.len());
    for asked in asked {
        assert_eq!(asked.query("client_id").as_deref(), Some(id));
        assert_eq!(asked.query("resource").as_deref(), Some(STORAGE));
        assert!(asked.header("user-agent").is_some_and(|agent| agent.starts_with("deltawave-")), "{asked:?}");
    }
    site.bench.assert_all(1, 6).await;
    site.bench.passed().await;
}

#[tokio::test]
async fn a_container_group_gets_its_tokens_from_the_metadata_endpoint() {
    let site = Site::new().await;
    site.file(0).await;
    let mut command = site.loader(&["--once"]);
    // That endpoint has an address of its own everywhere, where only a proxy leads elsewhere.
    let endpoint = format!("http://127.0.0.1:{}", site.cloud.identity.port());
    command.env_remove("IDENTITY_ENDPOINT").env("HTTP_PROXY", endpoint);
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("credential=managed-identity because=\"IDENTITY_HEADER is set\""), "{}", ended.err);
    let asked = &site.cloud.identity.asked()[0];
    assert!(asked.path.starts_with("http://169.254.169.254/metadata/identity/oauth2/token?"), "{asked:?}");
    assert_eq!(asked.header("metadata"), Some("true"));
    site.loaded(1).await;
    site.bench.passed().await;
}

/// The authority of a tenant, which gives a token for the right assertion.
async fn authority(assertion: &'static str, answer: Option<u16>) -> Played {
    Played::https(move |asked: &Asked| {
        let form = |wanted: &str| {
            let mut pairs = url::form_urlencoded::parse(asked.body.as_bytes());
            pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        let known = form("client_assertion").as_deref() == Some(assertion)
            && form("client_id").as_deref() == Some("the-client")
            && form("scope").as_deref() == Some("https://storage.azure.com/.default")
            && asked.path == "/the-tenant/oauth2/v2.0/token";
        match answer.or((!known).then_some(400)) {
            None => {
                let expires = OffsetDateTime::now_utc().unix_timestamp() + 3600;
                let token = token(STORAGE, expires);
                Answer::json(200, json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token}))
            }
            // As real ones do, it says more than anyone should log.
            Some(status) => Answer::json(
                status,
                json!({
                    "error": "invalid_client", "error_codes": [700_213],
                    "error_description": format!("AADSTS700213: No match for {}\r\nTrace ID: x", asked.body),
                }),
            ),
        }
    })
    .await
}

/// What the webhook of workload identity puts into a pod.
fn pod<'c>(command: &'c mut Command, authority: &str, file: &Path) -> &'c mut Command {
    command
        .env_remove("IDENTITY_ENDPOINT")
        .env("AZURE_AUTHORITY_HOST", authority)
        .env("AZURE_TENANT_ID", "the-tenant")
        .env("AZURE_CLIENT_ID", "the-client")
        .env("AZURE_FEDERATED_TOKEN_FILE", file)
}

#[tokio::test]
async fn a_pod_gets_its_tokens_for_its_service_accounts() {
    let site = Site::new().await;
    site.file(0).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, "an.assertion").unwrap();
    let authority = authority("an.assertion", None).await;
    let mut command = site.loader(&["--once"]);
    pod(&mut command, &format!("https://127.0.0.1:{}", authority.port()), &file);
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("credential=workload because=\"AZURE_FEDERATED_TOKEN_FILE is set\""), "{}", ended.err);
    assert!(authority.asked()[0].header("user-agent").unwrap().starts_with("deltawave-"));
    site.loaded(1).await;
    site.bench.passed().await;
}

/// A directory with an `az` that does that.
fn az(script: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("az");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let calls = directory.path().join("calls");
    (directory, calls)
}

/// Only this directory and what a shell needs is on PATH, and nothing else gives tokens.
fn developer<'c>(command: &'c mut Command, directory: &Path) -> &'c mut Command {
    command.env_remove("IDENTITY_ENDPOINT").env_remove("IDENTITY_HEADER");
    command.env("PATH", format!("{}:/usr/bin:/bin", directory.display()))
}

#[tokio::test]
async fn a_developer_is_who_is_signed_in_to_az_and_is_asked_again_when_the_token_ends() {
    let site = Site::new().await;
    let expires = OffsetDateTime::now_utc().unix_timestamp() + 3600;
    let token = token(STORAGE, expires);
    let (directory, calls) = az(&format!(
        r#"echo "$@" >> "$(dirname "$0")/calls"
echo '{{"accessToken":"{token}","expires_on":'$(($(date +%s) + 2))',"tokenType":"Bearer"}}'"#
    ));
    site.file(0).await;
    let mut command = site.loader(&QUICK);
    developer(&mut command, directory.path());
    let running = Running::start(command);
    for minute in 1..4 {
        site.loaded(minute).await;
        sleep(Duration::from_secs(1)).await;
        site.file(minute).await;
    }
    site.loaded(4).await;
    let said = stopped(running).await;
    assert!(said.contains("credential=developer because=\"nothing names another\""), "{said}");
    let calls = fs::read_to_string(calls).unwrap();
    assert!(calls.lines().count() >= 2, "{calls}");
    assert!(calls.lines().all(|call| call.starts_with("account get-access-token -o json --scope")), "{calls}");
    site.bench.passed().await;
}

#[tokio::test]
async fn what_gives_no_token_says_in_one_sentence_what_to_do() {
    let site = Site::new().await;
    let identity = &site.cloud.identity;
    let told = |text: String, words: &str| assert!(text.contains(words), "{words} is missing in: {text}");

    identity.answer(400);
    told(
        site.fails(|command| command).await,
        "has no managed identity, or several: assign one, or name one by --client-id",
    );
    let named = site.fails(|command| command.args(["--client-id", "me"])).await;
    told(named, "the managed identity me is not assigned to this machine: assign it, or correct --client-id");
    identity.answer(200);
    let wrong = site.fails(|command| command.env("IDENTITY_HEADER", "other")).await;
    told(wrong, "refuses (403): see that an identity is assigned to this machine, and that IDENTITY_ENDPOINT");
    let nobody = site.fails(|command| command.env("IDENTITY_ENDPOINT", "http://127.0.0.1:1/token")).await;
    told(nobody, "no managed identity endpoint answers here (");
    let arc =
        site.fails(|command| command.env_remove("IDENTITY_HEADER").env("IMDS_ENDPOINT", "http://127.0.0.1:1")).await;
    told(arc, "--credential managed-identity (because IDENTITY_ENDPOINT is set) cannot be used: Azure Arc managed");

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let refusing = authority("an.assertion", Some(401)).await;
    let host = format!("https://127.0.0.1:{}", refusing.port());
    let missing = site.fails(|command| pod(command, &host, &file)).await;
    told(missing, "the service account's token cannot be read (No such file or directory");
    fs::write(&file, "an.assertion").unwrap();
    let refused = site.fails(|command| pod(command, &host, &file)).await;
    assert!(!refused.contains("assertion"), "{refused}");
    told(refused, "the authority refuses the service account's token (401 AADSTS700213): check the federated");
    let away = site.fails(|command| pod(command, "https://127.0.0.1:1", &file)).await;
    told(away, "the authority cannot be reached (");
    for variable in ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"] {
        let unset = site.fails(|command| pod(command, &host, &file).env_remove(variable)).await;
        told(unset, &format!("{variable} is not set: see that the pod has the label"));
    }
    let no_file = site.fails(|command| command.args(["--credential", "workload"]).env("AZURE_TENANT_ID", "t")).await;
    told(no_file, "AZURE_FEDERATED_TOKEN_FILE is not set");

    let empty = tempfile::tempdir().unwrap();
    let none = site.fails(|command| developer(command, empty.path())).await;
    told(none, "neither az nor azd is on PATH: install the Azure CLI and run `az login`");
    let (out, _) = az(r#"echo "Please run 'az login' to setup account." >&2; exit 1"#);
    let signed_out = site.fails(|command| developer(command, out.path())).await;
    told(signed_out, "nobody is signed in to az or azd: run `az login`");
    let (odd, _) = az("echo surprise; exit 0");
    told(site.fails(|command| developer(command, odd.path())).await, "see what `az account get-access-token` says");
    site.bench.passed().await;
}

#[tokio::test]
async fn capture_writes_with_the_programs_own_identity() {
    use crate::capture::{broker, produce_plain};
    let site = Site::new().await;
    let broker = broker(1);
    produce_plain(&broker.bootstrap_servers(), 5);
    let container = unique("made-by-capture");
    let bootstrap = broker.bootstrap_servers();
    let flags =
        ["--broker", &bootstrap, "--blob", &blob_url(&container), "--window", "1", "--until-end", "--skip-empty"];
    let mut command = program(env!("CARGO_BIN_EXE_capture"), &flags);
    site.cloud.show(&mut command);
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("credential=managed-identity"), "{}", ended.err);
    assert!(!site.cloud.identity.asked().is_empty());

    // What it wrote, the loader reads by the same identity.
    let mut command = site.loader(&["--once"]);
    command.env("DELTAWAVE_BLOB", blob_url(&container)).env("SSL_CERT_FILE", &Certificates::get().authority);
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    site.bench.assert_all(1, 5).await;
    site.bench.passed().await;
}
