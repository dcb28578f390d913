//! Pictures of the page of a whole pipeline, for people to look at: `target/page/*.png`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use azure_storage_blob::models::{AccessTier, BlockBlobClientUploadOptions};
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};
use deltawave::capture::{FileName, NameFormat, PartitionId};
use futures::StreamExt as _;
use time::OffsetDateTime;

use super::{LONGEST, port, script};
use crate::support::cloud::sas_until;
use crate::support::{Files, Running, capture_file, eventually, home, program, run, unique, user};

/// For how long the pipeline runs before its picture is taken, where nobody says: long enough to be tested.
const SECONDS: &str = "12";

const PARTITION: PartitionId = PartitionId(2);

/// The word behind a line's first one.
fn fact(out: &str, what: &str) -> Option<String> {
    out.lines().find(|line| line.starts_with(what)).and_then(|line| line.split_whitespace().nth(1)).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_pipeline_where_something_waits() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/page");
    fs::create_dir_all(&directory).unwrap();
    let flags = ["up", "--plain", "--store", "postgres", "--rate", "4", "--users", "3000", "--http", &port()];
    let mut up = program(env!("CARGO_BIN_EXE_deltawave"), &flags);
    up.env("XDG_STATE_HOME", home(&unique("state")));
    let up = Running::start(up);
    let out = eventually("up", async || match up.out() {
        out if out.contains("latest_user_state, ") => Ok(out),
        out => Err(format!("{out}{}", up.err())),
    })
    .await;
    let [page, broker, blob] = ["page", "broker", "blob"].map(|what| fact(&out, what).unwrap());

    // A file that is archived already when it is found, of a partition that has others: of one that has none capture would
    // go on from it. And events that fit no table.
    let files = Files::at(&blob).await;
    let prefix = NameFormat::default().prefix(&files.hub, Some(PARTITION), None);
    eventually("a file of the partition", async || match files.container.list(&prefix, None).next().await {
        Some(Ok(page)) if !page.is_empty() => Ok(()),
        page => Err(page.is_some()),
    })
    .await;
    let window = OffsetDateTime::now_utc() - time::Duration::seconds(45);
    let window_start = window.replace_nanosecond(0).unwrap();
    archive(&blob, &FileName { hub: files.hub.clone(), partition: PARTITION, window_start }).await;
    let events = home(&unique("events.jsonl"));
    fs::create_dir_all(events.parent().unwrap()).unwrap();
    fs::write(&events, lines()).unwrap();
    let send = async |flags: &[&str]| {
        let always = ["--broker", &broker, "--quiet", "--give-up", "20"];
        let mut producer = program(env!("CARGO_BIN_EXE_producer"), &[&always[..], flags].concat());
        producer.env("XDG_STATE_HOME", home(&unique("state")));
        let ended = run(producer).await;
        assert_eq!(ended.code, Some(0), "{}\nup said:\n{}\n{}", ended.err, up.out(), up.err());
    };
    send(&["--input", events.to_str().unwrap(), "--key", "id"]).await;
    // A history, so that there is something to see.
    send(&["--events", "20000", "--rate", "max", "--users", "3000"]).await;

    let seconds = std::env::var("PAGE_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    let script = script("pictures.cjs", &[&page, directory.to_str().unwrap(), &seconds]).await;
    let pictures = Running::start(script);
    tokio::time::sleep(Duration::from_secs(seconds.parse().unwrap())).await;
    let ended = pictures.end_within(LONGEST).await;
    assert_eq!(ended.code, Some(0), "{}\n{}\nup said:\n{}\n{}", ended.out, ended.err, up.out(), up.err());
    up.signal(libc::SIGTERM);
    let ended = up.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

fn lines() -> String {
    [
        r#"{"id":7,"name":"Zoë","age":"old","op":"update","event_order":9000000000000000001,"ts":"2026-01-02T03:04:05"}"#,
        r#"{"id":8,"name":"Ada","age":36,"op":"insert","event_order":9000000000000000002,"ts":"yesterday"}"#,
        r#"{"id":9,"name":"日本太郎","age":41,"event_order":9000000000000000003,"ts":"2026-01-02T03:04:05"}"#,
    ]
    .map(|line| format!("{line}\n"))
    .concat()
}

async fn archive(container: &str, name: &FileName) {
    let address = format!("{container}?{}", sas_until(time::Duration::hours(1)));
    let options = BlobContainerClientOptions::default();
    let client = BlobContainerClient::new(address.parse().unwrap(), None, Some(options)).unwrap();
    let blob = NameFormat::default().format(name);
    let content = bytes::Bytes::from(capture_file(vec![user(0, 1, "insert", 1)]));
    let options = BlockBlobClientUploadOptions { tier: Some(AccessTier::Archive), ..Default::default() };
    client.blob_client(&blob).upload(content.into(), Some(options)).await.unwrap();
}
