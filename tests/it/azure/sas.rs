use std::fs;

use deltawave::azure::queue::Queue;
use time::Duration;

use super::{FILES, QUICK, Site, stopped};
use crate::loader::Bench;
use crate::support::cloud::{container_sas, sas_until, wrong_sas};
use crate::support::{Running, azurite, program, run, unique};

/// The plain Azurite's container as an address that a SAS has to open.
fn address(bench: &Bench) -> String {
    bench.files.url()
}

#[tokio::test]
async fn a_sas_that_expires_or_is_wrong_is_read_again_from_its_file_without_a_restart() {
    let bench = Bench::new().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sas");
    let source = format!("file:{}", file.display());
    fs::write(&file, format!("{}\n", sas_until(Duration::seconds(4)))).unwrap();
    bench.files.add_plain(0..1, 0..1, 1).await;
    let mut command = bench.loader(&[&QUICK[..], &["--blob-sas", &source]].concat());
    command.env("DELTAWAVE_BLOB", address(&bench));
    let running = Running::start(command);
    bench.until(FILES, 1).await;
    // It expires.
    running.says("SAS has expired").await;
    running.says("access to").await;
    bench.files.add_plain(0..1, 1..2, 1).await;
    // What is written next is wrong, then no SAS at all, then empty, then the whole address.
    fs::write(&file, wrong_sas()).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    fs::write(&file, "nonsense").unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    fs::write(&file, "").unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(bench.store.number(FILES).await, 1);
    fs::write(&file, format!("{}?{}", address(&bench), sas_until(Duration::seconds(4)))).unwrap();
    bench.until(FILES, 2).await;
    // With a next one there in time nobody notices that one ends.
    fs::write(&file, format!("?{}", sas_until(Duration::hours(1)))).unwrap();
    let before = running.err().len();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    bench.files.add_plain(0..1, 2..3, 1).await;
    bench.until(FILES, 3).await;
    let after = running.err()[before..].to_owned();
    assert!(!after.contains("ERROR") && !after.contains("WARN"), "{after}");
    assert!(after.contains("the SAS was refused: another one was read and is used"), "{after}");
    let said = stopped(running).await;
    assert!(!said.contains("sig="), "{said}");
    bench.assert_all(1, 3).await;
    bench.passed().await;
}

#[tokio::test]
async fn notifications_have_a_sas_of_their_own_from_the_vault() {
    let site = Site::new().await;
    let queue = unique("events");
    let opened = Queue::open(&site.cloud.queue(&queue).parse().unwrap(), None).unwrap();
    opened.ensure().await.unwrap();
    site.cloud.vault.set("queue-sas", &sas_until(Duration::seconds(3)));
    site.cloud.vault.set("blob-sas", &sas_until(Duration::hours(1)));
    let url = crate::support::cloud::queue_url(&queue);
    let flags =
        ["--notifications", &url, "--notifications-sas", "keyvault:queue-sas", "--blob-sas", "keyvault:blob-sas"];
    let running = Running::start(site.loader(&[&QUICK[..], &flags].concat()));
    running.says("notifications are received").await;
    running.says("SAS has expired").await;
    assert!(running.err().contains("access to queue"), "{}", running.err());
    // Blobs go on meanwhile.
    site.file(0).await;
    site.loaded(1).await;
    site.cloud.vault.set("queue-sas", &sas_until(Duration::hours(1)));
    running.says("the queue of notifications works again").await;
    opened.put(r#"{"hello": 1}"#).await.unwrap();
    running.says("malformed notification set aside").await;
    stopped(running).await;
    // The identity was for the vault only.
    let asked = site.cloud.identity.asked();
    assert!(asked.iter().all(|asked| asked.query("resource").as_deref() == Some("https://vault.azure.net")));
    site.bench.passed().await;
}

#[tokio::test]
async fn a_sas_given_as_it_is_opens_for_loader_and_capture_and_a_wrong_one_is_told() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..1, 0..1, 1).await;
    let with = async |sas: &str| {
        let mut command = bench.loader(&["--once", "--log", "off"]);
        command.env("DELTAWAVE_BLOB", address(&bench)).env("DELTAWAVE_BLOB_SAS", sas);
        run(command).await
    };
    assert_eq!(with(&sas_until(Duration::hours(1))).await.code, Some(0));
    bench.assert_all(1, 1).await;
    let text = super::sentence(&with(&wrong_sas()).await);
    assert!(text.contains("or the SAS has expired or is wrong, so"), "{text}");
    let text = super::sentence(&with("sv=1").await);
    assert!(text.contains("a secret given as it is holds no SAS: it must be a URL query with a signature"), "{text}");
    let text = super::sentence(&with("file:/nowhere/sas").await);
    assert!(text.contains("no SAS for") && text.contains("file:/nowhere/sas cannot be read"), "{text}");

    let broker = crate::capture::broker(1);
    crate::capture::produce_plain(&broker.bootstrap_servers(), 3);
    let container = format!("{}/{}", azurite().await.blob_endpoint(), unique("capture"));
    let bootstrap = broker.bootstrap_servers();
    for (sas, code) in [(wrong_sas(), 1), (sas_until(Duration::hours(1)), 0)] {
        let flags = ["--broker", &bootstrap, "--blob", &container, "--window", "1", "--until-end", "--skip-empty"];
        let mut command = program(env!("CARGO_BIN_EXE_capture"), &flags);
        command.env("DELTAWAVE_BLOB_SAS", sas);
        let ended = run(command).await;
        assert_eq!(ended.code, Some(code), "{}", ended.err);
    }
    bench.passed().await;
}

