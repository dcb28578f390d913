//! `deltawave prune --before`: what is old goes, the latest state stays, and everything is provable at every moment.

use deltawave::capture::{EnqueuedTime, OutgoingEvent};
use futures::{StreamExt as _, stream};
use serde_json::Value;
use time::Duration;
use time::macros::datetime;

use crate::loader::Bench;
use crate::support::{Ended, Files, TestStore, event, postgres_store, store, user};

/// Minutes of a day.
pub const DAY: i64 = 24 * 60;
const LATEST: &str = "SELECT * FROM latest_user_state ORDER BY id";
const OLD: &str = "SELECT count(*) FROM user_event_log WHERE enqueued_at < '2026-01-05 00:00:00'";
const LATEST_COUNT: &str = "SELECT count(*) FROM latest_user_state";
/// The numbers of the third day's file of [`six_days`].
const THIRD: &str = "sequence_number BETWEEN 84 AND 124";

/// The same event, taken so many minutes after 2026-01-02 00:00.
pub fn at(minute: i64, event: OutgoingEvent) -> OutgoingEvent {
    let enqueued_time = EnqueuedTime::from_utc(datetime!(2026-01-02 00:00 UTC) + Duration::minutes(minute));
    OutgoingEvent { enqueued_time, ..event }
}

impl Bench {
    async fn prune(&self, code: i32, flags: &[&str]) -> Ended {
        let ended = self.deltawave("prune", flags).await;
        assert_eq!(ended.code, Some(code), "{}\n{}", ended.out, ended.err);
        ended
    }

    /// Runs a loader once, which must find nothing to do.
    async fn loads_nothing(&self, flags: &[&str]) {
        let said = self.once(flags).await.err;
        assert!(said.contains("done files=0 loaded=0"), "{said}");
    }

    /// Every old row is the newest of its id, or the latest state is kept apart and there is none.
    async fn assert_only_newest_stay(&self) {
        let outdated = format!(
            "SELECT count(*) FROM user_event_log AS old WHERE enqueued_at < '2026-01-05 00:00:00' AND NOT {THIRD} AND \
             EXISTS (SELECT 1 FROM user_event_log AS newer WHERE newer.id = old.id AND newer.event_order > old.event_order)"
        );
        assert_eq!(self.store.number(&outdated).await, 0);
    }
}

fn sum(report: &Value, what: &str) -> i64 {
    report["partitions"].as_array().unwrap().iter().map(|line| line[what].as_i64().unwrap()).sum()
}

/// A file a day for six days in each of two partitions, with 40 users who change every day, one user a day who never
/// changes again, and one record a day that is rejected; the file of the third day ends on the fourth.
async fn six_days(files: &Files) {
    for partition in 0..2 {
        let mut number = 0;
        for day in 0..6 {
            let mut events = Vec::new();
            let mut add = |id: i64| {
                let late = if day == 2 && events.len() > 30 { DAY } else { 0 };
                let order = number * 10 + i64::from(partition);
                let op = if id == 14 && day == 1 { "delete" } else { "update" };
                let event = if id < 0 { event(number, "no object") } else { user(number, id, op, order) };
                events.push(at(day * DAY + 5 + late, event));
                number += 1;
            };
            (0..40).filter(|id| *id != 7 || day < 2).for_each(|id| add(id * 2 + i64::from(partition)));
            add(1000 + day * 2 + i64::from(partition));
            add(-1);
            files.add(partition, day * DAY, events).await;
            // A silent window at noon.
            files.add(partition, day * DAY + DAY / 2, vec![]).await;
        }
    }
}

/// The latest state as a store has it that no newer `init` has seen: a view over the history.
pub const FORMER: &str = "
DROP VIEW latest_user_state;
DROP TRIGGER latest_user_events_feed ON user_event_log;
DROP TABLE latest_user_events;
CREATE VIEW latest_user_state AS SELECT id, name, age, op, ts FROM (
    SELECT id, name, age, op, ts, row_number() OVER (
        PARTITION BY id ORDER BY event_order DESC, enqueued_at DESC, sequence_number DESC) AS newest
    FROM user_event_log) AS ranked
WHERE newest = 1 AND op <> 'delete'";

#[tokio::test]
async fn what_is_old_goes_and_the_latest_state_stays() {
    what_is_old_goes(store().await.initialised().await).await;
}

#[tokio::test]
async fn what_is_old_goes_but_for_what_a_view_over_it_shows() {
    let store = postgres_store().await.initialised().await;
    store.run(FORMER).await;
    what_is_old_goes(store).await;
}

