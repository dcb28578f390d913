//! Loaders that take a part of the files: ranges, partitions, shards; files in a directory; and loaders that write
//! nothing.

use crate::loader::Bench;
use crate::support::{Files, event, home, plain, program, run, store, unique};

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_loaded_and_the_rest_is_left_for_later() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..3, 0..10, 20).await;
    let range = ["--from", "2026-01-02T00:02:00Z", "--until", "2026-01-02T01:05:00+01:00", "--partition", "0,2"];
    bench.once(&range).await;
    let found = bench
        .store
        .rows(
            "SELECT partition_id, min(sequence_number), max(sequence_number), count(*) FROM user_event_log \
             GROUP BY partition_id ORDER BY partition_id",
        )
        .await;
    // Minutes 2, 3 and 4 of partitions 0 and 2.
    assert_eq!(found, [["0", "40", "99", "60"], ["2", "40", "99", "60"]]);
    assert_eq!(bench.store.count("capture_files").await, 6);
    bench.once(&[]).await;
    bench.assert_all(3, 200).await;
    assert_eq!(bench.store.count("capture_files").await, 30);
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_share_the_partitions_and_none_is_left_out() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..5, 0..4, 50).await;
    let shards: Vec<_> = ["0/3", "1/3", "2/3"].map(|shard| bench.start(&["--shard", shard, "--poll", "0.1"])).into();
    bench.until("SELECT count(*) FROM user_event_log", 1000).await;
    // What arrives later, in partitions that no one has seen, is shared too.
    bench.files.add_plain(0..5, 4..6, 50).await;
    bench.files.add_plain(6..9, 0..6, 50).await;
    bench.until("SELECT count(*) FROM user_event_log", 2400).await;
    let mut done = 0;
    for shard in shards {
        shard.signal(libc::SIGTERM);
        let ended = shard.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let files = ended.err.lines().filter(|line| line.contains("file loaded")).count();
        assert!(files > 0, "a shard had nothing to do:\n{}", ended.err);
        done += files;
    }
    assert_eq!(done, 5 * 6 + 3 * 6, "files were loaded by more than one shard");
    bench.store.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_a_source_like_a_container() {
    let directory = home(&unique("directory"));
    let files = Files::at(directory.to_str().unwrap()).await;
    files.add_plain(0..2, 0..3, 30).await;
    let bench = Bench { files, store: store().await.initialised().await };
    bench.once(&[]).await;
    bench.assert_all(2, 90).await;
    let named = bench.store.rows("SELECT DISTINCT container FROM capture_files").await;
    assert_eq!(named, [[directory.to_str().unwrap()]]);
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_be_rejected_and_writes_nothing() {
    let files = Files::new().await;
    files.add_plain(0..2, 0..3, 30).await;
    let dry = async |flags: &[&str]| {
        let mut command = program(env!("CARGO_BIN_EXE_loader"), &[&["--dry-run"], flags].concat());
        // No store is needed for the default table: this address leads nowhere.
        command.env("DELTAWAVE_BLOB", files.url()).env("DELTAWAVE_STORE_URL", "postgresql://root@127.0.0.1:1/dev");
        run(command).await
    };
    let clean = dry(&[]).await;
    assert_eq!(clean.code, Some(0), "{}\n{}", clean.out, clean.err);
    assert!(clean.out.contains("files   6 read, 0 would be quarantined"), "{}", clean.out);
    assert!(clean.out.contains("events  180 would be loaded, 0 rejected"), "{}", clean.out);
    assert!(clean.out.contains("events/s"), "{}", clean.out);

    let bad = files.add(0, 7, vec![plain(0, 210), event(211, "Message 1"), event(212, r#"{"id":"x"}"#)]).await;
    files.put(&files.name(1, 7), "no Avro").await;
    let found = dry(&[]).await;
    assert_eq!(found.code, Some(1), "{}\n{}", found.out, found.err);
    assert!(
        found
            .out
            .contains(&format!("reject  {bad} partition 0 sequence number 212: field `id`: expected a whole number")),
        "{}",
        found.out
    );
    assert!(found.out.contains("sequence number 211: body is not a JSON object"), "{}", found.out);
    assert!(found.out.contains(&format!("damaged {}: not an Avro file", files.name(1, 7))), "{}", found.out);
    assert!(found.out.contains("events  181 would be loaded, 2 rejected"), "{}", found.out);
    // Other tables' shapes are the store's to tell.
    let asked = dry(&["--route", "user-events=other", "--give-up", "0.5"]).await;
    assert_eq!(asked.code, Some(1));
    assert!(asked.err.contains("postgresql://root@127.0.0.1:1/dev"), "{}", asked.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_none_is_refused() {
    for (flag, fault) in [
        ("--shard=3/3", "I from 0 to N-1"),
        ("--from=yesterday", "--from: `yesterday` is neither a time"),
        ("--partition=-1", "--partition: -1 is no partition"),
        ("--memory=1", "--memory: 1 is not between 64"),
    ] {
        let ended = run(program(env!("CARGO_BIN_EXE_loader"), &[flag])).await;
        assert_eq!(ended.code, Some(2), "{flag}");
        assert!(ended.err.contains(fault), "{flag}:\n{}", ended.err);
    }
}
