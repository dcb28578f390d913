//! `deltawave table`: the table that files ask for, made and loaded; what it says of keys that cannot be and of a table
//! that lacks something.

use crate::loader::Bench;
use crate::support::{Ended, event, program, run};

impl Bench {
    async fn table(&self, flags: &[&str]) -> Ended {
        let url = self.files.url();
        self.deltawave("table", &[flags, &["--blob", &url, "--log", "off"]].concat()).await
    }
}

fn orders() -> Vec<String> {
    let order = |line: &str| line.to_owned();
    vec![
        order(
            r#"{"order_no":1,"line":1,"op":"insert","updated_at":"2026-01-31T10:00:00Z","total":12.50,"tags":["a"],"by":{"name":"x"},"gone":null}"#,
        ),
        order(r#"{"order_no":1,"line":2,"op":"insert","updated_at":"2026-01-31T10:00:00Z","total":7,"mixed":"x"}"#),
        order(r#"{"order_no":1,"line":1,"op":"update","updated_at":"2026-01-31T11:00:00Z","total":13,"mixed":1}"#),
        order(r#"{"order_no":2,"line":1,"op":"insert","updated_at":"2026-01-31T09:00:00Z","total":1}"#),
        order(r#"{"order_no":2,"line":1,"op":"delete","updated_at":"2026-01-31T12:00:00Z","total":null}"#),
    ]
}

async fn bench() -> Bench {
    let bench = Bench::new().await;
    let files = bench.files.of_hub("orders");
    let all = orders();
    files.add(0, 0, (0..).zip(&all[..3]).map(|(number, body)| event(number, body.as_str())).collect()).await;
    files.add(1, 0, (0..).zip(&all[3..]).map(|(number, body)| event(number, body.as_str())).collect()).await;
    bench
}

const ROWING: [&str; 7] = ["orders", "--key", "order_no,line", "--order", "updated_at", "--delete-when", "op=delete"];

#[tokio::test]
async fn the_table_that_files_ask_for_is_made_loaded_and_shows_its_latest_state() {
    let bench = bench().await;
    let made = bench.table(&[&ROWING[..], &["--history-view", "--apply", "--yes"]].concat()).await;
    assert_eq!(made.code, Some(0), "{}{}", made.out, made.err);
    for part in [
        "\"order_no\" int, -- in every row; 5 whole numbers like 1",
        "\"updated_at\" timestamptz,",
        "\"total\" numeric,",
        "\"tags\" varchar[],",
        "\"by\" jsonb,",
        "\"mixed\" jsonb, -- in 2 of 5 rows; mixed: 1 whole number: 1, 1 text: \"x\"",
        "-- `gone` is left out: never anything but null; in 1 of 5 rows, 1 of them null",
        "-- load it: loader --route orders=orders",
    ] {
        assert!(made.out.contains(part), "{part} is missing in {}", made.out);
    }
    bench.once(&["--route", "orders=orders", "--require", ""]).await;
    assert_eq!(bench.store.count("rejected_events").await, 0);
    let latest = bench.store.rows("SELECT order_no, line, op, total FROM latest_orders ORDER BY 1, 2").await;
    assert_eq!(latest, [["1", "1", "update", "13"], ["1", "2", "insert", "7"]]);
    let past = "SELECT order_no, line, valid_from, valid_to, is_current FROM orders_history ORDER BY 1, 2, 3";
    let hour = |hour: u32| format!("2026-01-31 {hour:02}:00:00+00");
    let row = |no: &str, line: &str, from: u32, to: Option<u32>| {
        let to = (to.map_or("NULL".to_owned(), hour), if to.is_none() { "t" } else { "f" });
        vec![no.to_owned(), line.to_owned(), hour(from), to.0, to.1.to_owned()]
    };
    assert_eq!(
        bench.store.rows(past).await,
        [row("1", "1", 10, Some(11)), row("1", "1", 11, None), row("1", "2", 10, None), row("2", "1", 9, Some(12))]
    );
    let as_of = "SELECT count(*) FROM orders_history WHERE valid_from <= '2026-01-31 10:30:00+00' \
                 AND (valid_to IS NULL OR valid_to > '2026-01-31 10:30:00+00')";
    assert_eq!(bench.store.number(as_of).await, 3);
    // It is what it is to be, until something new comes.
    let same = bench.table(&[&ROWING[..], &["--diff"]].concat()).await;
    assert_eq!(same.code, Some(0), "{}{}", same.out, same.err);
    let new = vec![event(
        10,
        r#"{"order_no":3,"line":1,"op":"insert","updated_at":"2026-02-01T09:00:00Z","coupon":"X1","total":"free"}"#,
    )];
    bench.files.of_hub("orders").add(0, 1, new).await;
    let other = bench.table(&[&ROWING[..], &["--diff"]].concat()).await;
    assert_eq!(other.code, Some(3), "{}{}", other.out, other.err);
    assert!(
        other.out.contains("ALTER TABLE \"orders\" ADD COLUMN \"coupon\" varchar; -- in 1 of 6 rows"),
        "{}",
        other.out
    );
    assert!(
        other.out.contains("1 rows of the sample do not fit") && other.out.contains("field `total`: expected a number"),
        "{}",
        other.out
    );
    // What it prints can be run.
    let alter = other.out.lines().find(|line| line.starts_with("ALTER")).unwrap();
    bench.store.run(alter).await;
    let again = bench.table(&[&ROWING[..], &["--diff"]].concat()).await;
    assert!(again.code == Some(3) && !again.out.contains("ALTER"), "{}", again.out);
    bench.store.run("DROP VIEW orders_history; DROP VIEW latest_orders").await;
    bench.passed().await;
}

#[tokio::test]
async fn keys_and_orders_that_cannot_be_are_told_with_counts_and_examples() {
    let bench = bench().await;
    for (flags, said) in [
        (&["--key", "no"][..], "--key: no row of the sample has a field `no`; they have `order_no`, `line`"),
        (
            &["--key", "mixed"],
            "--key: `mixed` lacks in 3 and is null in 0 of 5 rows of the sample, such as {\"order_no\":1",
        ),
        (&["--key", "order_no", "--order", "total"], "--order: `total` lacks in 0 and is null in 1 of 5 rows"),
        (&["--key", "gone"], "--key: `gone` is left out: never anything but null"),
        (&["--key", "order_no", "--delete-when", "kind=x"], "--delete-when: no row of the sample has a field `kind`"),
    ] {
        let ended = bench.table(&[&["orders"], flags].concat()).await;
        assert!(ended.code == Some(1) && ended.err.contains(said), "{} instead of {said}", ended.err);
    }
    let ended = bench.table(&["orders", "--hub", "none", "--dialect", "postgres"]).await;
    assert!(ended.code == Some(1) && ended.err.contains("no record of event hub local/none in"), "{}", ended.err);
    let ended = bench.table(&["orders", "--apply"]).await;
    assert!(ended.code == Some(1) && ended.err.contains("without a terminal say --yes as well"), "{}", ended.err);
    let ended = bench.table(&["gone", "--hub", "orders", "--diff"]).await;
    assert!(ended.code == Some(1) && ended.err.contains("table `gone` does not exist"), "{}", ended.err);
    bench.passed().await;
}

#[tokio::test]
async fn each_stores_sql_is_printed_without_a_store() {
    let bench = bench().await;
    let of = async |dialect: &str| {
        let url = bench.files.url();
        let flags = [
            &["table"],
            &ROWING[..],
            &["--blob", &url, "--dialect", dialect, "--store-url", "postgresql://a@127.0.0.1:1/x"],
        ]
        .concat();
        let ended = run(program(env!("CARGO_BIN_EXE_deltawave"), &flags)).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.out
    };
    let risingwave = of("risingwave").await;
    for part in [
        "CREATE TABLE \"latest_orders_events\" (",
        "PRIMARY KEY (\"order_no\", \"line\")\n) ON CONFLICT OVERWRITE WITH VERSION COLUMN (\"updated_at\", enqueued_at, sequence_number);",
        "CREATE SINK \"latest_orders_feed\" INTO \"latest_orders_events\" AS",
        "WHERE \"order_no\" IS NOT NULL AND \"line\" IS NOT NULL\nWITH (type = 'append-only', force_append_only = 'true');",
        "CREATE VIEW \"latest_orders\" AS",
        "WHERE \"op\" IS DISTINCT FROM 'delete';",
    ] {
        assert!(risingwave.contains(part), "{part} is missing in {risingwave}");
    }
    let postgres = of("postgres").await;
    assert!(postgres.contains("row_number() OVER (PARTITION BY \"order_no\", \"line\" ORDER BY \"updated_at\" DESC NULLS LAST, enqueued_at DESC NULLS LAST, sequence_number DESC NULLS LAST)"), "{postgres}");
    bench.passed().await;
}

#[tokio::test]
async fn formats_are_seen_as_the_loader_sees_them() {
    let bench = Bench::new().await;
    let batch = r#"{"records":[{"time":"2026-01-31T10:00:00Z","level":4},{"time":"2026-01-31T10:00:01Z","level":2}]}"#;
    bench.files.of_hub("logs").add(0, 0, vec![event(0, batch), event(1, "[]"), event(2, "no")]).await;
    let made = bench.table(&["logs", "--format", "json-batch", "--apply", "--yes"]).await;
    assert_eq!(made.code, Some(0), "{}{}", made.out, made.err);
    assert!(
        made.out.contains("-- Told from 3 records (2 rows) of 1 files of 1 partitions.\n-- 1 records make no rows")
            || made.out.contains("cannot be loaded, whatever the table"),
        "{}",
        made.out
    );
    assert!(made.out.contains("sequence_number, enqueued_at, event_index)"), "{}", made.out);
    bench.once(&["--route", "logs=logs,format=json-batch", "--require", ""]).await;
    assert_eq!(bench.store.rows("SELECT level, event_index FROM logs ORDER BY 2").await, [["4", "0"], ["2", "1"]]);
    bench.passed().await;
}
