//! `deltawave prune --key` on a table that may have several rows of one record: the rows of the key go, and no other row
//! of their records.

use serde_json::{Value, json};

use crate::loader::Bench;
use crate::support::{Ended, event};

const ROUTE: [&str; 2] = ["--route", "readings=readings,format=json-batch"];
const KEY: [&str; 3] = ["--key", "device=7", "--yes"];

impl Bench {
    async fn forget_rows(&self, code: i32, flags: &[&str]) -> Ended {
        let ended = self.deltawave("prune", &[&ROUTE[..], flags].concat()).await;
        assert_eq!(ended.code, Some(code), "{}\n{}", ended.out, ended.err);
        ended
    }

    async fn of_others(&self) -> Vec<Vec<String>> {
        let sql = "SELECT sequence_number, event_index, device FROM readings WHERE device <> 7 ORDER BY 1, 2";
        self.store.rows(sql).await
    }

    async fn seven(&self) -> i64 {
        self.store.number("SELECT count(*) FROM readings WHERE device = 7").await
    }

    async fn proven(&self) -> Value {
        self.verify_files(0, &ROUTE).await
    }
}

fn batch(number: i64, devices: &[i64]) -> deltawave::capture::OutgoingEvent {
    let rows: Vec<_> = devices.iter().map(|device| json!({"device": device, "value": number})).collect();
    event(number, Value::from(rows).to_string())
}

