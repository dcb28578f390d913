//! `loader --evolve add`: fields that have no column get one, and no value is lost.

use serde_json::json;

use crate::loader::Bench;
use crate::support::{Running, event, unique};

const KEY: &str = "event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp, \
     PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at)";

const FLAGS: [&str; 6] = ["--route", "grows=grows", "--require", "", "--evolve", "add"];

#[tokio::test]
async fn a_field_without_a_column_becomes_one_before_a_value_is_lost() {
    let bench = Bench::new().await;
    bench.store.run(&format!("CREATE TABLE grows (id int, {KEY})")).await;
    let files = bench.files.of_hub("grows");
    let plain = (0..500).map(|n| event(n, format!("{{\"id\":{n}}}"))).collect();
    files.add(0, 0, plain).await;
    let body = |n: i64| json!({"id": n, "Total": n as f64 / 2.0, "at": "2026-01-31T10:00:00Z", "nothing": null, "partition_id": 7});
    files.add(0, 1, (500..1000).map(|n| event(n, body(n).to_string())).collect()).await;
    files
        .add(
            1,
            1,
            (0..500)
                .map(|n| {
                    event(
                        n,
                        json!({"id": n, "tags": ["x"], "mixed": if n % 2 == 0 { json!(1) } else { json!("a") }})
                            .to_string(),
                    )
                })
                .collect(),
        )
        .await;
    let said = bench.once(&FLAGS).await.err;
    for column in ["Total", "at", "tags", "mixed"] {
        assert!(said.contains("column added") && said.contains(column), "{column}: {said}");
    }
    assert!(!said.contains("column=nothing") && said.contains("a field gets no column"), "{said}");
    let sums = "SELECT count(*), count(\"Total\"), sum(\"Total\"), count(at), count(tags), count(mixed) FROM grows";
    assert_eq!(bench.store.rows(sums).await, [["1500", "500", "187375.0", "500", "500", "500"]]);
    assert_eq!(bench.store.count("rejected_events").await, 0);
    // What it became, it stays: a value that does not fit is rejected.
    files
        .add(
            0,
            2,
            vec![
                event(1000, r#"{"id":1000,"Total":"free","later":true}"#),
                event(1001, r#"{"id":1001,"later":false}"#),
            ],
        )
        .await;
    bench.once(&FLAGS).await;
    let rejected = bench.store.rows("SELECT sequence_number, reason FROM rejected_events").await;
    assert!(rejected.len() == 1 && rejected[0][1].starts_with("field `Total`: expected a number"), "{rejected:?}");
    assert_eq!(bench.store.rows("SELECT later FROM grows WHERE id > 999").await, [["f"]]);
    bench.verify_files(0, &FLAGS[..2]).await;
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loaders_that_add_the_same_columns_at_once_do_no_harm() {
    let bench = Bench::new().await;
    bench.store.run(&format!("CREATE TABLE grows (id int, rescued jsonb, {KEY})")).await;
    let files = bench.files.of_hub("grows");
    for partition in 0..4 {
        for minute in 0..6_i64 {
            let body = |n: i64| {
                let mut body = json!({"id": n});
                body[format!("f{minute}")] = json!(n);
                body.to_string()
            };
            let numbers = minute * 50..(minute + 1) * 50;
            files.add(partition, minute, numbers.map(|n| event(n, body(n))).collect()).await;
        }
    }
    let loaders: Vec<Running> = (0..2)
        .map(|shard| {
            let shard = format!("{shard}/2");
            bench.start(&[&["--once"], &FLAGS[..], &["--shard", &shard]].concat())
        })
        .collect();
    for loader in loaders {
        let ended = loader.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
    let counts: Vec<String> = (0..6).map(|n| format!("count(f{n})")).collect();
    let found = bench.store.rows(&format!("SELECT count(*), count(rescued), {} FROM grows", counts.join(", "))).await;
    assert_eq!(found, [["1200", "0", "200", "200", "200", "200", "200", "200"]]);
    bench.verify_files(0, &FLAGS[..2]).await;
    bench.passed().await;
}

#[tokio::test]
async fn who_may_not_alter_the_table_is_told_before_the_first_file() {
    let bench = Bench::on_postgres().await;
    let user = unique("loads");
    bench
        .store
        .run(&format!(
            "CREATE TABLE grows (id int, {KEY}); CREATE ROLE {user} LOGIN; \
             GRANT SELECT, INSERT, UPDATE ON capture_files, rejected_events, grows TO {user}"
        ))
        .await;
    bench.files.of_hub("grows").add(0, 0, vec![event(0, r#"{"id":1,"new":1}"#)]).await;
    let url = bench.store.url().replace("root@", &format!("{user}@"));
    let said = bench.fails(&[&["--store-url", &url], &FLAGS[..]].concat()).await;
    assert!(said.contains("--evolve add gives table `grows` columns, and this user may not alter it"), "{said}");
    assert_eq!(bench.store.count("grows").await + bench.store.count("capture_files").await, 0);
    bench.store.run(&format!("DROP OWNED BY {user}; DROP ROLE {user}")).await;
    bench.passed().await;
}
