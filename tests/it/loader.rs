//! The `loader` binary on Azurite and a store: what becomes of good records, bad records, bad files and bad tables.

use std::collections::BTreeSet;
use std::path::Path;

use deltawave::capture::OutgoingEvent;
use tokio::process::Command;

use crate::support::{
    Ended, Files, Running, TestStore, capture_file, event, eventually, plain, postgres_store, program, run, store,
    unique, user,
};

/// Files and a store of the test's own, and loaders between them.
pub struct Bench {
    pub files: Files,
    pub store: TestStore,
}

impl Bench {
    /// With the tables and views that `deltawave init` makes.
    pub async fn new() -> Bench {
        Bench { files: Files::new().await, store: store().await.initialised().await }
    }

    pub fn loader(&self, flags: &[&str]) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_loader"), flags);
        command.env("DELTAWAVE_BLOB", self.files.url()).env("DELTAWAVE_STORE_URL", self.store.url());
        command
    }

    /// Loads what is there; it must end well.
    pub async fn once(&self, flags: &[&str]) -> Ended {
        let ended = run(self.loader(&[&["--once"], flags].concat())).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert_eq!(ended.out, "", "standard output is for data");
        ended
    }

    /// Runs a loader that must fail, and gives what it said, in one sentence.
    async fn fails(&self, flags: &[&str]) -> String {
        let ended = run(self.loader(&[&["--once", "--log", "off"], flags].concat())).await;
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        ended.err
    }

    pub fn start(&self, flags: &[&str]) -> Running {
        Running::start(self.loader(flags))
    }

    /// Waits until a query gives that number.
    pub async fn until(&self, sql: &str, wanted: i64) {
        eventually(sql, async || match self.store.number(sql).await {
            number if number == wanted => Ok(()),
            number => Err(format!("{number} instead of {wanted}")),
        })
        .await;
    }

    /// Asserts that the log holds sequence numbers 0 to `records` of each partition, each once, and nothing else.
    pub async fn assert_all(&self, partitions: i32, records: i64) {
        let found = self
            .store
            .rows(
                "SELECT partition_id, count(*), min(sequence_number), max(sequence_number), count(DISTINCT sequence_number) \
                 FROM user_event_log GROUP BY partition_id ORDER BY partition_id",
            )
            .await;
        let row =
            |partition: i32| [i64::from(partition), records, 0, records - 1, records].map(|n| n.to_string()).to_vec();
        assert_eq!(found, (0..partitions).map(row).collect::<Vec<_>>());
        assert_eq!(self.store.count("rejected_events").await, 0);
    }

    pub async fn passed(self) {
        self.store.passed().await;
    }
}

