//! Loaders into a Delta table killed at every moment there is a name for and at moments without a name, two at once,
//! beside a program of others that packs the table's files and adds rows of its own.

use std::process::Stdio;
use std::time::{Duration, Instant};

use deltawave::azure::blob::BlobError;
use futures::{StreamExt as _, stream};
use rand::RngExt as _;
use serde_json::json;
use tokio::time::sleep;

use super::bench::LakeBench;
use crate::support::{Running, capture_file, event, eventually, plain, program, run};

const STEPS: [&str; 6] = ["listed", "fetched", "decoded", "written", "committed", "receipted"];

async fn killed_at(moment: String) {
    let bench = LakeBench::in_directory().await.made().await;
    bench.files.add_plain(0..2, 0..3, 60).await;
    let bad = event(180, "no JSON");
    bench.files.add(1, 3, vec![bad]).await;
    let ended = run(bench.loader(&["--once", "--batch-rows", "50", "--kill-at", &moment])).await;
    assert_eq!(ended.signal, Some(libc::SIGKILL), "{moment}: {:?} {}", ended.code, ended.err);
    bench.once(&["--batch-rows", "50"]).await;
    let counted = bench.counted().await;
    let each = |partition: i64| json!([partition, 180, 180, 0, 179]);
    assert_eq!(counted["partitions"], json!([each(0), each(1)]), "{moment}: {counted}");
    assert_eq!(counted["files"], json!([7, 7]), "{moment}: {counted}");
    assert_eq!((&counted["loaded"], &counted["rejected"]), (&json!(360), &json!(1)), "{moment}: {counted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_named_moment_is_a_bad_one_to_die_at() {
    let moments: Vec<_> = STEPS
        .iter()
        .flat_map(|step| ["before", "after"].map(|side| format!("{side}:{step}")))
        .chain(["before:written:3".to_owned(), "after:written:3".to_owned(), "before:decoded:3".to_owned()])
        .collect();
    let kills = moments.len();
    stream::iter(moments).map(killed_at).buffer_unordered(3).collect::<()>().await;
    println!("{kills} kills at named moments, 360 records and a rejected one after each, each once");
}

/// How often: more by `DELTAWAVE_TEST_KILLS`.
fn kills() -> usize {
    std::env::var("DELTAWAVE_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_loaders_killed_at_random_beside_another_writer_lose_and_double_nothing() {
    killed_at_random(LakeBench::in_directory().await.made().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_on_blobs() {
    killed_at_random(LakeBench::new().await.made().await).await;
}

async fn killed_at_random(bench: LakeBench) {
    const PARTITIONS: i32 = 3;
    const RECORDS: i64 = 40;
    let kills = kills();
    bench.files.add_plain(0..PARTITIONS, 0..3, RECORDS).await;
    let began = Instant::now();
    bench.once(&[]).await;
    let whole = began.elapsed();
    // Another program adds rows of its own and packs files all the while; one more only reads, and must always find as
    // many rows as there are distinct ones.
    let beside = async |script: &str| {
        let mut command = bench.script(script, json!({})).await;
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let (writer, reader) = (beside("writer.py").await, beside("reader.py").await);
    let (mut minutes, mut killed) = (3, 0);
    while killed < kills {
        // Others are at work on the same cores, and the emulator may cut a connection off.
        for partition in 0..PARTITIONS {
            let numbers = minutes * RECORDS..(minutes + 1) * RECORDS;
            let content = bytes::Bytes::from(capture_file(numbers.map(|number| plain(partition, number))));
            let name = bench.files.name(partition, minutes);
            eventually("a file", async || match bench.files.container.create(&name, content.clone()).await {
                Ok(()) | Err(BlobError::AlreadyExists { .. }) => Ok(()),
                Err(error) => Err(error),
            })
            .await;
        }
        minutes += 1;
        let loader = || Running::start(bench.loader(&["--poll", "0.02"]));
        let optimizer = program(env!("CARGO_BIN_EXE_deltawave"), &["optimize", &bench.table, "--log", "off"]);
        for life in [loader(), loader(), Running::start(optimizer)] {
            sleep(whole.mul_f64(rand::rng().random_range(0.05..0.7))).await;
            life.signal(libc::SIGKILL);
            // An optimizer may have ended by itself.
            killed += usize::from(life.end().await.signal == Some(libc::SIGKILL));
        }
    }
    for (name, mut program) in [("writer", writer), ("reader", reader)] {
        assert!(program.try_wait().unwrap().is_none(), "the {name} ended by itself: {}", said(program).await);
        program.start_kill().unwrap();
        program.wait().await.unwrap();
    }
    bench.once(&[]).await;
    let counted = bench.counted().await;
    let records = minutes * RECORDS;
    let each = |partition: i32| json!([i64::from(partition), records, records, 0, records - 1]);
    let ours: Vec<_> = counted["partitions"].as_array().unwrap().iter().filter(|row| row[0] != json!(-1)).collect();
    let wanted: Vec<_> = (0..PARTITIONS).map(each).collect();
    assert_eq!(json!(ours), json!(wanted), "{counted}");
    let files = minutes * i64::from(PARTITIONS);
    assert_eq!(counted["files"], json!([files, files]), "{counted}");
    assert_eq!(counted["loaded"], json!(i64::from(PARTITIONS) * records), "{counted}");
    println!(
        "{killed} kills of two loaders and an optimizer, a program of others beside them at version {}: {} records, each once",
        counted["version"],
        i64::from(PARTITIONS) * records
    );
}

async fn said(program: tokio::process::Child) -> String {
    let output = tokio::time::timeout(Duration::from_secs(5), program.wait_with_output()).await.unwrap().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}
