//! `deltawave prune --key`: every record of a key goes, is known to have gone, and does not come back unnoticed.

use futures::{StreamExt as _, stream};
use serde_json::Value;

use crate::loader::Bench;
use crate::prune::{DAY, FORMER, at};
use crate::support::{Ended, Files, event, plain, postgres_store, user};

const OF_SEVEN: &str = "SELECT count(*) FROM user_event_log WHERE id = 7";
const KEY: [&str; 2] = ["--key", "id=7"];

impl Bench {
    async fn forget(&self, code: i32, flags: &[&str]) -> Ended {
        let ended = self.deltawave("prune", flags).await;
        assert_eq!(ended.code, Some(code), "{}\n{}", ended.out, ended.err);
        ended
    }

    /// All there is, but for records of user 7.
    async fn others(&self) -> Vec<Vec<String>> {
        self.store
            .rows(
                "SELECT partition_id, sequence_number FROM user_event_log WHERE id <> 7 UNION ALL \
                 SELECT partition_id, sequence_number FROM rejected_events WHERE body NOT LIKE '%\"id\":7,%' ORDER BY 1, 2",
            )
            .await
    }

    async fn of_seven(&self) -> [i64; 3] {
        let latest = "SELECT count(*) FROM latest_user_state WHERE id = 7";
        let rejected = "SELECT count(*) FROM rejected_events WHERE body LIKE '%\"id\":7,%'";
        [self.store.number(OF_SEVEN).await, self.store.number(rejected).await, self.store.number(latest).await]
    }
}

fn forgotten(report: &Value) -> i64 {
    report["partitions"].as_array().unwrap().iter().map(|line| line["forgotten"].as_i64().unwrap()).sum()
}

