//! The `loader` binary killed at every moment there is a name for, and at moments without a name: nothing lost,
//! nothing twice, by counting.

use std::time::{Duration, Instant};

use deltawave::base::killpoint::Step;
use futures::{StreamExt as _, stream};
use rand::RngExt as _;
use tokio::time::sleep;

use crate::loader::Bench;
use crate::support::run;

/// Two hubs, so that there are two streams with a group each.
const HUBS: [&str; 2] = ["user-events", "other"];
const PARTITIONS: i32 = 2;
const MINUTES: i64 = 3;
const RECORDS: i64 = 150;
const FILES_OF_A_HUB: i64 = PARTITIONS as i64 * MINUTES;
const RECORDS_OF_A_HUB: i64 = FILES_OF_A_HUB * RECORDS;
const FLAGS: [&str; 6] =
    ["--route", "user-events=user_event_log,other=user_event_log", "--batch-rows", "100", "--connections", "2"];

/// What must stand in the store after the kill, as ranges of ledger rows and of records.
fn after_the_kill(side: &str, step: Step, time: u32) -> [std::ops::RangeInclusive<i64>; 2] {
    let (files, records) = (FILES_OF_A_HUB, RECORDS_OF_A_HUB);
    match (step, side, time) {
        (Step::Receipted, "after", 2) => [2 * files..=2 * files, 2 * records..=2 * records],
        (Step::Receipted, "after", _) => [files..=2 * files, records..=2 * records],
        // Hubs are loaded side by side: when the second is as far, the first may be done.
        (Step::Flushed | Step::Counted | Step::Receipted, _, 2) => [0..=files, 2 * records..=2 * records],
        (Step::Flushed | Step::Counted | Step::Receipted, ..) => [0..=0, records..=2 * records],
        (Step::Written, "after", time) => [0..=0, 100 * i64::from(time) - 50..=2 * records],
        (Step::Written, "before", 1) | (Step::Listed, ..) => [0..=0, 0..=0],
        _ => [0..=0, 0..=2 * records],
    }
}

async fn killed_at(side: &str, step: Step, time: u32) {
    let bench = Bench::new().await;
    for hub in HUBS {
        bench.files.of_hub(hub).add_plain(0..PARTITIONS, 0..MINUTES, RECORDS).await;
    }
    let moment = format!("{side}:{}:{time}", step.name());
    let ended = run(bench.loader(&[&["--once", "--kill-at", &moment], &FLAGS[..]].concat())).await;
    assert_eq!(ended.signal, Some(libc::SIGKILL), "{moment}: {:?} {}", ended.code, ended.err);
    let found = [bench.store.count("capture_files").await, bench.store.count("user_event_log").await];
    let wanted = after_the_kill(side, step, time);
    assert!(
        found.iter().zip(&wanted).all(|(found, wanted)| wanted.contains(found)),
        "{moment}: {found:?} in {wanted:?}"
    );

    bench.once(&FLAGS).await;
    let counted = "SELECT event_hub, partition_id, count(*), count(DISTINCT sequence_number), min(sequence_number), \
         max(sequence_number) FROM user_event_log GROUP BY event_hub, partition_id ORDER BY event_hub, partition_id";
    let each = MINUTES * RECORDS;
    let row = |hub: &str, partition: i32| {
        format!("{hub} {partition} {each} {each} 0 {}", each - 1).split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let all: Vec<_> = ["other", "user-events"].iter().flat_map(|hub| (0..PARTITIONS).map(|p| row(hub, p))).collect();
    assert_eq!(bench.store.rows(counted).await, all, "{moment}");
    assert_eq!(bench.store.count("rejected_events").await, 0, "{moment}");
    assert_eq!(bench.store.count("capture_files").await, 2 * FILES_OF_A_HUB, "{moment}");
    let noted = bench.store.number("SELECT sum(loaded) FROM capture_files").await;
    assert_eq!(noted, 2 * RECORDS_OF_A_HUB, "{moment}");
    assert_eq!(bench.store.count("capture_gaps").await, 0, "{moment}");
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_named_moment_is_a_bad_one_to_die_at() {
    let moments: Vec<_> = Step::ALL
        .into_iter()
        // Files found without notifications have none to acknowledge.
        .filter(|step| *step != Step::Acknowledged)
        .flat_map(|step| {
            let later = if matches!(step, Step::Fetched | Step::Decoded | Step::Written) { 4 } else { 2 };
            ["before", "after"].into_iter().flat_map(move |side| [(side, step, 1), (side, step, later)])
        })
        .collect();
    let kills = moments.len();
    let kill = async |(side, step, time)| killed_at(side, step, time).await;
    stream::iter(moments).map(kill).buffer_unordered(3).collect::<()>().await;
    println!("{kills} kills at named moments, {} records after each, each once", 2 * RECORDS_OF_A_HUB);
}

/// Files arrive all the time while loaders are killed at random moments, each life as long as chance gives it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loaders_killed_at_random_moments_lose_and_double_nothing() {
    const KILLS: usize = 100;
    const PARTITIONS: i32 = 4;
    const RECORDS: i64 = 200;
    let bench = Bench::new().await;
    let flags = ["--poll", "0.02", "--batch-rows", "300", "--connections", "2"];
    // How long a loader takes here for what a life finds: moments are drawn over that, so that a slow store is hit too.
    bench.files.add_plain(0..PARTITIONS, 0..4, RECORDS).await;
    let began = Instant::now();
    bench.once(&flags[2..]).await;
    let mut whole = began.elapsed();
    let (mut minutes, mut idle, mut progress) = (4, 0, Vec::new());
    while progress.len() < KILLS {
        // Not so many files ahead that none is ever done.
        let behind = minutes * i64::from(PARTITIONS) - bench.store.count("capture_files").await;
        idle += usize::from(behind == 0);
        let arriving = minutes..if behind <= 24 { minutes + 2 } else { minutes };
        minutes = arriving.end;
        let files = bench.files.clone();
        let feed = tokio::spawn(async move {
            for minute in arriving {
                files.add_plain(0..PARTITIONS, minute..minute + 1, RECORDS).await;
                sleep(Duration::from_millis(60)).await;
            }
        });
        let running = bench.start(&flags);
        sleep(whole.mul_f64(rand::rng().random_range(0.1..1.5))).await;
        running.signal(libc::SIGKILL);
        assert_eq!(running.end().await.signal, Some(libc::SIGKILL));
        feed.await.unwrap();
        progress.push(bench.store.count("user_event_log").await);
        // Others are at work on the same cores, now more and now less.
        let fruitful = progress.len() < 2 || progress[progress.len() - 2] < progress[progress.len() - 1];
        if behind > 0 {
            whole = whole.mul_f64(if fruitful { 0.9 } else { 1.25 });
        }
    }
    bench.once(&[]).await;
    let files = i64::from(PARTITIONS) * minutes;
    let records = files * RECORDS;
    bench.assert_all(PARTITIONS, minutes * RECORDS).await;
    assert_eq!(bench.store.count("capture_files").await, files);
    assert_eq!(bench.store.number("SELECT sum(loaded) FROM capture_files").await, records);
    assert_eq!(bench.store.count("capture_gaps").await, 0);
    let working = progress.windows(2).filter(|pair| pair[0] < pair[1]).count();
    println!(
        "{KILLS} kills, {working} lives that loaded something, {idle} that began with nothing to do; {records} records, \
         each once"
    );
    assert!(working * 4 >= KILLS, "most loaders died before they did anything: {progress:?}");
    bench.passed().await;
}
