//! `producer` and `capture` at an event hub's Kafka endpoint, played by Apache Kafka with a listener that lets in as
//! Event Hubs does: TLS, PLAIN for `$ConnectionString`, OAUTHBEARER for tokens.

use std::path::{Path, PathBuf};
use std::time::Duration;

use deltawave::base::Secret;
use deltawave::kafka::{Cluster, Endpoint, MissingTopic};
use deltawave::offline::{Kafka, Lock, Parts};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::support::{Ended, Running, Tokens, home, program, quiet, run, unique};

/// The key, which must be in no output.
pub const KEY: &str = "c2VjcmV0LWtleQ";
/// Who may use every topic by a token.
const ADMITTED: &str = "admitted";
pub const NAMESPACE: &str = "contoso";

pub fn connection_string(key: &str) -> String {
    format!("Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey={key}")
}

/// A Kafka of a test's own.
async fn own(name: &str) -> Kafka {
    let lock = Lock {
        connection_string: Secret::new(connection_string(KEY)),
        admitted: ADMITTED.to_owned(),
        reauthenticate: Duration::from_secs(3),
    };
    Kafka::start_locked(&Parts::locate(), &home(name), lock, &quiet).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The one of all tests that leave it as it is.
pub async fn kafka() -> &'static Kafka {
    static SHARED: OnceCell<Kafka> = OnceCell::const_new();
    SHARED.get_or_init(async || own("kafka-locked").await).await
}

pub async fn topic(kafka: &Kafka) -> String {
    let name = unique("hub");
    let endpoint = Endpoint::plaintext(kafka.bootstrap().parse().unwrap());
    let cluster = Cluster::connect(&endpoint, MissingTopic::Leave, Duration::from_secs(20)).await.unwrap();
    cluster.create_topic(&name, 2).await.unwrap();
    cluster.wait_for_topic(&name, Duration::from_secs(20)).await.unwrap();
    name
}

/// A program for a hub, told to take its certificates.
pub fn at(path: &str, kafka: &Kafka, hub: &str, flags: &[&str]) -> Command {
    let (address, authority) = kafka.locked().unwrap();
    let mut command = program(path, &["--event-hub", &format!("{NAMESPACE}/{hub}"), "--broker", &address]);
    command.args(flags).env("DELTAWAVE_KAFKA_CA", authority).env_remove("SSL_CERT_FILE");
    command
}

fn producer(kafka: &Kafka, hub: &str, flags: &[&str]) -> Command {
    let mut command = at(env!("CARGO_BIN_EXE_producer"), kafka, hub, &["--log-level", "debug"]);
    command.args(["--quiet", "--order-start", "1"]).args(flags);
    command
}

fn capture(kafka: &Kafka, hub: &str, files: &Path, flags: &[&str]) -> Command {
    let mut command = at(env!("CARGO_BIN_EXE_capture"), kafka, hub, &["--log-level", "debug", "--blob"]);
    command.arg(files).args(["--window", "1", "--skip-empty"]).args(flags);
    command
}

fn assert_done(ended: &Ended, words: &str) {
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(format!("{}{}", ended.out, ended.err).contains(words), "{words}: {}{}", ended.out, ended.err);
    assert_no_secret(ended);
}

fn assert_no_secret(ended: &Ended) {
    // Every token here begins with the same header.
    for secret in [KEY, "eyJhbGciOiJub25lIn0"] {
        assert!(!ended.err.contains(secret) && !ended.out.contains(secret), "{}", ended.err);
    }
}

/// Ends with 1, and its last line, which is one sentence, has all these words.
fn assert_fails(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let last = ended.err.lines().last().unwrap_or_default();
    assert!(last.contains("ERROR") || last.contains("error"), "{}", ended.err);
    for word in words {
        assert!(last.contains(word), "{word:?} is not in: {last}");
    }
    assert_no_secret(ended);
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() { found.extend(files_below(&entry.path())) } else { found.push(entry.path()) }
    }
    found
}