#[tokio::test]
async fn a_containers_own_sas_with_the_least_rights_is_enough() {
    let bench = Bench::new().await;
    let name = bench.files.container.name();
    let broker = crate::capture::broker(1);
    crate::capture::produce_plain(&broker.bootstrap_servers(), 3);
    let bootstrap = broker.bootstrap_servers();
    let flags = ["--broker", &bootstrap, "--blob", &address(&bench), "--window", "1", "--until-end", "--skip-empty"];
    let mut command = program(env!("CARGO_BIN_EXE_capture"), &flags);
    command.env("DELTAWAVE_BLOB_SAS", container_sas(name, "rcwl"));
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let mut command = bench.loader(&["--once"]);
    command.env("DELTAWAVE_BLOB_SAS", container_sas(name, "rl"));
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    bench.assert_all(1, 3).await;
    let mut command = bench.loader(&["--once", "--log", "off"]);
    command.env("DELTAWAVE_BLOB_SAS", container_sas(name, "r"));
    let text = super::sentence(&run(command).await);
    assert!(text.contains("403 AuthorizationPermissionMismatch): the SAS allows something else"), "{text}");
    bench.passed().await;
}

#[tokio::test]
async fn a_capture_whose_sas_ends_keeps_what_it_has_until_there_is_another() {
    let bench = Bench::new().await;
    let broker = crate::capture::broker(1);
    let bootstrap = broker.bootstrap_servers();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sas");
    fs::write(&file, sas_until(Duration::seconds(4))).unwrap();
    let source = format!("file:{}", file.display());
    let blob = address(&bench);
    let flags = ["--broker", &bootstrap, "--blob", &blob, "--blob-sas", &source, "--window", "1", "--skip-empty"];
    let running = Running::start(program(env!("CARGO_BIN_EXE_capture"), &flags));
    crate::capture::produce_plain(&bootstrap, 3);
    running.says("records=3").await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    crate::capture::produce_plain(&bootstrap, 3);
    running.says("SAS has expired").await;
    running.says("this does not pass by itself: trying until it is mended").await;
    fs::write(&file, sas_until(Duration::hours(1))).unwrap();
    running.says("is back").await;
    let said = stopped(running).await;
    assert_eq!(said.matches("ERROR").count(), 1, "{said}");
    bench.once(&[]).await;
    assert_eq!(bench.store.count("user_event_log").await, 6);
    bench.passed().await;
}
