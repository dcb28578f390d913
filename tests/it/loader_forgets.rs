//! The `loader` binary on a RisingWave that forgets what it acknowledged, at every kind of recovery there is, and says
//! FLUSH to be done all the same: what is noted is there, by counting.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use tokio::process::Command;
use tokio::time::sleep;

use crate::support::{FakeRisingWave, Files, Running, event, eventually, program, run};

const PARTITIONS: i32 = 4;
const RECORDS: i64 = 100;
const FLAGS: [&str; 8] = ["--poll", "0.02", "--batch-rows", "80", "--connections", "2", "--slow-retry", "0.2"];

fn loader(fake: &FakeRisingWave, files: &Files, flags: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_loader"), &[&FLAGS[..], flags].concat());
    command.env("DELTAWAVE_BLOB", files.url()).env("DELTAWAVE_STORE_URL", fake.url());
    command
}

async fn in_directory() -> (tempfile::TempDir, Files) {
    let home = tempfile::tempdir().unwrap();
    let files = Files::at(&home.path().display().to_string()).await;
    (home, files)
}

/// What a FLUSH may fail with when a barrier failed under it: the causes of the causes stand in the text.
const FLUSH_FAULTS: [&str; 3] = [
    "Failed to run the query: Scheduler error: The cluster is recovering",
    "gRPC request to meta service failed: Internal error: Actor 17 exited unexpectedly: Executor error: Expr error: \
     Parse error: invalid digit found in string",
    "get error from control stream, in worker node 2: gRPC error: not found",
];

/// What befalls them, in turn so that each kind comes as often as it is meant to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Loader,
    Store,
    Both,
    Recover,
    Restart,
    Connections,
    Flush,
}

const BLOWS: [Blow; 12] = [
    Blow::Recover,
    Blow::Store,
    Blow::Loader,
    Blow::Recover,
    Blow::Connections,
    Blow::Flush,
    Blow::Store,
    Blow::Both,
    Blow::Recover,
    Blow::Loader,
    Blow::Connections,
    Blow::Restart,
];

/// How many of a kind there were.
#[derive(Default)]
struct Score(Vec<(Blow, usize)>);