#[tokio::test]
async fn a_connection_string_lets_producer_and_capture_in() {
    let (kafka, files) = (kafka().await, tempfile::tempdir().unwrap());
    let hub = topic(kafka).await;
    let whole = format!("{};EntityPath={hub}", connection_string(KEY));
    let mut sending = producer(kafka, &hub, &["--events", "50", "--rate", "max"]);
    // The check wants the whole of it, the broker the password it knows.
    sending.env("DELTAWAVE_CONNECTION_STRING", connection_string(KEY));
    assert_done(&run(sending).await, "50 acknowledged");

    let secret = files.path().join("secret");
    std::fs::write(&secret, format!("{}\n", connection_string(KEY))).unwrap();
    let captured = files.path().join("files");
    let mut capturing = capture(kafka, &hub, &captured, &["--until-end"]);
    capturing.env("DELTAWAVE_CONNECTION_STRING", format!("file:{}", secret.display()));
    assert_done(&run(capturing).await, "capture ends records=50");
    let named = captured.join(NAMESPACE).join(&hub);
    assert!(files_below(&captured).iter().all(|file| file.starts_with(&named)), "{:?}", files_below(&captured));

    // With the hub's own it goes as far as the broker, which knows no such password.
    let mut refused = producer(kafka, &hub, &["--events", "1"]);
    refused.env("DELTAWAVE_CONNECTION_STRING", whole);
    assert_fails(&run(refused).await, &["refuses the connection string"]);
}

#[tokio::test]
async fn tokens_are_renewed_while_connections_live() {
    let (kafka, files) = (kafka().await, tempfile::tempdir().unwrap());
    let hub = topic(kafka).await;
    let (for_producer, for_capture) = (Tokens::start(ADMITTED, 12, 0).await, Tokens::start(ADMITTED, 12, 0).await);
    let mut capturing = capture(kafka, &hub, files.path(), &[]);
    for_capture.serve(&mut capturing);
    let capturing = Running::start(capturing);
    capturing.says("capturing").await;
    let mut sending = producer(kafka, &hub, &["--events", "280", "--rate", "10/s"]);
    for_producer.serve(&mut sending);
    let sent = run(sending).await;
    assert_done(&sent, "280 acknowledged");
    // A slow machine may be late to show a token again, and is cut off; what it shows then is never refused.
    assert!(!sent.err.contains("refuses"), "{}", sent.err);
    tokio::time::sleep(Duration::from_secs(2)).await;
    capturing.signal(libc::SIGTERM);
    assert_done(&capturing.end().await, "capture ends records=280");
    // Each lasts 12 s, and this took at least 28.
    for tokens in [&for_producer, &for_capture] {
        assert!(tokens.handed_out() >= 3, "{}", tokens.handed_out());
        let asked = tokens.asked();
        assert!(asked.iter().all(|asked| asked.contains("contoso.servicebus.windows.net")), "{asked:?}");
    }
}

