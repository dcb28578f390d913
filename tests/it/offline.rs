//! Components of this machine: they start, answer, survive a restart on the same data, and end with their owner.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use deltawave::offline::{Azurite, EmbeddedBroker, Kafka, Part, Parts, Persistence, Postgres, RisingWave, Scratch};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{self, eventually, quiet, unique};

const DEV_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Set in a copy of this test process that only owns components, so that it can be killed.
const OWNER: &str = "DELTAWAVE_TEST_OWNER";

#[tokio::test]
async fn azurite_keeps_blobs_and_queues_over_a_restart() {
    let scratch = Scratch::new().unwrap();
    let mut azurite = Azurite::start(&Parts::locate(), scratch.path(), Persistence::Directory, &quiet).await.unwrap();
    let (blobs, queues) = (azurite.blob_endpoint(), azurite.queue_endpoint());
    let name = unique("kept");
    assert_eq!(storage("PUT", &blobs, &format!("{name}?restype=container")).await, 201);
    assert_eq!(storage("PUT", &blobs, &format!("{name}/hour/file.avro")).await, 201);
    assert_eq!(storage("PUT", &queues, &name).await, 201);

    azurite.service.stop().await.unwrap();
    assert!(TcpStream::connect(authority(&blobs)).await.is_err(), "a stopped Azurite still listens");
    azurite.service.restart().await.unwrap();
    assert_eq!(azurite.blob_endpoint(), blobs);
    assert_eq!(storage("GET", &blobs, &format!("{name}/hour/file.avro")).await, 200);
    assert_eq!(storage("GET", &queues, &format!("{name}?comp=metadata")).await, 200);
}

#[tokio::test]
async fn the_shared_azurite_answers() {
    let name = unique("shared");
    let endpoint = support::azurite().await.blob_endpoint();
    assert_eq!(storage("PUT", &endpoint, &format!("{name}?restype=container")).await, 201);
}

#[tokio::test]
async fn kafka_keeps_topics_over_a_stop_and_a_kill() {
    let scratch = Scratch::new().unwrap();
    let mut kafka = Kafka::start(&Parts::locate(), scratch.path(), &quiet).await.unwrap();
    let topic = unique("kept");
    create_topic(&kafka.bootstrap(), &topic).await;
    assert_eq!(partitions(&kafka.bootstrap(), &topic).await, 2);
    kafka.service.restart().await.unwrap();
    assert_eq!(partitions(&kafka.bootstrap(), &topic).await, 2);
    kafka.service.kill();
    kafka.service.restart().await.unwrap();
    assert_eq!(partitions(&kafka.bootstrap(), &topic).await, 2);

    // A later run on the same directory has other ports.
    kafka.service.stop().await.unwrap();
    let kafka = Kafka::start(&Parts::locate(), scratch.path(), &quiet).await.unwrap();
    assert_eq!(partitions(&kafka.bootstrap(), &topic).await, 2);
}

#[tokio::test]
async fn the_shared_kafka_answers() {
    let (bootstrap, topic) = (support::kafka().await.bootstrap(), unique("shared"));
    create_topic(&bootstrap, &topic).await;
    assert_eq!(partitions(&bootstrap, &topic).await, 2);
}

#[tokio::test]
async fn the_embedded_broker_answers() {
    let broker = EmbeddedBroker::start(&["user-events", "orders"], 2).unwrap();
    assert_eq!(partitions(&broker.bootstrap(), "user-events").await, 2);
    assert_eq!(partitions(&broker.bootstrap(), "orders").await, 2);
}

#[tokio::test]
async fn postgres_keeps_rows_over_a_stop_and_a_kill() {
    let scratch = Scratch::new().unwrap();
    let mut postgres = Postgres::start(&Parts::locate(), scratch.path(), Persistence::Directory, &quiet).await.unwrap();
    let url = postgres.url();
    sql(&url, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)").await;
    postgres.service.restart().await.unwrap();
    assert_eq!(sql(&url, "SELECT id FROM kept").await, ["7"]);
    sql(&url, "INSERT INTO kept VALUES (8)").await;
    postgres.service.kill();
    postgres.service.restart().await.unwrap();
    assert_eq!(sql(&url, "SELECT id FROM kept ORDER BY id").await, ["7", "8"]);

    postgres.service.stop().await.unwrap();
    let postgres = Postgres::start(&Parts::locate(), scratch.path(), Persistence::Directory, &quiet).await.unwrap();
    assert_eq!(sql(&postgres.url(), "SELECT count(*) FROM kept").await, ["2"]);
}