async fn what_is_old_goes(store: TestStore) {
    let home = tempfile::tempdir().unwrap();
    let files = Files::at(&home.path().display().to_string()).await;
    let bench = Bench { files, store };
    six_days(&bench.files).await;
    bench.once(&[]).await;
    let (latest, rows) = (bench.store.rows(LATEST).await, bench.store.count("user_event_log").await);
    let old = bench.store.number(OLD).await;
    assert!(latest.len() > 80 && old > 200, "{} {old}", latest.len());
    let flags = ["--before", "2026-01-05"];

    // Nobody has agreed.
    let ended = bench.prune(1, &flags).await;
    assert!(ended.err.starts_with("error: nothing was deleted: say --yes"), "{}", ended.err);
    assert!(ended.out.contains("would be deleted"), "{}", ended.out);
    assert_eq!(bench.store.count("user_event_log").await, rows);
    assert_eq!(bench.store.count("pruned_ranges").await, 0);

    let yes = [&flags[..], &["--yes"]].concat();
    let ended = bench.prune(0, &yes).await;
    print!("{}", ended.out);
    assert_eq!(bench.store.rows(LATEST).await, latest);
    bench.assert_only_newest_stay().await;
    // The third day's file has newer records, and stays whole, with its day's rejected record.
    let third = format!("SELECT count(*) FROM user_event_log WHERE {THIRD}");
    assert_eq!(bench.store.number(&third).await, 2 * 40);
    assert_eq!(bench.store.count("rejected_events").await, 2 * 4);
    let statuses = "SELECT status, count(*) FROM capture_files GROUP BY status ORDER BY status";
    // Two full files and three silent windows in each partition.
    assert_eq!(bench.store.rows(statuses).await, [["loaded", "14"], ["pruned", "10"]]);
    let report = bench.verify_files(0, &[]).await;
    assert_eq!((sum(&report, "files"), sum(&report, "files_pruned")), (14, 10));
    assert_eq!(report["partitions"][0]["pruned_before"], "2026-01-05 00:00:00");
    assert!(report["sentence"].as_str().unwrap().contains("what came before 2026-01-05 00:00:00 was pruned"));
    bench.loads_nothing(&[]).await;
    // Once more changes nothing.
    let ended = bench.prune(0, &yes).await;
    assert!(ended.out.contains("0 rows and 0 rejected records of 0 files deleted"), "{}", ended.out);

    // Who never changed again changes now: nothing of it has to stay any longer.
    let kept = bench.store.number(OLD).await - 2 * 31;
    let changes = (0..6).map(|day| at(9 * DAY, user(500 + day, 1000 + day * 2, "update", 900_000 + day))).collect();
    bench.files.add(0, 9 * DAY, changes).await;
    bench.once(&[]).await;
    let latest = bench.store.rows(LATEST).await;
    bench.prune(0, &yes).await;
    bench.assert_only_newest_stay().await;
    assert_eq!(bench.store.rows(LATEST).await, latest);
    assert!(kept == 0 || bench.store.number(OLD).await - 2 * 31 < kept);
    // 252 to 499 were never captured.
    assert_eq!(sum(&bench.verify_files(3, &[]).await, "files_pruned"), 10);
    assert_eq!(sum(&bench.verify_files(0, &["--sparse"]).await, "files_pruned"), 10);

    // Files that are gone from the container can leave the ledger, unless rows of theirs stay.
    let url = bench.files.url();
    let rows = bench.store.count("user_event_log").await;
    for (partition, day) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        std::fs::remove_file(home.path().join(bench.files.name(partition, day * DAY))).unwrap();
    }
    bench.prune(0, &[&yes[..], &["--blob", &url]].concat()).await;
    let pruned = bench.store.number("SELECT count(*) FROM capture_files WHERE status = 'pruned'").await;
    assert!((6..10).contains(&pruned), "{pruned}");
    bench.verify_files(0, &["--sparse"]).await;
    bench.loads_nothing(&[]).await;
    assert_eq!((bench.store.count("user_event_log").await, bench.store.rows(LATEST).await), (rows, latest));
    // What was pruned is loaded again by nobody who does not say so.
    let ended = bench.deltawave("replay", &["--until", "2026-01-05", "--dry-run", "--blob", &url]).await;
    assert!(ended.out.ends_with("2 files would be loaded again\n"), "{}", ended.out);
    bench.store.passed().await;
}

