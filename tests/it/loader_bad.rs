//! What becomes of bad records, bad files, bad tables and bad addresses: each is said, and hurts nothing beside it.

use std::collections::BTreeSet;
use std::path::Path;

use deltawave::capture::OutgoingEvent;

use crate::loader::Bench;
use crate::support::{Files, capture_file, event, plain, postgres_store, store, unique};

#[tokio::test]
async fn bad_records_stand_aside_whole_with_a_reason() {
    let bench = Bench::new().await;
    let megabyte = "x".repeat(1 << 20);
    let big_name = format!(r#"{{"id":1,"op":"insert","event_order":1,"name":"{megabyte}"}}"#);
    let with = |fields: &str| format!(r#"{{"op":"insert","event_order":1,{fields}}}"#).into_bytes();
    let bad: Vec<(Vec<u8>, &str)> = vec![
        (b"Message 1".to_vec(), "body is not a JSON object: expected value at line 1 column 1"),
        (b"".to_vec(), "body is not a JSON object: it is empty"),
        (b"\x1f\x8b\x08\0".to_vec(), "body is gzip-compressed and damaged: "),
        (b"\0\0\0\0\x2a\x02a".to_vec(), "body is not a JSON object: it is Avro by a schema registry (id 42)"),
        (b"{\"name\":\"Zo\xeb\"}".to_vec(), "body is not a JSON object: it is not UTF-8 at byte 11"),
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
        (b"\xff\xfe{}".to_vec(), "body is not a JSON object: it is UTF-16 (little-endian)"),
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

    let said = bench.once(&["--settle", "0"]).await.err;
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

    let said = bench.once(&["--settle", "0"]).await.err;
    assert!(!said.contains("file quarantined"), "a damaged file is read once: {said}");
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
    let reasons =
        ["orders_id_check", "expected at most 2 decimal places", "orders_code_key", "", "stack depth limit exceeded"];
    assert_eq!(rejected.len(), reasons.len(), "{rejected:?}");
    for ((row, number), reason) in rejected.iter().zip(["13", "14", "500", "501", "999"]).zip(reasons) {
        assert_eq!(row[0], number);
        assert!(row[1].contains(reason), "{row:?}");
    }
    let ledger = bench.store.rows("SELECT records, loaded, rejected FROM capture_files ORDER BY blob").await;
    assert_eq!(ledger, [["1000", "995", "5"], ["2", "0", "2"]]);
    bench.passed().await;
}

#[tokio::test]
async fn a_file_whose_rows_the_store_swallows_is_quarantined_and_the_others_loaded() {
    let bench = Bench { files: Files::new().await, store: postgres_store().await.initialised().await };
    bench
        .store
        .run(
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN \
               IF NEW.partition_id = 1 AND NEW.sequence_number BETWEEN 20 AND 29 THEN RETURN NULL; END IF; \
               RETURN NEW; END'; \
             CREATE TRIGGER swallow BEFORE INSERT ON user_event_log FOR EACH ROW EXECUTE FUNCTION swallow()",
        )
        .await;
    bench.files.add_plain(0..3, 0..3, 100).await;
    let said = bench.once(&[]).await.err;
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("that it had acknowledged")).collect();
    assert!(
        !warnings.is_empty() && warnings.iter().all(|line| line.contains("10 rows for `user_event_log`")),
        "{said}"
    );
    let reason = "the store acknowledges its records and does not keep them: 10 of its 100 rows are not in \
                  `user_event_log`, 3 times running; look for a trigger, a rule or a time to live that takes rows away";
    assert!(said.contains(reason), "{said}");
    let ledger =
        "SELECT status, records, loaded, rejected, count(*) FROM capture_files GROUP BY 1, 2, 3, 4 ORDER BY 1, 2 DESC";
    let wanted = [["loaded", "100", "100", "0", "8"], ["quarantined", "100", "90", "0", "1"]];
    assert_eq!(bench.store.rows(ledger).await, wanted);
    assert_eq!(bench.store.count("user_event_log").await, 890);

    // A rule that does nothing instead takes all rows away, also those of rejected records.
    bench.store.run("DROP TRIGGER swallow ON user_event_log").await;
    bench.store.run("CREATE RULE swallow AS ON INSERT TO rejected_events DO INSTEAD NOTHING").await;
    bench.files.add(4, 0, vec![plain(4, 0), event(1, "no JSON"), plain(4, 2)]).await;
    let said = bench.once(&[]).await.err;
    assert!(said.contains("1 of its 1 rejected records are not in `rejected_events`, 3 times running"), "{said}");
    assert_eq!(bench.store.rows(ledger).await.concat()[10..], ["quarantined", "3", "2", "0", "1"], "{said}");
    bench.passed().await;
}

#[tokio::test]
async fn what_a_statement_says_it_inserted_is_not_believed_where_something_may_take_it_away() {
    let bench = Bench { files: Files::new().await, store: postgres_store().await.initialised().await };
    bench
        .store
        .run(
            "CREATE TABLE quiet (LIKE user_event_log INCLUDING ALL); \
             CREATE TABLE split (LIKE user_event_log INCLUDING ALL) PARTITION BY LIST (partition_id); \
             CREATE TABLE split_0 PARTITION OF split FOR VALUES IN (0); \
             CREATE TABLE split_1 PARTITION OF split FOR VALUES IN (1); \
             CREATE VIEW through AS SELECT * FROM quiet; \
             CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN \
               EXECUTE format(''DELETE FROM %I WHERE sequence_number = 7'', TG_TABLE_NAME); RETURN NULL; END'; \
             CREATE TRIGGER lose AFTER INSERT ON user_event_log FOR EACH STATEMENT EXECUTE FUNCTION lose(); \
             CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN \
               IF NEW.sequence_number = 7 THEN RETURN NULL; END IF; RETURN NEW; END'; \
             CREATE TRIGGER kept AFTER DELETE ON quiet FOR EACH STATEMENT EXECUTE FUNCTION lose(); \
             CREATE TRIGGER skip BEFORE INSERT ON split_1 FOR EACH ROW EXECUTE FUNCTION skip()",
        )
        .await;
    let session = bench.store.session().await;
    for (table, kept) in [("quiet", true), ("user_event_log", false), ("split", false), ("through", false)] {
        assert_eq!(session.keeps_what_it_says(table).await.unwrap(), kept, "{table}");
    }
    bench.files.add_plain(0..2, 0..1, 100).await;
    for (table, whole, lacking) in [("quiet", 2, 0), ("user_event_log", 0, 2), ("split", 1, 1)] {
        let said = bench.once(&["--route", &format!("user-events={table}")]).await.err;
        let ledger =
            |status| format!("SELECT 1 FROM capture_files WHERE target LIKE '%{table}' AND status = '{status}'");
        assert_eq!(bench.store.rows(&ledger("loaded")).await.len(), whole, "{table}: {said}");
        assert_eq!(bench.store.rows(&ledger("quarantined")).await.len(), lacking, "{table}: {said}");
    }
    bench.store.run("DROP VIEW through; DROP TABLE split").await;
    bench.passed().await;
}

#[tokio::test]
async fn records_captured_twice_are_counted_once() {
    let bench = Bench::new().await;
    let numbers = |range: std::ops::Range<i64>| range.map(|number| plain(0, number)).collect::<Vec<_>>();
    for (minute, range) in [(0, 0..100), (1, 50..150), (2, 0..20), (3, 150..160)] {
        bench.files.add(0, minute, numbers(range)).await;
    }
    // A hub made anew gives the same numbers to records of another time.
    let mut anew = numbers(0..60);
    let later = deltawave::capture::EnqueuedTime::parse("1/2/2026 9:00:00 AM").unwrap();
    anew.iter_mut().for_each(|event| event.enqueued_time = later);
    bench.files.add(0, 4, anew).await;
    let said = bench.once(&[]).await.err;
    assert!(!said.contains("WARN"), "{said}");
    assert_eq!(bench.store.count("user_event_log").await, 220);
    assert_eq!(bench.store.count("capture_files").await, 5);
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
async fn a_container_that_is_missing_is_said_at_once() {
    let bench = Bench::new().await;
    let azurite = crate::support::azurite().await;
    let address = format!("{}/{}", azurite.blob_endpoint(), unique("nothing"));
    let said = bench.fails(&["--blob", &address]).await;
    assert!(said.starts_with(&format!("error: {address} does not exist: ")), "{said}");
    bench.passed().await;
}

#[tokio::test]
async fn a_file_that_is_refused_is_neither_skipped_nor_done() {
    // A directory lets a name be listed that no blob may have, and so none can be read by.
    let directory = tempfile::tempdir().unwrap();
    let format = r"{Namespace}/{EventHub}/{PartitionId}/{Year}/{Month}/{Day}/{Hour}/{Minute}\{Second}";
    let files = Files::at(directory.path().to_str().unwrap()).await.named(format);
    let bench = Bench { files, store: store().await.initialised().await };
    let path = directory.path().join(bench.files.name(0, 0));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, capture_file([plain(0, 0)])).unwrap();
    let said = bench.fails(&["--name-format", format]).await;
    assert!(said.contains("1 file cannot be read and waits"), "{said}");
    let ledger = bench.store.rows("SELECT status, reason FROM capture_files").await;
    assert_eq!(ledger[0][0], "waiting");
    assert!(ledger[0][1].contains("a blob name has no backslash"), "{ledger:?}");
    assert!(ledger[0][1].contains("next try in 15 s"), "{ledger:?}");
    bench.passed().await;
}
