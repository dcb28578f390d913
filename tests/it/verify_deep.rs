//! `deltawave verify --deep` and `--state`: the files are read again, and every value is held against what is there.

use serde_json::Value;

use crate::loader::Bench;
use crate::support::{Files, event, plain, postgres_store, user};

/// The texts of a report's findings of a kind, with partition and number where they are about any.
fn told(report: &Value, kind: &str) -> Vec<(Option<i64>, Option<i64>, String)> {
    let all = report["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] == kind);
    let one = |finding: &Value| {
        let text = finding["text"].as_str().unwrap().to_owned();
        (finding["partition"].as_i64(), finding["first"].as_i64(), text)
    };
    all.map(one).collect()
}

#[tokio::test]
async fn a_changed_value_is_found_and_named() {
    let bench = Bench::new().await;
    let (mut first, mut second) = (vec![], vec![]);
    for number in 0..100 {
        first.push(plain(0, number));
        second.push(plain(1, number));
    }
    first.push(event(100, "no object"));
    let first = bench.files.add(0, 0, first).await;
    let second = bench.files.add(1, 0, second).await;
    bench.once(&[]).await;
    // A file that is not loaded yet is none of its business.
    bench.files.add(1, 1, vec![plain(1, 100)]).await;
    let flags = ["--deep"];
    let report = bench.verify_files(0, &flags).await;
    let sentence = report["sentence"].as_str().unwrap();
    assert!(sentence.contains(", every value of 200 records of 2 files as they say"), "{sentence}");
    assert_eq!(report["read_again"]["records_compared"], 200);

    for change in [
        "name = 'somebody else' WHERE partition_id = 0 AND sequence_number = 7",
        "age = age + 1 WHERE partition_id = 1 AND sequence_number = 8",
        "ts = ts + INTERVAL '1 hour' WHERE partition_id = 1 AND sequence_number = 9",
        "name = NULL WHERE partition_id = 1 AND sequence_number = 9",
    ] {
        bench.store.run(&format!("UPDATE user_event_log SET {change}")).await;
    }
    // Counting finds nothing amiss.
    bench.verify_files(0, &[]).await;
    let report = bench.verify_files(3, &flags).await;
    assert_eq!(report["verdict"], "broken");
    let mut changed = told(&report, "changed");
    changed.sort();
    let wanted = [
        (0, 7, format!("name is `somebody else`, and {first} says `user 7`")),
        (1, 8, format!("age is `9`, and {second} says `8`")),
        (1, 9, format!("name is NULL, and {second} says `user 9`")),
        (1, 9, format!("ts is `2026-01-02 04:04:05`, and {second} says `2026-01-02 03:04:05`")),
    ];
    assert_eq!(changed, wanted.map(|(partition, number, text)| (Some(partition), Some(number), text)));

    // Of a part only that is read, and a row that is gone is named though the count alone would only say how many.
    let report = bench.verify_files(3, &[&flags[..], &["--partition", "0"]].concat()).await;
    assert_eq!(told(&report, "changed").len(), 1);
    assert_eq!(report["read_again"]["files"], 1);
    bench.store.run("DELETE FROM user_event_log WHERE partition_id = 0 AND sequence_number = 50").await;
    let report = bench.verify_files(3, &flags).await;
    let holes = told(&report, "hole");
    let text = format!("not in user_event_log, though {first} has it");
    assert!(holes.contains(&(Some(0), Some(50), text)), "{holes:?}");

    // What was changed is deleted, and its files are loaded again.
    bench.store.run("DELETE FROM user_event_log WHERE sequence_number BETWEEN 7 AND 9").await;
    let url = bench.files.url();
    let ended = bench.deltawave("replay", &["--holes", "--blob", &url, "--settle", "0"]).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
    bench.verify_files(0, &flags).await;
    bench.passed().await;
}

#[tokio::test]
async fn values_of_every_type_are_compared_by_the_store_itself() {
    let bench = Bench { files: Files::new().await, store: postgres_store().await.initialised().await };
    bench
        .store
        .run(
            "CREATE TYPE mood AS ENUM ('sad', 'glad'); \
             CREATE TABLE everything (id int, small smallint, big bigint, part real, whole double precision, \
             price numeric(12,4), free numeric, mark char(5), day date, hour time, at timestamp(3), there timestamptz, \
             doc jsonb, raw json, own uuid, bytes bytea, tags varchar[], numbers int[], feeling mood, \
             made timestamp DEFAULT now(), twice bigint GENERATED ALWAYS AS (big * 2) STORED, rescued jsonb, \
             event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp, \
             PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at))",
        )
        .await;
    let body = |id: i64| {
        format!(
            r#"{{"id":{id},"small":-{id},"big":9007199254740993,"part":1.1,"whole":0.1,"price":"12345678.1234",
            "free":1e-7,"mark":"ab","day":"2026-01-02","hour":"03:04:05.6","at":"2026-01-02T03:04:05.123",
            "there":"2026-01-02T05:04:05+02:00","doc":{{"b":[1,2.50],"a":null}},"raw":[1, 2],
            "own":"6F9619FF-8B86-D011-B42D-00C04FC964FF","bytes":"AAH/","tags":["a,b","{{}}",null,"q\"\\"],
            "numbers":[3,null],"feeling":"glad","extra":{id}}}"#
        )
    };
    let orders = bench.files.of_hub("everything");
    orders.add(0, 0, (1..4).map(|number| event(number, body(number))).collect()).await;
    orders.add(0, 1, vec![event(4, r#"{"id":4,"made":"2026-01-02T00:00:00"}"#)]).await;
    bench.once(&["--route", "everything=everything"]).await;
    assert_eq!(bench.store.count("everything").await, 4);
    let flags = ["--deep", "--route", "everything=everything"];
    let report = bench.verify_files(0, &flags).await;
    assert_eq!(report["read_again"]["records_compared"], 4, "{report:#}");

    let changes = [
        ("small", "small + 1"),
        ("big", "big - 1"),
        ("part", "1.2"),
        ("whole", "0.1 + 0.2"),
        ("price", "price + 0.0001"),
        ("free", "0"),
        ("mark", "'abc'"),
        ("day", "day + 1"),
        ("hour", "'03:04:05'"),
        ("at", "at + interval '1 ms'"),
        ("there", "there + interval '2 hours'"),
        ("doc", r#"'{"b":[1,2.51],"a":null}'"#),
        ("raw", "'[1,3]'"),
        ("own", "gen_random_uuid()"),
        ("bytes", r"'\x0001fe'"),
        ("tags", "tags || 'more'::varchar"),
        ("numbers", "'{3,4}'"),
        ("feeling", "'sad'"),
        ("rescued", "NULL"),
    ];
    for (column, value) in changes {
        bench.store.run(&format!("UPDATE everything SET {column} = {value} WHERE id = 2")).await;
    }
    bench.store.run("UPDATE everything SET made = now() WHERE id = 1 OR id = 4").await;
    let report = bench.verify_files(3, &flags).await;
    let changed = told(&report, "changed");
    let of = |number: i64| {
        let of = changed.iter().filter(move |(_, found, _)| *found == Some(number));
        of.map(|(.., text)| text.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of(2), changes.map(|(column, _)| column), "{changed:?}");
    // What the store filled in by itself may be anything; what a record says may not.
    assert_eq!(of(1), [""; 0]);
    assert_eq!(of(4), ["made"]);
    bench.passed().await;
}

#[tokio::test]
async fn the_latest_state_is_made_anew_and_compared() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..2, 0..2, 100).await;
    let late = bench.files.add(0, 2, vec![user(200, 5, "delete", 900_000), user(201, 6, "update", 1)]).await;
    bench.once(&[]).await;
    let report = bench.verify_files(0, &["--state"]).await;
    let sentence = report["sentence"].as_str().unwrap();
    assert!(sentence.contains(", the latest state of 200 keys as they make it"), "{sentence}");
    // A sample of the keys is the same each time.
    let sample = async || {
        let report = bench.verify_files(0, &["--state", "--keys", "20"]).await;
        report["read_again"]["keys_compared"].as_i64().unwrap()
    };
    let some = sample().await;
    assert!((10..=40).contains(&some), "{some}");
    assert_eq!(sample().await, some);

    // The store has newer events than the files that are read: no fault.
    let until = ["--state", "--until", "2026-01-02T00:02:00Z"];
    let report = bench.verify_files(0, &until).await;
    let notes = told(&report, "note");
    assert!(notes.iter().any(|(.., text)| text.starts_with("1 keys have newer events")), "{notes:?} {late}");

    // A view that is made wrongly: another name, one row too few, and one that is deleted.
    bench
        .store
        .run(
            "DROP VIEW latest_user_state; CREATE VIEW latest_user_state AS \
             SELECT DISTINCT id, CASE WHEN id = 7 THEN 'wrong' ELSE 'user ' || id::varchar END AS name, \
             id % 90 AS age, CASE WHEN id = 5 THEN 'delete' ELSE 'insert' END AS op, ts \
             FROM user_event_log WHERE id <> 9",
        )
        .await;
    let report = bench.verify_files(3, &["--state"]).await;
    let mut changed: Vec<_> = told(&report, "changed").into_iter().map(|(.., text)| text).collect();
    changed.sort();
    let wanted = [
        "the row id = 5 is in latest_user_state, though its newest event deletes it",
        "the row id = 7 has name `wrong` in latest_user_state, and `user 7` by the files",
        "the row id = 9 is not in latest_user_state",
    ];
    assert_eq!(changed, wanted);

    // One row too many, of a key that no file has.
    bench
        .store
        .run(
            "DROP VIEW latest_user_state; CREATE VIEW latest_user_state AS \
             SELECT DISTINCT CASE WHEN id = 5 THEN 5000 ELSE id END AS id, 'user ' || id::varchar AS name, \
             id % 90 AS age, 'insert' AS op, ts FROM user_event_log",
        )
        .await;
    let report = bench.verify_files(3, &["--state"]).await;
    let changed = told(&report, "changed");
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(changed[0].2, "latest_user_state has 200 rows, and the files make 199");

    // The view of init is made again.
    bench.store.run("DROP VIEW latest_user_state").await;
    let ended = bench.deltawave("init", &[]).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
    bench.verify_files(0, &["--state"]).await;
    bench.passed().await;
}

#[tokio::test]
async fn a_table_of_ones_own_has_its_state_told_by_its_key() {
    let bench = Bench::new().await;
    bench
        .store
        .run(
            "CREATE TABLE orders (no int, line int, price numeric, at timestamp, gone boolean, \
             event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp, \
             PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at)); \
             CREATE VIEW latest_orders AS SELECT no, line, price, at, gone FROM (SELECT *, row_number() OVER \
             (PARTITION BY no, line ORDER BY at DESC, enqueued_at DESC, sequence_number DESC) AS newest \
             FROM orders) AS ranked WHERE newest = 1 AND gone IS DISTINCT FROM true",
        )
        .await;
    let orders = bench.files.of_hub("orders");
    let one =
        |number: i64, rest: &str| event(number, format!(r#"{{"no":{},"line":{},{rest}}}"#, number % 5, number % 3));
    let mut events: Vec<_> = (0..30)
        .map(|number| one(number, &format!(r#""price":{number}.50,"at":"2026-01-02T03:04:05.{number:02}""#)))
        .collect();
    events.push(one(30, r#""price":1,"at":"2026-01-01T00:00:00""#));
    events.push(one(31, r#""gone":true,"at":"2027-01-01T00:00:00""#));
    orders.add(0, 0, events).await;
    bench.once(&["--route", "orders=orders"]).await;
    let route = ["--state", "--route", "orders=orders"];
    let key = ["--key", "no,line", "--order", "at", "--delete-when", "gone=true"];
    let report = bench.verify_files(0, &[&route[..], &key].concat()).await;
    assert_eq!(report["read_again"]["keys_compared"], 15, "{report:#}");
    // By the broker's order alone, two keys would be others.
    let report = bench.verify_files(3, &[&route[..], &["--key", "no,line"]].concat()).await;
    assert!(!told(&report, "changed").is_empty());
    let url = bench.files.url();
    let ended = bench.deltawave("verify", &[&route[..], &["--blob", &url, "--key", "no,lines"]].concat()).await;
    assert_eq!(ended.code, Some(1));
    let wanted = "the latest state of orders cannot be made of the files: it has no column `lines`";
    assert!(ended.err.contains(wanted), "{}", ended.err);
    bench.store.run("DROP VIEW latest_orders").await;
    bench.passed().await;
}