#[tokio::test]
async fn the_shared_postgres_is_like_risingwave_to_a_client() {
    let url = support::postgres().await.url();
    let row = "SELECT current_user || ' ' || current_database() || ' ' || current_setting('server_encoding')";
    assert_eq!(sql(&url, row).await, ["root dev UTF8"]);
}

#[tokio::test]
async fn postgres_for_root_wants_a_directory_that_nobody_can_enter() {
    let scratch = Scratch::new().unwrap();
    let closed = scratch.path().canonicalize().unwrap().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let started = Postgres::start(&Parts::locate(), &closed.join("data"), Persistence::Memory, &quiet).await;
    if std::fs::metadata(&closed).unwrap().uid() != 0 {
        started.unwrap();
        return;
    }
    let text = started.unwrap_err().to_string();
    assert!(text.contains(&format!("cannot enter {} on the way", closed.display())), "{text}");
}

#[tokio::test]
async fn a_crash_is_told_with_the_end_of_the_log() {
    let scratch = Scratch::new().unwrap();
    let mut azurite = Azurite::start(&Parts::locate(), scratch.path(), Persistence::Memory, &quiet).await.unwrap();
    let id = azurite.service.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
    let error = tokio::time::timeout(Duration::from_secs(10), azurite.service.died()).await.unwrap();
    let text = error.to_string();
    assert!(text.contains("Azurite ended with signal: 9") && text.contains("successfully listening"), "{text}");
    azurite.service.restart().await.unwrap();
}

#[tokio::test]
async fn risingwave_gets_its_store_memory_and_port() {
    let scratch = Scratch::new().unwrap();
    let program = script(
        scratch.path(),
        "printf '%s\\n' \"$@\" >arguments; env >environment
         exec node -e 'require(\"net\").createServer().listen(process.argv.at(-1).split(\":\")[1], \"127.0.0.1\")' \"$@\"",
    );
    let mut risingwave = RisingWave::start(&program, &scratch.path().join("kept"), 4 << 30).await.unwrap();
    let home = scratch.path().canonicalize().unwrap().join("kept");
    let arguments = std::fs::read_to_string(home.join("arguments")).unwrap();
    let address = authority(&risingwave.url().replace("root@", ""));
    let store = home.join("store");
    assert_eq!(
        arguments.lines().collect::<Vec<_>>(),
        [
            "single_node",
            "--store-directory",
            store.to_str().unwrap(),
            "--total-memory-bytes",
            "4294967296",
            "--listen-addr",
            &address
        ]
    );
    let environment = std::fs::read_to_string(home.join("environment")).unwrap();
    let settings: Vec<&str> = environment.lines().filter(|line| line.starts_with("RW_")).collect();
    assert_eq!(settings, ["RW_COMPACTOR_META_CACHE_MEMORY_BYTES=67108864"]);
    TcpStream::connect(&address).await.unwrap();
    risingwave.service.stop().await.unwrap();
}

#[tokio::test]
async fn an_early_end_quotes_the_log() {
    let scratch = Scratch::new().unwrap();
    let program = script(scratch.path(), "echo 'not enough memory' >&2; exit 3");
    let error = RisingWave::start(&program, scratch.path(), 8 << 30).await.unwrap_err();
    let log = scratch.path().canonicalize().unwrap().join("log.txt");
    assert_eq!(
        error.to_string(),
        format!("RisingWave ended with exit status: 3; its log {} ends with:\nnot enough memory", log.display())
    );
}

#[tokio::test]
async fn starts_can_be_spawned() {
    // Compiles only if the future may move between threads.
    let start = tokio::spawn(async {
        let scratch = Scratch::new()?;
        let mut azurite = Azurite::start(&Parts::locate(), scratch.path(), Persistence::Memory, &quiet).await?;
        azurite.service.stop().await
    });
    start.await.unwrap().unwrap();
}