#[tokio::test]
async fn records_are_loaded_once_and_the_latest_state_survives_late_files() {
    let bench = Bench::new().await;
    let Bench { files, store } = &bench;
    // User 3 is deleted; of user 4's two events of one order the broker's last counts.
    let first =
        vec![user(10, 1, "insert", 1), user(11, 2, "insert", 2), user(12, 3, "insert", 3), user(13, 3, "delete", 9)];
    files.add(0, 10, first).await;
    let tie = event(15, r#"{"id":4,"name":"the later","age":null,"op":"update","event_order":5}"#);
    files.add(0, 11, vec![user(14, 4, "insert", 5), tie]).await;
    files.add(1, 10, vec![]).await;
    // Numbers 16 to 19 are missing.
    let unknown_field = event(21, r#"{"event_order":8,"op":"update","id":2,"name":"renamed","extra":[1,{"a":"b"}]}"#);
    files.add(0, 12, vec![user(20, 1, "delete", 7), unknown_field]).await;

    let said = bench.once(&[]).await.err;
    assert_eq!(said.matches("file loaded").count(), 4, "{said}");
    assert_eq!(store.count("user_event_log").await, 8);
    assert_eq!(store.count("rejected_events").await, 0);
    let ledger = "SELECT blob, partition_id, records, loaded, rejected, status, first_sequence_number, \
         last_sequence_number, window_start FROM capture_files ORDER BY blob";
    let row = |partition: i32, minute: i64, numbers: &str| {
        let start = format!("2026-01-02 00:{minute:02}:00");
        let rest = format!("{partition} {numbers}");
        [vec![files.name(partition, minute)], rest.split(' ').map(str::to_owned).collect(), vec![start]].concat()
    };
    assert_eq!(
        store.rows(ledger).await,
        [
            row(0, 10, "4 4 0 loaded 10 13"),
            row(0, 11, "2 2 0 loaded 14 15"),
            row(0, 12, "2 2 0 loaded 20 21"),
            row(1, 10, "0 0 0 loaded NULL NULL"),
        ]
    );
    let latest = "SELECT * FROM latest_user_state ORDER BY id";
    let state = [["2", "renamed", "NULL", "update", "NULL"], ["4", "the later", "NULL", "update", "NULL"]];
    assert_eq!(store.rows(latest).await, state);

    // A file that comes late and whose name is older: user 3 stays deleted, user 2 stays renamed.
    files.add(0, 1, vec![user(1, 3, "insert", 0), user(2, 2, "update", 1), user(3, 5, "insert", 1)]).await;
    let said = bench.once(&[]).await.err;
    assert_eq!(said.matches("file loaded").count(), 1, "{said}");
    assert_eq!(store.count("user_event_log").await, 11);
    let state_and_5 = [&state[..], &[["5", "user 5", "5", "insert", "2026-01-02 03:04:05"]]].concat();
    assert_eq!(store.rows(latest).await, state_and_5);

    let said = bench.once(&[]).await.err;
    assert!(!said.contains("file loaded"), "{said}");
    assert_eq!(store.count("user_event_log").await, 11);
    assert_eq!(store.count("capture_files").await, 5);

    let newest = "SELECT * FROM user_events ORDER BY event_order DESC LIMIT 1";
    assert_eq!(store.columns(newest).await, ["id", "name", "age", "op", "event_order", "ts"]);
    assert_eq!(store.rows(newest).await, [["3", "user 3", "3", "delete", "9", "2026-01-02 03:04:05"]]);
    assert_eq!(store.columns(latest).await, ["id", "name", "age", "op", "ts"]);
    let gaps = "SELECT partition_id, first_missing, last_missing, next_blob FROM capture_gaps ORDER BY first_missing";
    let gap =
        |first: &str, last: &str, next| vec!["0".to_owned(), first.to_owned(), last.to_owned(), files.name(0, next)];
    assert_eq!(store.rows(gaps).await, [gap("4", "9", 10), gap("16", "19", 12)]);
    let progress = "SELECT target, event_hub, partition_id, files, records, loaded, rejected, last_sequence_number, \
         newest_window FROM pipeline_progress ORDER BY partition_id";
    let progress_of = |text: &str, newest: &str| {
        let hub = ["user_event_log", "user-events"].map(str::to_owned).to_vec();
        [hub, text.split(' ').map(str::to_owned).collect(), vec![newest.to_owned()]].concat()
    };
    assert_eq!(
        store.rows(progress).await,
        [progress_of("0 4 11 11 0 21", "2026-01-02 00:12:00"), progress_of("1 1 0 0 0 NULL", "2026-01-02 00:10:00")]
    );
    bench.passed().await;
}

#[tokio::test]
async fn bad_records_stand_aside_whole_with_a_reason() {
    let bench = Bench::new().await;
    let megabyte = "x".repeat(1 << 20);
    let big_name = format!(r#"{{"id":1,"op":"insert","event_order":1,"name":"{megabyte}"}}"#);
    let with = |fields: &str| format!(r#"{{"op":"insert","event_order":1,{fields}}}"#).into_bytes();
    let bad: Vec<(Vec<u8>, &str)> = vec![
        (b"Message 1".to_vec(), "body is not a JSON object: expected value at line 1 column 1"),
        (b"".to_vec(), "body is not a JSON object: EOF"),
        (b"[1,2]".to_vec(), "body is not a JSON object: invalid type: sequence"),
        (b"null".to_vec(), "body is not a JSON object: invalid type: null"),
        (b"42".to_vec(), "body is not a JSON object: invalid type: integer"),
        (br#"{"id":1,"op":"insert","event_order":1} x"#.to_vec(), "body is not a JSON object: trailing characters"),
        (br#"{"id":1,"op":"insert","event_order":1"#.to_vec(), "body is not a JSON object: EOF"),
        (with(r#""name":"no id""#), "field `id` is missing, but every record must have it"),
        (with(r#""id":null"#), "field `id`: is null, but every record must have it"),
        (with(r#""id":"seven""#), "field `id`: expected a whole number, found string `seven`"),
        (with(r#""id":3000000000"#), "field `id`: 3000000000 is out of range for int"),
        (with(r#""id":1,"age":1.5"#), "field `age`: expected a whole number, found number 1.5"),
        (with(r#""id":1e300"#), "field `id`: expected a whole number, found number 1e300"),
        (with(r#""id":true"#), "field `id`: expected a whole number, found true"),
        (with(r#""id":1,"name":{"first":"a"}"#), "field `name`: expected a string, found an object"),
        (with(r#""id":1,"name":7"#), "field `name`: expected a string, found number 7"),
        (
            with(r#""id":1,"ts":"yesterday""#),
            "field `ts`: expected a time like 2026-01-31T23:59:59, found string `yesterday`",
        ),
        (with(r#""id":1,"name":"a\u0000b""#), "field `name`: has a NUL character"),
        (with(r#""id":1,"id":2"#), "field `id`: stands twice in the body"),
        (b"{\"id\":1,\"op\":\"\0\"}".to_vec(), "field `op`: "),
        (b"\xff\xfe{}".to_vec(), "body is not a JSON object: "),
        (b"quotes \" ' \\ braces {} , and\nnewlines \xc3\xa9 \xe6\xbc\xa2".to_vec(), "body is not a JSON object: "),
        (megabyte.clone().into_bytes(), "body is not a JSON object: expected value"),
    ];
    let names = [
        "plain",
        "\"quotes\" and 'quotes'",
        "back\\slash\\",
        "{braces},commas",
        "new\nline\ttab",
        "é 漢字 🦀",
        "NULL",
        "",
    ];
    let mut events = vec![];
    for (number, (body, _)) in (0..).zip(&bad) {
        events.push(event(number, body.clone()));
        let name = names[number as usize % names.len()];
        let body = serde_json::json!({"id": number, "op": "insert", "event_order": number, "name": name}).to_string();
        events.push(event(1000 + number, body));
    }
    events.push(event(2000, big_name));
    events.push(OutgoingEvent { body: None, ..event(3000, "") });
    bench.files.add(0, 0, events).await;

    bench.once(&[]).await;
    let good = bad.len() as i64 + 1;
    assert_eq!(bench.store.count("user_event_log").await, good);
    assert_eq!(
        bench.store.number("SELECT length(name) FROM user_event_log WHERE sequence_number = 2000").await,
        1 << 20
    );
    let loaded = bench.store.rows("SELECT id, name FROM user_event_log WHERE sequence_number < 2000 ORDER BY id").await;
    let sent: Vec<_> = (0..bad.len()).map(|id| vec![id.to_string(), names[id % names.len()].to_owned()]).collect();
    assert_eq!(loaded, sent);
    let rejected = bench
        .store
        .rows("SELECT sequence_number, reason, body, body_bytes FROM rejected_events ORDER BY sequence_number")
        .await;
    assert_eq!(rejected.len(), bad.len() + 1);
    for ((number, (body, reason)), row) in bad.iter().enumerate().zip(&rejected) {
        assert_eq!(row[0], number.to_string());
        assert!(row[1].starts_with(reason) && row[1].len() < 200, "{} instead of {reason}", row[1]);
        match std::str::from_utf8(body).ok().filter(|text| !text.contains('\0')) {
            Some(text) => assert!(row[2] == text && row[3] == "NULL", "body of {reason}"),
            None => {
                let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(row[2..], ["NULL".to_owned(), format!("\\x{hex}")], "body of {reason}");
            }
        }
    }
    assert_eq!(rejected[bad.len()], ["3000", "body is null", "NULL", "NULL"]);
    let ledger = bench.store.rows("SELECT records, loaded, rejected, status FROM capture_files").await;
    assert_eq!(ledger, [[(2 * good).to_string(), good.to_string(), good.to_string(), "loaded".to_owned()]]);
    bench.passed().await;
}

#[tokio::test]
async fn a_file_the_service_wrote_in_2018_is_accounted_for_record_by_record() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/capture-2018.avro");
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; the sample data must stand beside the checkout", path.display()));
    let numbers: BTreeSet<i64> = apache_avro::Reader::new(&bytes[..])
        .unwrap()
        .map(|record| match record.unwrap() {
            apache_avro::types::Value::Record(fields) => match fields[0] {
                (ref name, apache_avro::types::Value::Long(number)) if name == "SequenceNumber" => number,
                ref field => panic!("{field:?}"),
            },
            value => panic!("{value:?}"),
        })
        .collect();
    assert_eq!((numbers.len(), numbers.first()), (677, Some(&4141)));

    let bench = Bench::new().await;
    bench.files.put(&bench.files.name(3, 0), bytes).await;
    bench.once(&[]).await;
    let rejected = bench.store.rows("SELECT sequence_number, reason, body FROM rejected_events").await;
    assert!(rejected.iter().all(|row| row[1].starts_with("body is not a JSON object") && row[2] != "NULL"));
    assert_eq!(rejected.len(), 677);
    assert_eq!(rejected.iter().map(|row| row[0].parse().unwrap()).collect::<BTreeSet<i64>>(), numbers);
    let ledger =
        bench.store.rows("SELECT partition_id, records, loaded, rejected, first_sequence_number FROM capture_files");
    assert_eq!(ledger.await, [["3", "677", "0", "677", "4141"]]);
    bench.passed().await;
}

#[tokio::test]
async fn what_precedes_damage_is_loaded_and_the_file_quarantined() {
    let bench = Bench::new().await;
    let Bench { files, store } = &bench;
    let good = capture_file((0..2000).map(|number| plain(0, number)));
    let sync = &good[good.len() - 16..];
    let middle =
        good.windows(16).enumerate().filter(|(at, bytes)| *bytes == sync && *at > good.len() / 2).map(|(at, _)| at);
    let middle = middle.min().unwrap();
    let mut wrong_sync = good.clone();
    wrong_sync[middle] ^= 1;
    let mut wrong_magic = good.clone();
    wrong_magic[2] = b'x';
    let schema =
        apache_avro::Schema::parse_str(r#"{"type":"record","name":"Other","fields":[{"name":"a","type":"long"}]}"#)
            .unwrap();
    let mut other = apache_avro::Writer::new(&schema, Vec::new()).unwrap();
    other.append_value(apache_avro::types::Value::Record(vec![("a".to_owned(), 1i64.into())])).unwrap();
    let damaged: [(Vec<u8>, &str, bool); 6] = [
        (good[..good.len() * 6 / 10].to_vec(), "goes on past its block|ends early", true),
        (wrong_sync, "does not end with the file's sync marker", true),
        (wrong_magic, "not an Avro file", false),
        (other.into_inner().unwrap(), "not a Capture file", false),
        (b"".to_vec(), "no bytes at all", false),
        (b"id,name\n1,a\n".to_vec(), "not an Avro file", false),
    ];
    for (partition, (content, ..)) in (0..).zip(&damaged) {
        files.put(&files.name(partition, 0), content.clone()).await;
    }
    files.put(&files.name(6, 0), good.clone()).await;
    let foreign = capture_file([plain(0, 0)]);
    for name in
        ["local/user-events/readme.avro", "local/user-events/9/2026/01/02/x.avro", "local/user-events/9/notes.txt"]
    {
        files.put(name, foreign.clone()).await;
    }
    files.of_hub("another-hub").add(7, 0, vec![plain(0, 0)]).await;
    files.of_hub("user-events-2").add(7, 0, vec![plain(0, 0)]).await;

    let said = bench.once(&[]).await.err;
    assert_eq!(said.matches("file quarantined").count(), damaged.len(), "{said}");
    assert_eq!(said.matches("file loaded").count(), 1, "{said}");
    let ledger = "SELECT records, loaded, status, reason, damaged_at, size FROM capture_files ORDER BY partition_id";
    let ledger = store.rows(ledger).await;
    assert_eq!(ledger.len(), damaged.len() + 1);
    for (partition, ((content, reasons, precedes), row)) in damaged.iter().zip(&ledger).enumerate() {
        let [records, loaded, status, reason, at, size] = row.as_slice() else { panic!("{row:?}") };
        assert!(reasons.split('|').any(|wanted| reason.contains(wanted)), "{reason} instead of {reasons}");
        assert_eq!((status.as_str(), records), ("quarantined", loaded));
        assert_eq!(size.parse(), Ok(content.len()));
        assert!(at.parse::<usize>().unwrap() <= content.len(), "{row:?}");
        let loaded: i64 = loaded.parse().unwrap();
        assert_eq!(loaded > 500, *precedes, "{row:?}");
        let count = format!(
            "SELECT count(*) FROM user_event_log WHERE partition_id = {partition} AND sequence_number < {loaded}"
        );
        assert_eq!(store.number(&count).await, loaded);
    }
    assert_eq!(ledger[6][..4], ["2000", "2000", "loaded", "NULL"]);
    assert_eq!(store.number("SELECT count(*) FROM user_event_log WHERE partition_id = 6").await, 2000);

    let said = bench.once(&[]).await.err;
    assert!(!said.contains("quarantined"), "a damaged file is read once: {said}");
    bench.passed().await;
}

#[tokio::test]
async fn a_damaged_file_is_read_again_when_it_is_replaced() {
    // A directory, since Azurite's container lets nobody replace a blob through our client.
    let directory = tempfile::tempdir().unwrap();
    let files = Files::at(directory.path().to_str().unwrap()).await;
    let bench = Bench { files, store: store().await.initialised().await };
    let good = capture_file((0..1000).map(|number| plain(0, number)));
    bench.files.put(&bench.files.name(0, 0), good[..good.len() / 2].to_vec()).await;
    let running = bench.start(&["--poll", "0.2"]);
    bench.until("SELECT count(*) FROM capture_files WHERE status = 'quarantined'", 1).await;
    std::fs::write(directory.path().join(bench.files.name(0, 0)), &good).unwrap();
    bench.until("SELECT count(*) FROM capture_files WHERE status = 'loaded'", 1).await;
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().await.code, Some(0));
    bench.assert_all(1, 1000).await;
    let ledger = bench.store.rows("SELECT records, loaded, reason, damaged_at FROM capture_files").await;
    assert_eq!(ledger, [["1000", "1000", "NULL", "NULL"]]);
    bench.passed().await;
}

/// Only PostgreSQL has constraints and limited numerics.
#[tokio::test]
async fn records_the_store_refuses_are_split_out() {
    let bench = Bench { files: Files::new().await, store: postgres_store().await.initialised().await };
    bench
        .store
        .run(
            "CREATE TABLE orders (id int CHECK (id <> 13), price numeric(5, 2), code varchar UNIQUE, doc jsonb, \
             event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp, \
             PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at))",
        )
        .await;
    let deep = format!(r#"{{"id":77,"doc":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    let orders = (0..1000).map(|number| match number {
        13 => event(number, r#"{"id":13}"#),
        14 => event(number, r#"{"id":14,"price":12345.678}"#),
        500 => event(number, r#"{"id":500,"code":"code 499"}"#),
        501 => event(number, r#"{"id":501,"doc":"\ud800"}"#),
        999 => event(number, deep.clone()),
        _ => event(number, format!(r#"{{"id":{},"price":"9.99","code":"code {number}"}}"#, number + 1000)),
    });
    let orders: Vec<_> = orders.collect();
    let orders_hub = bench.files.of_hub("orders");
    orders_hub.add(0, 0, orders.clone()).await;
    // The same bad records again, in a file of another name: a repeat replaces them.
    orders_hub.add(0, 1, orders[13..=14].to_vec()).await;
    bench.once(&["--route", "orders=orders", "--parallel-files", "1"]).await;
    assert_eq!(bench.store.count("orders").await, 995);
    let rejected =
        bench.store.rows("SELECT sequence_number, reason FROM rejected_events ORDER BY sequence_number").await;
    let reasons = ["orders_id_check", "numeric field overflow", "orders_code_key", "", "stack depth limit exceeded"];
    assert_eq!(rejected.len(), reasons.len(), "{rejected:?}");
    for ((row, number), reason) in rejected.iter().zip(["13", "14", "500", "501", "999"]).zip(reasons) {
        assert_eq!(row[0], number);
        assert!(row[1].starts_with("the store refuses it: ") && row[1].contains(reason), "{row:?}");
    }
    let ledger = bench.store.rows("SELECT records, loaded, rejected FROM capture_files ORDER BY blob").await;
    assert_eq!(ledger, [["1000", "995", "5"], ["2", "0", "2"]]);
    bench.passed().await;
}

#[tokio::test]
async fn a_table_that_cannot_take_records_ends_the_loader_with_a_sentence() {
    let bench = Bench { files: Files::new().await, store: store().await };
    let envelope = "event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp";
    let key = "PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at)";
    for (table, columns) in [
        ("no_envelope", "id int PRIMARY KEY, event_hub varchar".to_owned()),
        ("no_key", format!("id int, {envelope}")),
        ("wrong_key", format!("id int, {envelope}, PRIMARY KEY (id)")),
        ("unsupported", format!("id int, span interval, {envelope}, {key}")),
        ("wrong_type", format!("id int, {}, {key}", envelope.replace("bigint", "varchar"))),
        ("good", format!("id int, {envelope}, {key}")),
    ] {
        bench.store.run(&format!("CREATE TABLE {table} ({columns})")).await;
    }
    for (table, sentence) in [
        ("missing", "error: table `missing` does not exist; make it"),
        (
            "no_envelope",
            "error: table `no_envelope` lacks the envelope columns partition_id, sequence_number, enqueued_at;",
        ),
        ("no_key", "error: table `no_key` has no primary key; its primary key must be (event_hub,"),
        ("wrong_key", "error: table `wrong_key` has primary key (id); its primary key must be (event_hub,"),
        ("unsupported", "error: column `span` of table `unsupported` is interval, a type"),
        ("wrong_type", "error: column `sequence_number` of table `wrong_type` is character varying, it must be bigint"),
        ("good", "error: table `capture_files` does not exist in postgresql://"),
    ] {
        let said = bench.fails(&["--route", &format!("user-events={table}")]).await;
        assert!(said.starts_with(sentence), "{said} instead of {sentence}");
    }
    bench.passed().await;
}

#[tokio::test]
async fn tables_of_ones_own_are_filled_by_routes() {
    let bench = Bench::new().await;
    bench
        .store
        .run(
            "CREATE TABLE readings (enqueued_at timestamp, celsius double precision, sensor varchar, rescued jsonb, \
             partition_id bigint, event_hub varchar, sequence_number bigint, \
             PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at))",
        )
        .await;
    let readings = bench.files.of_hub("readings");
    let reading = event(7, r#"{"sensor":"a","unit":"C","celsius":21.5,"tags":["x",{"y":null}]}"#);
    readings.add(0, 0, vec![reading, event(8, r#"{"celsius":-3}"#), event(9, r#"{"celsius":"cold"}"#)]).await;
    bench.files.add_plain(0..2, 0..2, 50).await;
    bench.once(&["--route", "user-events=user_event_log,readings=readings"]).await;
    bench.until("SELECT count(*) FROM user_event_log", 200).await;
    let rows =
        bench.store.rows("SELECT sensor, celsius, rescued, enqueued_at FROM readings ORDER BY sequence_number").await;
    assert_eq!(rows[0][..2], ["a", "21.5"]);
    let rescued: serde_json::Value = serde_json::from_str(&rows[0][2]).unwrap();
    assert_eq!(rescued, serde_json::json!({"unit": "C", "tags": ["x", {"y": null}]}));
    assert_eq!(rows[1], ["NULL", "-3", "NULL", "2026-01-02 03:04:05"]);
    let rejected = bench.store.rows("SELECT target, event_hub, sequence_number FROM rejected_events").await;
    assert_eq!(rejected, [["readings", "readings", "9"]]);
    let targets = bench.store.rows("SELECT target, count(*) FROM capture_files GROUP BY target ORDER BY target").await;
    assert_eq!(targets, [["readings", "1"], ["user_event_log", "4"]]);
    bench.passed().await;
}

#[tokio::test]
async fn files_are_found_as_they_arrive_whatever_their_names() {
    let bench = Bench::new().await;
    let files = &bench.files;
    let day = 24 * 60;
    let add = async |partition: i32, minute: i64, number: i64| {
        files.add(partition, minute, vec![plain(partition, number)]).await;
    };
    add(0, 2 * day, 4).await;
    let running = bench.start(&["--poll", "0.2", "--look-back", "7200", "--reconcile", "3"]);
    let count = "SELECT count(*) FROM user_event_log";
    bench.until(count, 1).await;
    add(0, 2 * day + 1, 5).await;
    bench.until(count, 2).await;
    // An hour older than what is loaded: within the look-back.
    add(0, 2 * day - 60, 3).await;
    bench.until(count, 3).await;
    // A partition that had no file yet.
    add(1, 2 * day, 0).await;
    bench.until(count, 4).await;
    // Two days older: for the reconcile. And what no route names.
    files.of_hub("another-hub").add(0, 2 * day + 2, vec![plain(0, 77)]).await;
    add(0, 0, 2).await;
    bench.until(count, 5).await;
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(bench.store.count("capture_files").await, 5);
    bench.passed().await;
}

#[tokio::test]
async fn custom_name_formats_are_read_in_whatever_order_they_sort() {
    for format in [
        "{Year}/{Month}/{Day}/{Hour}/{Namespace}-{EventHub}/{PartitionId}_{Minute}_{Second}",
        "{Namespace}/{EventHub}/{Second}-{Minute}-{Hour}/{Day}/{Month}/{Year}/p{PartitionId}",
        "{Namespace}/{EventHub}/{PartitionId}{Year}{Month}{Day}{Hour}{Minute}{Second}",
    ] {
        let bench = Bench::new().await;
        let bench = Bench { files: bench.files.named(format), ..bench };
        // Eleven partitions, so that one's names can begin another's.
        bench.files.add_plain(0..11, 0..2, 3).await;
        bench.files.of_hub("another-hub").add_plain(0..1, 0..1, 3).await;
        let running = bench.start(&["--poll", "0.2", "--name-format", format]);
        bench.until("SELECT count(*) FROM user_event_log", 66).await;
        bench.files.add_plain(0..11, 2..3, 3).await;
        bench.until("SELECT count(*) FROM user_event_log", 99).await;
        running.signal(libc::SIGTERM);
        let ended = running.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        bench.assert_all(11, 9).await;
        assert_eq!(bench.store.count("capture_files").await, 33, "{format}");
        bench.passed().await;
    }
}

#[tokio::test]
async fn two_loaders_at_once_load_everything_once() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..3, 0..20, 200).await;
    // Records that are rejected meet in the ledger of rejects too.
    let bad = bench.files.of_hub("bad");
    bad.add(0, 0, (0..300).map(|number| event(number, "bad")).collect()).await;
    let flags = ["--route", "user-events=user_event_log,bad=user_event_log", "--batch-rows", "700"];
    let (one, other) = tokio::join!(bench.once(&flags), bench.once(&flags));
    for said in [one.err, other.err] {
        assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    }
    assert_eq!(bench.store.count("capture_files").await, 61);
    assert_eq!(bench.store.count("rejected_events").await, 300);
    bench.store.run("DELETE FROM rejected_events").await;
    bench.assert_all(3, 4000).await;
    bench.passed().await;
}

#[tokio::test]
async fn a_container_that_is_missing_is_said_at_once() {
    let bench = Bench::new().await;
    let azurite = crate::support::azurite().await;
    let address = format!("{}/{}", azurite.blob_endpoint(), unique("nothing"));
    let said = bench.fails(&["--blob", &address]).await;
    assert!(said.starts_with(&format!("error: {address} does not exist: ")), "{said}");
    bench.passed().await;
}
