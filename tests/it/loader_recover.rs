//! The `loader` binary on a RisingWave that was restarted gracefully, and takes no writes until one `RECOVER`.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::sleep;

use crate::support::{Done, FakeRisingWave, Files, Http, Running, eventually, program};

const PARTITIONS: i32 = 4;
const RECORDS: i64 = 200;
const LANES: &str = "4";

fn loader(fake: &FakeRisingWave, files: &Files) -> Running {
    let flags = "--poll 0.02 --batch-rows 50 --slow-retry 0.5 --http 127.0.0.1:0 --connections";
    let flags: Vec<_> = flags.split(' ').chain([LANES]).collect();
    let mut command = program(env!("CARGO_BIN_EXE_loader"), &flags);
    command.env("DELTAWAVE_BLOB", files.url()).env("DELTAWAVE_STORE_URL", fake.url());
    Running::start(command)
}

async fn in_directory() -> (tempfile::TempDir, Files) {
    let home = tempfile::tempdir().unwrap();
    let files = Files::at(&home.path().display().to_string()).await;
    (home, files)
}

/// Waits until files of so many minutes are noted, and counts their records.
async fn loaded(fake: &FakeRisingWave, minutes: i64) {
    let files = (i64::from(PARTITIONS) * minutes) as usize;
    eventually("files are noted", async || match fake.counts() {
        (_, noted) if noted == files => Ok(()),
        counts => Err(counts),
    })
    .await;
    assert_eq!(fake.counts(), (files * RECORDS as usize, files));
}

/// Asserts that no file was noted before as many records as it and those before it have were written, then flushed, then
/// counted, and that nothing else was said. Meanwhile more may be written: of the next group.
fn in_order(fake: &FakeRisingWave) -> usize {
    let done = fake.done();
    let (mut written, mut flushed, mut counted, mut noted) = (0, 0, 0, 0);
    for (index, done_now) in done.iter().enumerate() {
        match done_now {
            Done::Rows(rows) => written += rows,
            Done::Flush => flushed = written,
            Done::Counted(_) => counted = flushed,
            Done::Ledger(files) => {
                noted += files * RECORDS as usize;
                assert!(noted <= counted, "noted before it was durable and counted: {:?}", &done[..=index]);
            }
            Done::Recover => {}
        }
    }
    assert_eq!(fake.foreign(), BTreeSet::new());
    done.iter().filter(|done| **done == Done::Recover).count()
}

async fn ends(running: Running) -> String {
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ended.err
}

#[tokio::test]
async fn many_lanes_ask_a_restarted_store_for_one_recovery() {
    let fake = FakeRisingWave::start(true).await;
    let (_home, files) = in_directory().await;
    files.add_plain(0..PARTITIONS, 0..3, RECORDS).await;
    let running = loader(&fake, &files);
    loaded(&fake, 3).await;
    assert_eq!(in_order(&fake), 0);

    fake.restart();
    files.add_plain(0..PARTITIONS, 3..6, RECORDS).await;
    loaded(&fake, 6).await;
    assert_eq!(in_order(&fake), 1, "one RECOVER for {LANES} lanes");
    let said = ends(running).await;
    assert_eq!(said.matches("asking it to RECOVER").count(), 1, "{said}");
    assert_eq!(said.matches("RECOVER was taken").count(), 1, "{said}");
    assert!(said.contains("the store works again after"), "{said}");
    println!("recovery: {} refused statements, 1 RECOVER, {} records", fake.faults(), fake.counts().0);
}

#[tokio::test]
async fn a_loader_that_may_not_recover_says_so_and_goes_on_when_someone_else_does() {
    let fake = FakeRisingWave::start(false).await;
    let (_home, files) = in_directory().await;
    let running = loader(&fake, &files);
    let http = Http::of(&running).await;
    http.until(None).await;
    fake.restart();
    files.add_plain(0..PARTITIONS, 0..3, RECORDS).await;
    running.says("does not pass by itself, retrying, at least every 0.5 s").await;
    http.until(Some("until a superuser asks it to RECOVER")).await;
    sleep(Duration::from_millis(1500)).await;
    let said = running.err();
    assert_eq!(said.matches("ERROR").count(), 1, "said once: {said}");
    assert!(said.contains("(Permission denied: only superusers can trigger adhoc recovery)"), "{said}");
    assert!(said.contains("run `RECOVER` as root, or connect as a superuser"), "{said}");
    assert!(!http.ready().await.0);
    assert_eq!(fake.counts(), (0, 0));
    let asked = fake.refused_recovers();
    assert!((1..=2).contains(&asked), "asked {asked} times in about 2 s by {LANES} lanes");

    fake.recover();
    loaded(&fake, 3).await;
    http.until(None).await;
    in_order(&fake);
    let said = ends(running).await;
    assert!(said.contains("the store works again after"), "{said}");
    println!("denied recovery: {} refused statements, {} records", fake.faults(), fake.counts().0);
}