#[tokio::test]
async fn everything_ends_when_its_owner_is_killed() {
    let scratch = Scratch::new().unwrap();
    let mut owner = owner(scratch.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    // The owner's components do not hold its output, so that this ends even if it fails.
    let started = lines.map(Result::unwrap).find_map(|line| line.split_once("started ").map(|(_, ids)| ids.to_owned()));
    let started = started.expect("the owner ended before it had started everything");
    let ids: Vec<&str> = started.split(' ').collect();
    assert_eq!(ids.len(), 3);
    for id in &ids {
        // A group of its own, which a terminal's Ctrl-C does not reach.
        assert_eq!(ps(id, "pgid="), Some((*id).to_owned()));
    }
    owner.kill().unwrap();
    owner.wait().unwrap();
    for id in ids {
        eventually("the end of what a killed process owned", async || ps(id, "stat=").map_or(Ok(()), Err)).await;
    }
}

#[tokio::test]
async fn a_missing_program_is_named_before_anything_starts() {
    let scratch = Scratch::new().unwrap();
    let output = owner(scratch.path()).env("PATH", scratch.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("failed needed on this machine and not found:\n  node 20 or newer\n"), "{text}");
    assert!(text.contains("\n  java 17 or newer\n"), "{text}");
}

#[tokio::test]
#[ignore = "owns components in a process of its own: run by the tests that kill it"]
async fn owner_of_components() {
    let Some(directory) = std::env::var_os(OWNER) else { return };
    let (parts, directory) = (Parts::locate(), Path::new(&directory));
    let (azurite, kafka, postgres) = (directory.join("azurite"), directory.join("kafka"), directory.join("postgres"));
    let components = async {
        parts.fetch(&[Part::Azurite, Part::Kafka, Part::Postgres], &quiet).await?;
        tokio::try_join!(
            Azurite::start(&parts, &azurite, Persistence::Directory, &quiet),
            Kafka::start(&parts, &kafka, &quiet),
            Postgres::start(&parts, &postgres, Persistence::Memory, &quiet),
        )
    };
    match components.await {
        Ok((azurite, kafka, postgres)) => {
            let ids = [azurite.service.id(), kafka.service.id(), postgres.service.id()].map(Option::unwrap);
            println!("started {} {} {}", ids[0], ids[1], ids[2]);
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        Err(error) => println!("failed {error}"),
    }
}

fn owner(directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "offline::owner_of_components", "--ignored", "--nocapture"]).env(OWNER, directory);
    command
}

/// What `ps` says of a process; nothing if there is none, or only its remains.
fn ps(id: &str, column: &str) -> Option<String> {
    let output = Command::new("ps").args(["-o", column, "-p", id]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    (!text.is_empty() && !text.starts_with('Z')).then_some(text)
}

fn script(directory: &Path, body: &str) -> std::path::PathBuf {
    let file = directory.join("risingwave");
    std::fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}

async fn sql(url: &str, statements: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let messages = client.simple_query(statements).await.unwrap();
    let rows = messages.into_iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    rows.collect()
}

async fn create_topic(bootstrap: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let topics = [NewTopic::new(topic, 2, TopicReplication::Fixed(1))];
    let results = admin.create_topics(&topics, &AdminOptions::new()).await.unwrap();
    assert_eq!(results, [Ok(topic.to_owned())]);
}

async fn partitions(bootstrap: &str, topic: &str) -> usize {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let topic = topic.to_owned();
    tokio::task::spawn_blocking(move || {
        let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(20)).unwrap();
        metadata.topics()[0].partitions().len()
    })
    .await
    .unwrap()
}

/// One request to a storage endpoint, signed with the development key, and the status it is answered with.
async fn storage(method: &str, endpoint: &str, path: &str) -> u16 {
    let fields =
        [("sp", "rwdlacup"), ("ss", "bq"), ("srt", "sco"), ("se", "2099-01-01T00:00:00Z"), ("sv", "2021-12-02")];
    let [(_, permissions), (_, services), (_, types), (_, end), (_, version)] = fields;
    let signed = format!("devstoreaccount1\n{permissions}\n{services}\n{types}\n\n{end}\n\n\n{version}\n\n");
    let key = azure_core::credentials::Secret::new(DEV_KEY.to_owned());
    let signature = azure_core::hmac::hmac_sha256(&signed, &key).unwrap();
    let mut url = url::Url::parse(&format!("{endpoint}/{path}")).unwrap();
    url.query_pairs_mut().extend_pairs(fields).append_pair("sig", &signature);
    let target = &url[url::Position::BeforePath..];
    let address = authority(endpoint);
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

/// The `HOST:PORT` of a URL.
fn authority(url: &str) -> String {
    url.split('/').nth(2).unwrap().to_owned()
}