#[tokio::test]
async fn tokens_that_run_out_and_come_again_cost_no_event() {
    let kafka = kafka().await;
    let hub = topic(kafka).await;
    let tokens = Tokens::start(ADMITTED, 4, 0).await;
    tokens.leave(1);
    let mut sending = producer(kafka, &hub, &["--events", "200", "--rate", "10/s"]);
    tokens.serve(&mut sending);
    let sending = Running::start(sending);
    sending.says("the one in use ends in").await;
    sending.says("no token for https://contoso.servicebus.windows.net/.default").await;
    // Long enough for the token to end and for the broker to notice.
    tokio::time::sleep(Duration::from_secs(6)).await;
    tokens.leave(i64::MAX);
    assert_done(&sending.end().await, "200 acknowledged");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_in_one_sentence_what_to_do() {
    let kafka = kafka().await;
    let hub = topic(kafka).await;
    let one = ["--events", "1", "--give-up", "10"];

    let mut wrong_key = producer(kafka, &hub, &one);
    wrong_key.env("DELTAWAVE_CONNECTION_STRING", connection_string("d3Jvbmc"));
    assert_fails(
        &run(wrong_key).await,
        &["contoso.servicebus.windows.net refuses the connection string (", "copy it anew from the portal"],
    );

    let expired = Tokens::start(ADMITTED, 3600, 7200).await;
    let mut command = producer(kafka, &hub, &one);
    expired.serve(&mut command);
    assert_fails(&run(command).await, &["refuses the Entra token (", "clock is right", "--client-id"]);

    let none = Tokens::start(ADMITTED, 3600, 0).await;
    none.leave(0);
    let mut command = producer(kafka, &hub, &one);
    none.serve(&mut command);
    assert_fails(
        &run(command).await,
        &["no token for https://contoso", "--credential managed-identity", "no managed identity, or several"],
    );

    let stranger = Tokens::start("stranger", 3600, 0).await;
    let mut command = producer(kafka, &hub, &one);
    stranger.serve(&mut command);
    assert_fails(&run(command).await, &["Basic tier", "move it to Standard", "Azure Event Hubs Data Sender"]);

    let mut unknown = producer(kafka, "nowhere", &one);
    unknown.env("DELTAWAVE_CONNECTION_STRING", connection_string(KEY));
    assert_fails(&run(unknown).await, &["event hub nowhere does not exist in contoso.servicebus", "az eventhubs"]);

    let files = tempfile::tempdir().unwrap();
    let mut unknown = capture(kafka, "nowhere", files.path(), &["--give-up", "3"]);
    unknown.env("DELTAWAVE_CONNECTION_STRING", connection_string(KEY));
    assert_fails(&run(unknown).await, &["event hub nowhere does not exist in contoso.servicebus"]);
}

#[tokio::test]
async fn too_large_an_event_is_named_with_its_size() {
    let kafka = kafka().await;
    let hub = topic(kafka).await;
    let directory = tempfile::tempdir().unwrap();
    let lines = directory.path().join("lines");
    // The line is short enough, and so is its key, but they are sent together.
    let large = "x".repeat(600_000);
    std::fs::write(&lines, format!("{{\"id\":1}}\n{{\"id\":\"{large}\"}}\n")).unwrap();
    let (address, authority) = kafka.locked().unwrap();
    let mut command = program(
        env!("CARGO_BIN_EXE_producer"),
        &[
            "--event-hub",
            &format!("{NAMESPACE}/{hub}"),
            "--broker",
            &address,
            "--quiet",
            "--input",
            lines.to_str().unwrap(),
        ],
    );
    command.env("DELTAWAVE_KAFKA_CA", authority).env("DELTAWAVE_CONNECTION_STRING", connection_string(KEY));
    assert_fails(&run(command).await, &["has 1200009 bytes", "1000000", "make it smaller or split it"]);
}

#[tokio::test]
async fn only_a_trusted_certificate_is_accepted() {
    let kafka = kafka().await;
    let hub = topic(kafka).await;
    let (_, authority) = kafka.locked().unwrap();
    let events = ["--events", "1", "--rate", "max", "--give-up", "2"];
    let mut untrusted = producer(kafka, &hub, &events);
    untrusted.env_remove("DELTAWAVE_KAFKA_CA").env("DELTAWAVE_CONNECTION_STRING", connection_string(KEY));
    assert_fails(&run(untrusted).await, &["did not answer", "certificate", "--kafka-ca"]);
    let mut trusted = producer(kafka, &hub, &events);
    trusted.env_remove("DELTAWAVE_KAFKA_CA").env("SSL_CERT_FILE", authority);
    trusted.env("DELTAWAVE_CONNECTION_STRING", connection_string(KEY));
    assert_done(&run(trusted).await, "1 acknowledged");
}

#[tokio::test]
async fn a_renewed_key_is_taken_up_by_programs_that_run() {
    let mut kafka = own("kafka-rotated").await;
    let (hub, files) = (topic(&kafka).await, tempfile::tempdir().unwrap());
    let secret = files.path().join("secret");
    std::fs::write(&secret, connection_string(KEY)).unwrap();
    let from_file = format!("file:{}", secret.display());
    let captured = files.path().join("files");
    let mut sending = producer(&kafka, &hub, &["--events", "300", "--rate", "10/s"]);
    let mut capturing = capture(&kafka, &hub, &captured, &[]);
    let mut stuck = producer(&kafka, &hub, &["--rate", "10/s", "--give-up", "15"]);
    for command in [&mut sending, &mut capturing] {
        command.env("DELTAWAVE_CONNECTION_STRING", &from_file);
    }
    stuck.env("DELTAWAVE_CONNECTION_STRING", connection_string(KEY));
    let (sending, capturing, stuck) = (Running::start(sending), Running::start(capturing), Running::start(stuck));
    for running in [&sending, &stuck] {
        running.says("sending events").await;
    }
    capturing.says("capturing").await;

    let new = connection_string("bmV3LWtleQ");
    kafka.change_password(Secret::new(&new)).await.unwrap();
    sending.says("refuses the connection string").await;
    std::fs::write(&secret, &new).unwrap();
    for running in [&sending, &capturing] {
        running.says("has another one: using that").await;
    }
    assert_done(&sending.end().await, "300 acknowledged");
    assert_fails(&stuck.end().await, &["not acknowledged", "refuses the connection string", "copy it anew"]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    capturing.signal(libc::SIGTERM);
    let ended = capturing.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let (_, count) = ended.err.split_once("capture ends records=").expect("the last line");
    let count: u32 = count.split_whitespace().next().unwrap().parse().unwrap();
    assert!(count >= 300, "{}", ended.err);
    assert!(!ended.err.contains("bmV3LWtleQ"), "{}", ended.err);
}

#[tokio::test]
async fn throttling_is_told() {
    let kafka = own("kafka-throttled").await;
    let hub = topic(&kafka).await;
    kafka.limit_sending(10_000).await.unwrap();
    let mut sending = producer(&kafka, &hub, &["--events", "1500", "--rate", "200/s"]);
    sending.env("DELTAWAVE_CONNECTION_STRING", connection_string(KEY));
    let sending = Running::start(sending);
    sending.says("throttled: contoso.servicebus.windows.net delays requests by up to").await;
    let ended = sending.end().await;
    assert_done(&ended, "1500 acknowledged");
    assert_eq!(ended.err.matches("throughput units are used up").count(), 1, "{}", ended.err);
}

#[tokio::test]
async fn flags_that_do_not_fit_are_told_and_secrets_are_not_shown() {
    let path = env!("CARGO_BIN_EXE_producer");
    let other = "Endpoint=sb://other.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=c2VjcmV0LWtleQ";
    let mut command = program(path, &["--event-hub", "contoso/hub", "--topic", "hub", "--create-topic", "3"]);
    command.env("DELTAWAVE_CONNECTION_STRING", other);
    let ended = run(command).await;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    for words in
        ["--topic: ", "--create-topic: event hubs are made in Azure", "--connection-string: is for the namespace"]
    {
        assert!(ended.err.contains(words), "{words}: {}", ended.err);
    }
    assert_no_secret(&ended);
    let ended = run(program(path, &["--connection-string", other, "--kafka-ca", "x"])).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("--connection-string: is for Event Hubs") && ended.err.contains("--kafka-ca: is for"));
    for program_path in [path, env!("CARGO_BIN_EXE_capture")] {
        let mut help = program(program_path, &["--help"]);
        help.env("DELTAWAVE_CONNECTION_STRING", other);
        assert_done(&run(help).await, "--connection-string");
    }
}