/// Two files, whose records hold rows of device 7 nowhere, in all places and as the only ones; one of them is rejected.
async fn loaded() -> Bench {
    let bench = Bench::new().await;
    let columns = "device int, value int, event_hub varchar, partition_id int, sequence_number bigint, \
                   enqueued_at timestamp, event_index int";
    let key = "PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at, event_index)";
    bench.store.run(&format!("CREATE TABLE readings ({columns}, {key})")).await;
    let files = bench.files.of_hub("readings");
    let first = vec![batch(0, &[7, 1, 2]), batch(1, &[1, 2]), batch(2, &[3, 7]), batch(3, &[7]), batch(4, &[7, 7])];
    files.add(0, 0, first).await;
    files.add(0, 1, vec![batch(5, &[5, 7, 6, 7]), event(6, r#"{"device":7,"value":"x"}"#), batch(7, &[8])]).await;
    bench.once(&ROUTE).await;
    bench
}

#[tokio::test]
async fn rows_of_a_key_are_forgotten_and_those_beside_them_stay() {
    let bench = loaded().await;
    let others = bench.of_others().await;
    assert_eq!((bench.seven().await, others.len()), (7, 8));
    let asked = bench.forget_rows(1, &KEY[..2]).await;
    assert!(asked.out.starts_with("readings: 7 rows, 1 rejected records would be deleted"), "{}", asked.out);
    let ended = bench.forget_rows(0, &KEY).await;
    assert!(ended.out.starts_with("readings: 7 rows, 1 rejected records deleted"), "{}", ended.out);
    assert_eq!((bench.seven().await, bench.of_others().await), (0, others.clone()));
    assert_eq!(bench.store.count("rejected_events").await, 0);
    let noted = bench.store.rows("SELECT sequence_number, event_index FROM forgotten_rows ORDER BY 1, 2").await;
    assert_eq!(noted, [[0, 0], [2, 1], [3, 0], [4, 0], [4, 1], [5, 1], [5, 3]].map(|row| row.map(|n| n.to_string())));
    let report = bench.proven().await;
    assert_eq!(report["partitions"][0]["forgotten"], 8);
    let sentence = report["sentence"].as_str().unwrap();
    assert!(sentence.contains("; 1 records and 7 rows of others were forgotten"), "{sentence}");

    // Value by value too, and in what the newest rows make of each device: what was forgotten is looked for in neither.
    let view = "CREATE VIEW latest_readings AS SELECT device, value FROM (SELECT device, value, row_number() OVER \
                (PARTITION BY device ORDER BY value DESC) AS newest FROM readings) AS ranked WHERE newest = 1";
    bench.store.run(view).await;
    let read = ["--deep", "--state", "--key", "device", "--order", "value", "--require", ""];
    let report = bench.verify_files(0, &[&ROUTE[..], &read].concat()).await;
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report:#}");
    bench.store.run("UPDATE readings SET value = 99 WHERE sequence_number = 5 AND event_index = 2").await;
    let report = bench.verify_files(3, &[&ROUTE[..], &read].concat()).await;
    assert!(report["findings"].as_array().unwrap().iter().any(|finding| finding["first"] == 5), "{report:#}");
    bench.store.run("UPDATE readings SET value = 5 WHERE value = 99; DROP VIEW latest_readings").await;

    // What lacks beside them is found: a row of a record of which one was forgotten, and a whole record.
    for lost in ["sequence_number = 5 AND event_index = 2", "sequence_number = 2", "sequence_number = 7"] {
        bench.store.run(&format!("DELETE FROM readings WHERE {lost}")).await;
        let report = bench.verify_files(3, &ROUTE).await;
        assert_eq!(report["verdict"], "broken", "{lost}: {report:#}");
        let url = bench.files.url();
        let flags = [&ROUTE[..], &["--holes", "--blob", &url, "--settle", "0", "--require", ""]].concat();
        let ended = bench.deltawave("replay", &flags).await;
        assert_eq!(ended.code, Some(0), "{lost}: {}\n{}", ended.out, ended.err);
        assert!(ended.out.contains("that had been forgotten were deleted again"), "{lost}: {}", ended.out);
        assert_eq!((bench.seven().await, bench.of_others().await), (0, others.clone()), "{lost}");
    }
    assert_eq!(bench.proven().await["partitions"][0]["forgotten"], 8);

    // Loaded anew they are told, and go again without the key.
    bench.store.run("DELETE FROM capture_files").await;
    bench.once(&ROUTE).await;
    let report = bench.verify_files(1, &ROUTE).await;
    let text = report["findings"][0]["text"].as_str().unwrap();
    assert_eq!(text, "8 rows and rejected records that were forgotten are there again");
    assert!(bench.forget_rows(1, &["--forgotten"]).await.out.contains("8 records would be deleted again"));
    bench.forget_rows(0, &["--forgotten", "--yes"]).await;
    assert_eq!((bench.seven().await, bench.of_others().await), (0, others));
    assert_eq!(bench.store.count("rejected_events").await, 0);
    bench.proven().await;
    bench.passed().await;
}

#[tokio::test]
async fn a_key_after_another_leaves_what_was_noted_of_the_first() {
    let bench = loaded().await;
    bench.forget_rows(0, &KEY).await;
    bench.forget_rows(0, &["--key", "device=1", "--yes"]).await;
    bench.forget_rows(0, &["--key", "device=2", "--yes"]).await;
    // Of records 0 and 1 nothing is left now.
    assert_eq!(bench.store.number("SELECT count(*) FROM readings WHERE sequence_number < 2").await, 0);
    assert_eq!(bench.proven().await["partitions"][0]["forgotten"], 12);
    // And of 4 there was nothing before; a row of it is one too many.
    let row = "'readings', 0, 4, '2026-01-02 03:04:05', 9, 9, 1";
    let at = bench.store.rows("SELECT DISTINCT enqueued_at FROM forgotten_rows WHERE sequence_number = 4").await;
    let row = row.replace("2026-01-02 03:04:05", &at[0][0]);
    let columns = "event_hub, partition_id, sequence_number, enqueued_at, event_index, device, value";
    bench.store.run(&format!("INSERT INTO readings ({columns}) VALUES ({row})")).await;
    let report = bench.verify_any(&ROUTE).await;
    assert_ne!(report["verdict"], "proven", "{report:#}");
    bench.store.run("DROP TABLE forgotten_rows").await;
    let ended = bench.forget_rows(1, &KEY).await;
    assert!(ended.err.contains("`forgotten_rows` does not exist"), "{}", ended.err);
    bench.passed().await;
}