#[tokio::test]
async fn a_table_of_ones_own_keeps_what_its_view_shows() {
    let bench = Bench::new().await;
    bench
        .store
        .run(
            "CREATE TABLE orders (order_no bigint, event_order bigint, event_hub varchar, partition_id int, \
             sequence_number bigint, enqueued_at timestamp, \
             PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at))",
        )
        .await;
    let orders = bench.files.of_hub("orders");
    let order =
        |number: i64, order_no: i64| event(number, format!(r#"{{"order_no":{order_no},"event_order":{number}}}"#));
    for day in 0..3 {
        let events = (day * 100..(day + 1) * 100).map(|number| at(day * DAY, order(number, number % 150))).collect();
        orders.add(0, day * DAY, events).await;
    }
    let route = ["--route", "orders=orders"];
    bench.once(&[&route[..], &["--require", "order_no"]].concat()).await;
    let before = ["--before", "2026-01-04", "--yes"];
    let ended = bench.prune(1, &[&route[..], &before].concat()).await;
    assert!(ended.err.contains("--keep-newest KEY,ORDER") && ended.err.contains("--keep-none"), "{}", ended.err);
    let ended = bench.prune(1, &[&route[..], &before, &["--keep-newest", "no,event_order"]].concat()).await;
    assert!(ended.err.contains("no"), "{}", ended.err);
    // Of 0 to 199, 0 to 49 have newer ones at 150 to 199, and 50 to 149 are at 200 to 299 again.
    bench.prune(0, &[&route[..], &before, &["--keep-newest", "order_no,event_order"]].concat()).await;
    let rows = "SELECT sequence_number, order_no FROM orders WHERE sequence_number < 200 ORDER BY 1";
    let expected: Vec<_> = (150..200).map(|n: i64| [n.to_string(), (n % 150).to_string()].to_vec()).collect();
    assert_eq!(bench.store.rows(rows).await, expected);
    let report = bench.verify_files(0, &route).await;
    assert_eq!((sum(&report, "rows"), sum(&report, "files_pruned")), (100, 2));
    bench.store.run("DELETE FROM orders WHERE sequence_number = 150").await;
    let report = bench.verify_files(3, &route).await;
    assert!(report["findings"][0]["text"].as_str().unwrap().contains("of 50 rows that were kept"), "{report:#}");
    bench.prune(0, &[&route[..], &before, &["--keep-none"]].concat()).await;
    assert_eq!(bench.store.rows(rows).await, Vec::<Vec<String>>::new());
    bench.verify_files(0, &route).await;
    bench.passed().await;
}

#[tokio::test]
async fn lives_of_a_hub_are_pruned_by_their_times() {
    let bench = Bench::new().await;
    let numbers = |minute: i64, numbers: std::ops::Range<i64>, key: i64, order: i64| {
        numbers.map(|n| at(minute, user(n, key + n % 10, "update", order + n))).collect::<Vec<_>>()
    };
    // The first life, then one that gives the same numbers out again.
    bench.files.add(0, 0, numbers(1, 0..100, 0, 0)).await;
    bench.files.add(0, DAY, numbers(DAY + 1, 100..200, 0, 0)).await;
    bench.files.add(0, 5 * DAY, numbers(5 * DAY + 1, 0..50, 0, 1000)).await;
    bench.files.add(0, 6 * DAY, numbers(6 * DAY + 1, 50..130, 0, 1000)).await;
    bench.once(&[]).await;
    bench.verify_files(0, &[]).await;
    let latest = bench.store.rows(LATEST).await;
    bench.prune(0, &["--before", "2026-01-05", "--yes"]).await;
    assert_eq!(bench.store.number(OLD).await, 0);
    assert_eq!(bench.store.count("user_event_log").await, 130);
    assert_eq!(bench.store.rows(LATEST).await, latest);
    assert_eq!(sum(&bench.verify_files(0, &[]).await, "files_pruned"), 2);
    // Between two files of the second life.
    bench.prune(0, &["--before", "2026-01-08", "--yes"]).await;
    assert_eq!(bench.store.rows(LATEST).await, latest);
    assert_eq!(sum(&bench.verify_files(0, &[]).await, "files_pruned"), 3);
    bench.loads_nothing(&[]).await;
    bench.passed().await;
}

#[tokio::test]
async fn no_old_row_stays_where_the_latest_state_is_kept_apart() {
    let bench = Bench::new().await;
    six_days(&bench.files).await;
    bench.once(&[]).await;
    let latest = bench.store.rows(LATEST).await;
    let ended = bench.prune(0, &["--before", "2026-01-05", "--yes"]).await;
    assert!(!ended.out.contains("stay"), "{}", ended.out);
    assert_eq!(bench.store.number(&format!("{OLD} AND NOT {THIRD}")).await, 0);
    assert_eq!(bench.store.rows(LATEST).await, latest);
    bench.verify_files(0, &[]).await;
    bench.loads_nothing(&[]).await;
    // One who is only there, and one who is in both.
    let of = "SELECT (SELECT count(*) FROM user_event_log WHERE id = 1000), (SELECT count(*) FROM latest_user_events \
         WHERE id IN (1000, 2)), (SELECT count(*) FROM latest_user_state WHERE id IN (1000, 2))";
    assert_eq!(bench.store.rows(of).await, [["0", "2", "2"]]);
    for key in ["id=1000", "id=2"] {
        let ended = bench.prune(0, &["--key", key, "--yes"]).await;
        assert!(ended.out.contains("rows of the latest state deleted"), "{}", ended.out);
    }
    assert_eq!(bench.store.rows(of).await, [["0", "0", "0"]]);
    bench.verify_files(0, &[]).await;
    // What comes back by a file goes again, from the latest state too.
    bench.store.run("DELETE FROM capture_files WHERE status = 'loaded' AND partition_id = 0").await;
    bench.once(&[]).await;
    assert_eq!(bench.store.number("SELECT count(*) FROM latest_user_state WHERE id = 2").await, 1);
    bench.verify_files(1, &[]).await;
    bench.prune(0, &["--forgotten", "--yes"]).await;
    assert_eq!(bench.store.rows(of).await, [["0", "0", "0"]]);
    bench.verify_files(0, &[]).await;
    bench.passed().await;
}

/// Prunes until it is killed at that moment, and says whether it was.
async fn killed_at(moment: &str) -> bool {
    let bench = Bench::new().await;
    six_days(&bench.files).await;
    bench.once(&[]).await;
    let latest = bench.store.rows(LATEST).await;
    let flags = ["--before", "2026-01-05", "--yes"];
    let ended = bench.deltawave("prune", &[&flags[..], &["--kill-at", moment]].concat()).await;
    let killed = ended.signal == Some(libc::SIGKILL);
    assert!(killed || ended.code == Some(0), "{moment}: {}", ended.err);
    assert_eq!(bench.store.rows(LATEST).await, latest, "{moment}");
    // Nothing is taken for lost, and nothing for new.
    let report = bench.verify_any(&[]).await;
    assert_ne!(report["verdict"], "broken", "{moment}: {report:#}");
    bench.loads_nothing(&[]).await;
    bench.prune(0, &flags).await;
    bench.assert_only_newest_stay().await;
    assert_eq!(bench.store.rows(LATEST).await, latest, "{moment}");
    assert_eq!(sum(&bench.verify_files(0, &[]).await, "files_pruned"), 10, "{moment}");
    bench.loads_nothing(&[]).await;
    bench.passed().await;
    killed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_is_a_bad_one_to_die_at() {
    let moments = (1..).flat_map(|time| ["before", "after"].map(|side| format!("{side}:pruned:{time}")));
    let kill = |moment: String| async move { killed_at(&moment).await };
    let killed =
        stream::iter(moments).map(kill).buffered(3).take_while(|killed| std::future::ready(*killed)).count().await;
    println!("{killed} prunes killed, none noticed by the latest state, the loader or verify");
    assert!(killed >= 16, "{killed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_at_work_is_not_disturbed() {
    let bench = Bench::new().await;
    let loader = bench.start(&["--poll", "0.05", "--reconcile", "0.5", "--batch-rows", "100"]);
    for day in 0..12 {
        for partition in 0..3 {
            let of = |n: i64| at(day * DAY, user(n, n % 50, "update", n * 10 + i64::from(partition)));
            bench.files.add(partition, day * DAY, (day * 200..(day + 1) * 200).map(of).collect()).await;
        }
        let before = format!("2026-01-{:02}", (day + 1).max(2));
        bench.prune(0, &["--before", &before, "--yes"]).await;
        assert_ne!(bench.verify_any(&[]).await["verdict"], "broken", "day {day}");
    }
    bench.until("SELECT count(*) FROM capture_files", 36).await;
    loader.signal(libc::SIGTERM);
    assert_eq!(loader.end().await.code, Some(0));
    bench.prune(0, &["--before", "2026-01-12", "--yes"]).await;
    let report = bench.verify_files(0, &[]).await;
    assert_eq!((sum(&report, "files"), sum(&report, "files_pruned"), sum(&report, "rows")), (6, 30, 1200));
    assert_eq!(bench.store.number(&format!("{LATEST_COUNT} WHERE id BETWEEN 0 AND 49")).await, 50);
    bench.loads_nothing(&[]).await;
    bench.passed().await;
}