/// In each of two partitions ten users who change in turn, in three files, and a file of user 7 alone. In the first also
/// a rejected record of user 7, one of another, and one that is no JSON.
async fn loaded() -> Bench {
    let bench = Bench::new().await;
    for partition in 0..2 {
        let of = |number: i64| user(number, number % 10, "update", number * 10 + i64::from(partition));
        for minute in 0..3 {
            bench.files.add(partition, minute, (minute * 50..(minute + 1) * 50).map(of).collect()).await;
        }
        bench.files.add(partition, 3, (150..155).map(|number| user(number, 7, "update", number * 10)).collect()).await;
    }
    let bad = |id: i64| format!(r#"{{"id":{id},"age":"seven","op":"update","event_order":1}}"#);
    bench.files.add(0, 4, vec![event(155, bad(7)), event(156, bad(17)), event(157, "7;Ann"), plain(0, 158)]).await;
    bench.once(&[]).await;
    bench
}

#[tokio::test]
async fn a_key_is_forgotten_and_everything_else_stays_provable() {
    let bench = loaded().await;
    let others = bench.others().await;
    assert_eq!((bench.of_seven().await, others.len()), ([40, 1, 1], 273));
    let ended = bench.forget(1, &KEY).await;
    assert!(ended.err.starts_with("error: nothing was deleted: say --yes"), "{}", ended.err);
    assert!(
        ended.out.contains("40 rows, 1 rejected records") && ended.out.contains("would be deleted"),
        "{}",
        ended.out
    );
    assert_eq!(bench.of_seven().await, [40, 1, 1]);

    let ended = bench.forget(0, &[&KEY[..], &["--yes"]].concat()).await;
    print!("{}", ended.out);
    for (partition, minutes) in [(0, 0..5), (1, 0..4)] {
        for minute in minutes {
            assert!(ended.out.contains(&format!("  {}\n", bench.files.name(partition, minute))), "{}", ended.out);
        }
    }
    assert!(ended.out.contains("perhaps  user-events/0 157: "), "{}", ended.out);
    assert_eq!(bench.of_seven().await, [0, 0, 0]);
    assert_eq!(bench.others().await, others);
    let report = bench.verify_files(0, &[]).await;
    assert_eq!(forgotten(&report), 41);
    assert!(report["sentence"].as_str().unwrap().contains("; 41 records were forgotten"), "{report:#}");
    bench.verify(0, &[]).await;
    let said = bench.once(&[]).await.err;
    assert!(said.contains("done files=0"), "{said}");

    // What lacks beside them is found and healed, and they stay forgotten.
    bench.store.run("DELETE FROM user_event_log WHERE partition_id = 1 AND sequence_number = 18").await;
    bench.verify_files(3, &[]).await;
    let url = bench.files.url();
    let ended = bench.deltawave("replay", &["--holes", "--blob", &url, "--settle", "0"]).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
    assert!(
        ended.out.ends_with("1 files, 50 records loaded, 0 rejected; 5 that had been forgotten were deleted again\n"),
        "{}",
        ended.out
    );
    assert_eq!((bench.of_seven().await, bench.others().await), ([0, 0, 0], others.clone()));
    let ended = bench.deltawave("replay", &["--partition", "0", "--blob", &url]).await;
    assert!(ended.out.ends_with("; 21 that had been forgotten were deleted again\n"), "{}", ended.out);
    assert_eq!((bench.of_seven().await, bench.others().await), ([0, 0, 0], others.clone()));

    // A loader that has lost its ledger brings them back. That is told, and can be undone without the key.
    bench.store.run("DELETE FROM capture_files").await;
    bench.once(&[]).await;
    let report = bench.verify_files(1, &[]).await;
    assert_eq!(report["findings"][0]["text"], "21 records that were forgotten are there again");
    let cure = report["findings"][0]["cure"].as_str().unwrap();
    assert!(cure.starts_with("deltawave prune --forgotten --yes"), "{cure}");
    assert!(bench.forget(1, &["--forgotten"]).await.out.contains("41 records would be deleted again"));
    bench.forget(0, &["--forgotten", "--yes"]).await;
    assert_eq!((bench.of_seven().await, bench.others().await), ([0, 0, 0], others));
    assert_eq!(forgotten(&bench.verify_files(0, &[]).await), 41);

    // Who comes anew is not forgotten.
    bench.files.add(1, 5, vec![user(155, 7, "insert", 99_999)]).await;
    bench.once(&[]).await;
    bench.forget(0, &["--forgotten", "--yes"]).await;
    assert_eq!(bench.of_seven().await, [1, 0, 1]);
    bench.verify_files(0, &[]).await;
    bench.passed().await;
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let bench = loaded().await;
    for (key, said) in [
        ("nickname=x", "user_event_log has no column nickname; it has id, name"),
        ("name=user 7", "the key of user_event_log is id"),
        ("id=seven", "`seven` is no whole number, as id is"),
        ("id=7 OR true", "is no whole number"),
    ] {
        let ended = bench.forget(1, &["--key", key, "--yes"]).await;
        assert!(ended.err.contains(said), "{}", ended.err);
    }
    assert_eq!(bench.of_seven().await, [40, 1, 1]);
    let ended = bench.forget(0, &["--key", "id=4711", "--yes"]).await;
    assert!(ended.out.starts_with("user_event_log: 0 rows, 0 rejected records"), "{}", ended.out);
    bench.store.run("DROP TABLE forgotten_records").await;
    let ended = bench.forget(1, &[&KEY[..], &["--yes"]].concat()).await;
    assert!(
        ended.err.contains("`forgotten_records` does not exist") && ended.err.contains("deltawave init"),
        "{}",
        ended.err
    );
    // A store of a former version is looked at all the same.
    bench.store.run("DROP TABLE pruned_ranges").await;
    bench.verify_files(0, &[]).await;
    bench.passed().await;
}

#[tokio::test]
async fn what_was_kept_for_being_the_newest_can_be_forgotten_too() {
    let bench = Bench { files: Files::new().await, store: postgres_store().await.initialised().await };
    bench.store.run(FORMER).await;
    for day in 0..3 {
        let events = (day * 20..(day + 1) * 20).map(|n| at(day * DAY, user(n, n, "update", n))).collect();
        bench.files.add(0, day * DAY, events).await;
    }
    bench.once(&[]).await;
    bench.forget(0, &["--before", "2026-01-04", "--yes"]).await;
    let kept = bench.store.number("SELECT count(*) FROM user_event_log WHERE sequence_number < 40").await;
    bench.forget(0, &[&KEY[..], &["--yes"]].concat()).await;
    assert_eq!(bench.of_seven().await, [0, 0, 0]);
    let left = bench.store.number("SELECT count(*) FROM user_event_log WHERE sequence_number < 40").await;
    assert_eq!((kept, left), (40, 39));
    let report = bench.verify_files(0, &[]).await;
    assert_eq!(report["partitions"][0]["files_pruned"], 2);
    let ended = bench.forget(0, &["--key", "id=8", "--yes"]).await;
    assert!(ended.out.contains("2 more files were pruned"), "{}", ended.out);
    bench.verify_files(0, &[]).await;
    bench.passed().await;
}

/// Forgets until it is killed at that moment, and says whether it was.
async fn killed_at(moment: &str) -> bool {
    let bench = loaded().await;
    let others = bench.others().await;
    let flags = [&KEY[..], &["--yes"]].concat();
    let ended = bench.deltawave("prune", &[&flags[..], &["--kill-at", moment]].concat()).await;
    let killed = ended.signal == Some(libc::SIGKILL);
    assert!(killed || ended.code == Some(0), "{moment}: {}", ended.err);
    let report = bench.verify_any(&[]).await;
    assert_ne!(report["verdict"], "broken", "{moment}: {report:#}");
    bench.forget(0, &flags).await;
    assert_eq!((bench.of_seven().await, bench.others().await), ([0, 0, 0], others), "{moment}");
    assert_eq!(forgotten(&bench.verify_files(0, &[]).await), 41, "{moment}");
    bench.passed().await;
    killed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_is_a_bad_one_to_die_at() {
    let moments = (1..).flat_map(|time| ["before", "after"].map(|side| format!("{side}:pruned:{time}")));
    let kill = |moment: String| async move { killed_at(&moment).await };
    let killed =
        stream::iter(moments).map(kill).buffered(3).take_while(|killed| std::future::ready(*killed)).count().await;
    println!("{killed} killed while they forgot; none was taken for a loss");
    assert!(killed >= 12, "{killed}");
}
