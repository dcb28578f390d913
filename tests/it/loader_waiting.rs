//! Files that cannot be read, each alone: they wait, are shown, and are loaded when they can be.

use azure_storage_blob::models::AccessTier;
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};
use time::Duration;

use crate::loader::Bench;
use crate::support::cloud::sas_until;
use crate::support::{Files, Http};

const WAITING: &str = "SELECT blob, reason FROM capture_files WHERE status = 'waiting'";

pub async fn set_tier(files: &Files, blob: &str, tier: AccessTier) {
    let url = format!("{}?{}", files.url(), sas_until(Duration::hours(1)));
    let options = BlobContainerClientOptions::default();
    let container = BlobContainerClient::new(url.parse().unwrap(), None, Some(options)).unwrap();
    container.blob_client(blob).set_tier(tier, None).await.unwrap();
}

#[tokio::test]
async fn an_archived_file_waits_alone_and_is_loaded_when_it_is_rehydrated() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..2, 0..3, 10).await;
    let archived = bench.files.name(0, 1);
    set_tier(&bench.files, &archived, AccessTier::Archive).await;
    let said = bench.fails(&[]).await;
    assert!(said.contains("1 file cannot be read and waits") && said.contains(&archived), "{said}");
    let rows = bench.store.rows(WAITING).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0][0], archived);
    for words in ["is archived and cannot be read", "rehydrate it", "waits since", "every full listing"] {
        assert!(rows[0][1].contains(words), "{rows:?}");
    }
    assert_eq!(bench.store.count("user_event_log").await, 50, "the others are loaded");

    let running = bench.start(&["--poll", "0.05", "--http", "127.0.0.1:0"]);
    let http = Http::of(&running).await;
    http.until(None).await;
    bench.files.add_plain(0..2, 3..4, 10).await;
    bench.until("SELECT count(*) FROM user_event_log", 70).await;
    let (ready, answer) = http.ready().await;
    assert!(ready && answer["routes"][0]["waiting_files"] == 1, "{answer}");
    set_tier(&bench.files, &archived, AccessTier::Hot).await;
    bench.until("SELECT count(*) FROM user_event_log", 80).await;
    bench.until("SELECT count(*) FROM capture_files WHERE status = 'loaded'", 8).await;
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().await.code, Some(0));
    bench.assert_all(2, 40).await;
    bench.passed().await;
}
