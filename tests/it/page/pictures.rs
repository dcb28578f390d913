//! Pictures of the page of a whole pipeline, for people to look at: `target/page/*.png`.

use std::fs;
use std::path::Path;

use azure_storage_blob::models::{AccessTier, BlockBlobClientUploadOptions};
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};
use deltawave::capture::{FileName, PartitionId};
use time::OffsetDateTime;

use super::{port, script};
use crate::support::cloud::sas_until;
use crate::support::{Files, Running, capture_file, eventually, home, program, unique, user};

/// For how long the pipeline runs before its picture is taken, where nobody says: long enough to be tested.
const SECONDS: &str = "12";

/// The word behind a line's first one.
fn fact(out: &str, what: &str) -> Option<String> {
    out.lines().find(|line| line.starts_with(what)).and_then(|line| line.split_whitespace().nth(1)).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_pipeline_where_something_waits() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/page");
    fs::create_dir_all(&directory).unwrap();
    let flags = ["up", "--plain", "--store", "postgres", "--rate", "40", "--users", "3000", "--http", &port()];
    let mut up = program(env!("CARGO_BIN_EXE_deltawave"), &flags);
    up.env("XDG_STATE_HOME", home(&unique("state")));
    let up = Running::start(up);
    let out = eventually("up", async || match up.out() {
        out if out.contains("latest_user_state, ") => Ok(out),
        out => Err(format!("{out}{}", up.err())),
    })
    .await;
    let [page, broker, blob] = ["page", "broker", "blob"].map(|what| fact(&out, what).unwrap());

    // A file that is archived already when it is found, and events that fit no table.
    let window = OffsetDateTime::now_utc() - time::Duration::seconds(45);
    archive(
        &blob,
        FileName {
            hub: Files::at(&blob).await.hub,
            partition: PartitionId(2),
            window_start: window.replace_nanosecond(0).unwrap(),
        },
    )
    .await;
    let events = home(&unique("events.jsonl"));
    fs::create_dir_all(events.parent().unwrap()).unwrap();
    fs::write(&events, lines()).unwrap();
    let producer = ["--broker", &broker, "--input", events.to_str().unwrap(), "--key", "id"];
    let producer = crate::support::run(program(env!("CARGO_BIN_EXE_producer"), &producer)).await;
    assert_eq!(producer.code, Some(0), "{}", producer.err);

    let seconds = std::env::var("PAGE_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    let script = script("pictures.cjs", &[&page, directory.to_str().unwrap(), &seconds]).await;
    let pictures = Running::start(script);
    let ended = pictures.end().await;
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

async fn archive(container: &str, name: FileName) {
    let address = format!("{container}?{}", sas_until(time::Duration::hours(1)));
    let options = BlobContainerClientOptions::default();
    let client = BlobContainerClient::new(address.parse().unwrap(), None, Some(options)).unwrap();
    let blob = deltawave::capture::NameFormat::default().format(&name);
    let content = bytes::Bytes::from(capture_file(vec![user(0, 1, "insert", 1)]));
    let options = BlockBlobClientUploadOptions { tier: Some(AccessTier::Archive), ..Default::default() };
    client.blob_client(&blob).upload(content.into(), Some(options)).await.unwrap();
}
