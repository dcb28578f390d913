//! That a `loader` keeps within its memory, whatever files there are. Linux only: elsewhere nobody tells a process's
//! peak, and only what is loaded is checked.

use std::time::Instant;

use crate::loader::Bench;
use crate::support::{Files, Giant, Running, bomb};

/// What `--memory` says by default.
const LIMIT: u64 = 256 << 20;

/// The most memory a process ever had in use, in bytes.
fn peak(running: &Running) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_files_nor_blocks_nor_bombs_take_more_than_their_share() {
    let home = tempfile::tempdir().unwrap();
    let files = Files::at(&home.path().display().to_string()).await;
    let bench = Bench { files, ..Bench::new().await };
    let path = |partition| home.path().join(bench.files.name(partition, 0));
    let giants = [
        // As large as Capture makes them.
        Giant { deflate: false, blocks: 61, records_a_block: 250, ballast: 32 << 10 },
        Giant { deflate: true, blocks: 40, records_a_block: 250, ballast: 32 << 10 },
        // One block each.
        Giant { deflate: false, blocks: 1, records_a_block: 6_400, ballast: 32 << 10 },
        Giant { deflate: true, blocks: 1, records_a_block: 6_400, ballast: 32 << 10 },
        // Many rows instead of large ones.
        Giant { deflate: true, blocks: 100, records_a_block: 300, ballast: 100 },
    ];
    let (mut bytes, mut records) = (0, 0);
    for (partition, giant) in (0..).zip(&giants) {
        bytes += giant.write(&path(partition));
        records += giant.records();
    }
    let packed = bomb(&path(9), 192);
    assert!(packed < 16 << 20, "{packed} bytes that unpack to 3 GiB");

    let began = Instant::now();
    let running = bench.start(&["--poll", "0.1"]);
    running.says("file quarantined").await;
    bench.until("SELECT count(*) FROM capture_files", giants.len() as i64 + 1).await;
    let seconds = began.elapsed().as_secs_f64();
    let peak = peak(&running);
    assert!(peak.is_some() || !cfg!(target_os = "linux"), "no VmHWM");
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().await.code, Some(0));

    let mib = |bytes: u64| bytes >> 20;
    println!(
        "{} MiB and a bomb of {} KiB in {seconds:.1} s, {records} records, at most {:?} MiB resident",
        mib(bytes),
        packed >> 10,
        peak.map(mib)
    );
    assert!(peak.is_none_or(|peak| peak < LIMIT), "{peak:?} bytes resident");
    let ledger = "SELECT partition_id, records, loaded, status, reason FROM capture_files ORDER BY partition_id";
    let row = |(partition, giant): (i32, &Giant)| {
        let records = giant.records();
        format!("{partition} {records} {records} loaded NULL").split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let found = bench.store.rows(ledger).await;
    let (last, loaded) = found.split_last().unwrap();
    assert_eq!(loaded, (0..).zip(&giants).map(row).collect::<Vec<_>>());
    assert_eq!(last[..4], ["9", "0", "0", "quarantined"]);
    assert!(last[4].starts_with("a record is larger than the limit of 33554432 bytes, at byte "), "{}", last[4]);
    let counted = "SELECT count(*) FROM (SELECT DISTINCT partition_id, sequence_number FROM user_event_log) AS each";
    assert_eq!([bench.store.count("user_event_log").await, bench.store.number(counted).await], [records; 2]);
    bench.passed().await;
}