impl Score {
    fn add(&mut self, blow: Blow) {
        match self.0.iter_mut().find(|(known, _)| *known == blow) {
            Some((_, count)) => *count += 1,
            None => self.0.push((blow, 1)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_recoveries_and_kills_lose_and_double_nothing() {
    const KILLS: usize = 1000;
    let fake = FakeRisingWave::start(true).await;
    fake.recovers_within(Duration::from_millis(20));
    let (_home, files) = in_directory().await;
    // How long it takes here to load as much as a life finds, untroubled: moments are drawn over that.
    files.add_plain(0..PARTITIONS, 0..3, RECORDS).await;
    let began = Instant::now();
    assert_eq!(run(loader(&fake, &files, &["--once"])).await.code, Some(0));
    let mut whole = began.elapsed();

    let (mut minutes, mut score, mut lives, mut fruitful, mut rewritten) = (3, Score::default(), 0, 0, 0);
    let mut blows = BLOWS.iter().cycle().copied().take(KILLS);
    let mut over = false;
    while !over {
        let before = fake.counts().1;
        let behind = minutes * i64::from(PARTITIONS) - before as i64;
        let arriving = minutes..if behind <= 8 { minutes + 2 } else { minutes };
        minutes = arriving.end;
        files.add_plain(0..PARTITIONS, arriving, RECORDS).await;
        let running = Running::start(loader(&fake, &files, &[]));
        loop {
            sleep(whole.mul_f64(rand::rng().random_range(0.0..1.3))).await;
            let Some(blow) = blows.next() else {
                over = true;
                break;
            };
            score.add(blow);
            match blow {
                Blow::Loader => break,
                Blow::Both => {
                    fake.crash();
                    break;
                }
                Blow::Store => fake.crash(),
                Blow::Recover => fake.recover(),
                Blow::Restart => fake.restart(),
                Blow::Connections => fake.drop_connections(),
                Blow::Flush => fake.fail_flush(FLUSH_FAULTS[score.0.len() % FLUSH_FAULTS.len()]),
            }
        }
        running.signal(libc::SIGKILL);
        let ended = running.end().await;
        assert_eq!(ended.signal, Some(libc::SIGKILL), "{}", ended.err);
        rewritten += ended.err.matches("that it had acknowledged").count();
        lives += 1;
        let finished = fake.counts().1 > before;
        fruitful += usize::from(finished);
        // Others are at work on the same cores, now more and now less.
        whole = whole.mul_f64(if finished { 0.9 } else { 1.25 });
    }
    let ended = run(loader(&fake, &files, &["--once"])).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let files_there = (minutes * i64::from(PARTITIONS)) as usize;
    assert_eq!(fake.counts(), (files_there * RECORDS as usize, files_there));
    assert_eq!(fake.rejected(), 0);
    assert_eq!(fake.foreign(), BTreeSet::new());
    println!(
        "{KILLS} blows ({:?}) on {lives} loaders, {fruitful} of which finished files; the store forgot {} acknowledged \
         rows, which were missed {rewritten} times; {} records of {files_there} files, each once",
        score.0,
        fake.forgotten(),
        files_there * RECORDS as usize,
    );
    assert!(fake.forgotten() > 1000 && rewritten > 0, "nothing was forgotten, so nothing was proven");
    assert!(fruitful * 5 >= lives, "most loaders died before they did anything: {fruitful} of {lives}");
}

#[tokio::test]
async fn rows_that_a_recovery_took_before_the_flush_are_written_again() {
    let fake = FakeRisingWave::start(true).await;
    fake.recovers_within(Duration::from_millis(20));
    let (_home, files) = in_directory().await;
    let rejected = (0..RECORDS).map(|number| event(number, if number % 7 == 0 { "no JSON" } else { BODY }));
    files.add(0, 0, rejected.collect()).await;
    files.add_plain(1..3, 0..1, RECORDS).await;
    // The first FLUSH takes so long that a recovery comes in between.
    fake.forget_at_flushes(2);
    let ended = run(loader(&fake, &files, &["--once"])).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let said = ended.err.lines().find(|line| line.contains("that it had acknowledged")).unwrap();
    assert!(said.contains("WARN") && said.contains("`user_event_log`") && said.contains("user-events/"), "{said}");
    let bad = (0..RECORDS).filter(|number| number % 7 == 0).count();
    assert_eq!(fake.counts(), (3 * RECORDS as usize - bad, 3));
    assert_eq!(fake.rejected(), bad);
    assert_eq!(fake.forgotten(), 2 * 3 * RECORDS as usize);
}

const BODY: &str = r#"{"id":1,"op":"insert","event_order":1}"#;

#[tokio::test]
async fn ledger_rows_that_a_recovery_took_are_noted_again_and_nothing_is_loaded_again() {
    let fake = FakeRisingWave::start(true).await;
    fake.recovers_within(Duration::from_millis(20));
    let (_home, files) = in_directory().await;
    files.add_plain(0..PARTITIONS, 0..1, RECORDS).await;
    // The flush of the rows goes well, that of the ledger's does not.
    fake.forget_at_ledger_flush();
    let running = Running::start(loader(&fake, &files, &[]));
    eventually("noted", async || match fake.counts() {
        (_, noted) if noted == PARTITIONS as usize => Ok(()),
        counts => Err(counts),
    })
    .await;
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("4 rows for `capture_files`"), "{}", ended.err);
    assert_eq!(ended.err.matches("file loaded").count(), PARTITIONS as usize, "{}", ended.err);

    let ended = run(loader(&fake, &files, &["--once"])).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!ended.err.contains("file loaded"), "{}", ended.err);
}

#[tokio::test]
async fn a_loader_that_runs_once_after_another_loads_nothing_twice() {
    let fake = FakeRisingWave::start(true).await;
    let (_home, files) = in_directory().await;
    files.add_plain(0..PARTITIONS, 0..3, RECORDS).await;
    for loaded in [3 * PARTITIONS as usize, 0, 0] {
        let ended = run(loader(&fake, &files, &["--once"])).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert_eq!(ended.err.matches("file loaded").count(), loaded, "{}", ended.err);
    }
}
