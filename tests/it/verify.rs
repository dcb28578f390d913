//! `deltawave verify` and `deltawave status`: what is whole is proven, and what is not is named.

use rdkafka::mocking::MockCluster;
use serde_json::Value;

use crate::loader::Bench;
use crate::support::{Done, Ended, FakeRisingWave, Files, event, home, plain, program, run, store, unique, user};

const DELTAWAVE: &str = env!("CARGO_BIN_EXE_deltawave");

impl Bench {
    pub async fn deltawave(&self, command: &str, flags: &[&str]) -> Ended {
        let mut program = program(DELTAWAVE, &[&[command], flags].concat());
        program.env("DELTAWAVE_STORE_URL", self.store.url());
        run(program).await
    }

    /// Verifies, expects that exit code, and gives the report.
    pub async fn verify(&self, code: i32, flags: &[&str]) -> Value {
        let ended = self.deltawave("verify", &[&["--json"], flags].concat()).await;
        assert_eq!(ended.code, Some(code), "{}\n{}", ended.out, ended.err);
        assert_eq!(ended.err, "");
        serde_json::from_str(&ended.out).unwrap()
    }

    /// As [`Self::verify_files`], whatever comes of it.
    pub async fn verify_any(&self, flags: &[&str]) -> Value {
        let url = self.files.url();
        let ended = self.deltawave("verify", &[&["--json", "--blob", &url, "--settle", "0"], flags].concat()).await;
        serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}\n{}", ended.out, ended.err))
    }

    /// The same with the files, of which even the youngest must be in the ledger.
    pub async fn verify_files(&self, code: i32, flags: &[&str]) -> Value {
        let url = self.files.url();
        self.verify(code, &[&["--blob", &url, "--settle", "0"], flags].concat()).await
    }
}

/// (kind, partition, first, last) of every finding but the notes.
fn findings(report: &Value) -> Vec<(String, i64, Option<i64>, Option<i64>)> {
    let all = report["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] != "note");
    all.map(|finding| {
        let number = |name: &str| finding[name].as_i64();
        (finding["kind"].as_str().unwrap().to_owned(), number("partition").unwrap(), number("first"), number("last"))
    })
    .collect()
}

fn found(kind: &str, partition: i64, first: i64, last: i64) -> (String, i64, Option<i64>, Option<i64>) {
    (kind.to_owned(), partition, Some(first), Some(last))
}

fn notes(report: &Value) -> Vec<&str> {
    let all = report["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] == "note");
    all.map(|finding| finding["text"].as_str().unwrap()).collect()
}

/// Three files of 1,000 records in each of two partitions, loaded, with a silent window and a rejected record.
async fn loaded() -> Bench {
    let bench = Bench::new().await;
    bench.files.add_plain(0..2, 0..3, 1000).await;
    bench.files.add(0, 3, vec![]).await;
    bench.files.add(0, 4, vec![event(3000, "no object"), plain(0, 3001)]).await;
    bench.once(&[]).await;
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_run_is_proven_and_what_is_to_come_is_lag() {
    let bench = Bench::new().await;
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("user-events", 3, 1).unwrap();
    let broker = mock.bootstrap_servers();
    let blob = bench.files.url();
    let orders = home(&unique("orders"));
    let produce = async |events: &str| {
        let flags = ["--broker", &broker, "--events", events, "--rate", "max", "--users", "50", "--quiet"];
        let ended = run(program(
            env!("CARGO_BIN_EXE_producer"),
            &[&flags, ["--order-file", orders.to_str().unwrap()].as_slice()].concat(),
        ))
        .await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    };
    let capture = async || {
        let flags = ["--broker", &broker, "--topic", "user-events", "--blob", &blob, "--until-end"];
        let ended = run(program(env!("CARGO_BIN_EXE_capture"), &flags)).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    };
    let source = ["--broker", broker.as_str()];

    // Before anything is loaded everything is lag, and nothing is proven.
    produce("4000").await;
    let report = bench.verify_files(1, &source).await;
    assert_eq!(report["verdict"], "unproven");
    let lag = |report: &Value| {
        report["partitions"].as_array().unwrap().iter().map(|line| line["lag"].as_i64().unwrap()).sum::<i64>()
    };
    assert_eq!(lag(&report), 4000);

    capture().await;
    let report = bench.verify_files(1, &source).await;
    assert_eq!(findings(&report), [0, 1, 2].map(|partition| ("unproven".to_owned(), partition, None, None)));
    bench.once(&[]).await;
    let report = bench.verify_files(0, &source).await;
    assert_eq!(findings(&report), []);
    assert_eq!(lag(&report), 0);
    let sum = |report: &Value, what: &str| {
        report["partitions"].as_array().unwrap().iter().map(|line| line[what].as_i64().unwrap()).sum::<i64>()
    };
    assert_eq!(["records", "rows", "rejected", "files_waiting"].map(|what| sum(&report, what)), [4000, 4000, 0, 0]);

    // Sent and not captured, then captured and not loaded.
    produce("500").await;
    assert_eq!(lag(&bench.verify_files(0, &source).await), 500);
    capture().await;
    let report = bench.verify_files(0, &source).await;
    assert_eq!((lag(&report), sum(&report, "files_waiting")), (500, 3));
    let status = bench.deltawave("status", &source).await;
    assert_eq!(status.code, Some(0), "{}", status.err);
    assert_eq!(status.out.lines().count(), 6, "{}", status.out);
    let fresh = status.out.lines().last().unwrap();
    assert!(fresh.contains("rows could be read") && fresh.ends_with("of 3 files of the last 60 min"), "{fresh}");
    println!("{}", status.out);
    let text = bench.deltawave("verify", &[&source, ["--blob", &blob].as_slice()].concat()).await.out;
    println!("{text}");
    assert!(
        text.ends_with("proven: 4000 records of 3 files, nothing lost, nothing twice; 500 more are on their way\n")
    );

    bench.once(&[]).await;
    assert_eq!(lag(&bench.verify_files(0, &source).await), 0);
    bench.passed().await;
}

/// It shows what was written only a second later.
#[tokio::test(flavor = "multi_thread")]
async fn a_risingwave_is_asked_to_flush_before_it_is_looked_at() {
    let fake = FakeRisingWave::start(true).await;
    for command in ["verify", "status"] {
        let ended = run(program(DELTAWAVE, &[command, "--store-url", &fake.url()])).await;
        // It knows none of the questions that follow.
        assert!(ended.code == Some(1) && ended.err.contains("Unhandled statement: SELECT"), "{}", ended.err);
    }
    assert_eq!(fake.done(), [Done::Flush, Done::Flush]);
}

#[tokio::test]
async fn rows_that_are_gone_are_named_by_their_numbers() {
    let bench = loaded().await;
    assert_eq!(findings(&bench.verify_files(0, &[]).await), []);
    let gone = "DELETE FROM user_event_log WHERE partition_id = 1 AND sequence_number IN (1500, 1501, 1502, 2999)";
    bench.store.run(gone).await;
    let report = bench.verify_files(3, &[]).await;
    assert_eq!(report["verdict"], "broken");
    assert_eq!(findings(&report), [found("hole", 1, 1500, 1502), found("hole", 1, 2999, 2999)]);
    // A whole file's rows, and a rejected record.
    bench
        .store
        .run("DELETE FROM user_event_log WHERE partition_id = 0 AND sequence_number BETWEEN 1000 AND 1999")
        .await;
    bench.store.run("DELETE FROM rejected_events").await;
    let report = bench.verify_files(3, &[]).await;
    let holes = [(0, 1000, 1999), (0, 3000, 3000), (1, 1500, 1502), (1, 2999, 2999)];
    assert_eq!(findings(&report), holes.map(|(partition, first, last)| found("hole", partition, first, last)));
    let text = bench.deltawave("verify", &[]).await;
    assert_eq!(text.code, Some(3));
    println!("{}", text.out);
    assert!(text.out.contains("hole      user-events/1 1500 to 1502: in neither user_event_log nor"), "{}", text.out);
    bench.passed().await;
}

#[tokio::test]
async fn files_that_the_ledger_lost_are_named() {
    let bench = loaded().await;
    let blob = bench.files.name(1, 1);
    bench.store.run(&format!("DELETE FROM capture_files WHERE blob = '{blob}'")).await;
    // Without the files it is a gap whose rows are of no file; with them it has a name.
    let report = bench.verify(3, &[]).await;
    let zero_up = |last| found("unproven", 1, 0, last);
    assert_eq!(findings(&report), [found("hole", 1, 1000, 1999), zero_up(2999)]);
    let report = bench.verify_files(3, &[]).await;
    let named = report["findings"].as_array().unwrap().iter().find(|finding| finding["blob"] == blob.as_str());
    assert!(named.is_some_and(|finding| finding["kind"] == "hole"), "{report:#}");
    // An empty file leaves no gap, and is missed all the same; and the newest one may be on its way.
    bench.once(&[]).await;
    assert_eq!(findings(&bench.verify_files(0, &[]).await), []);
    let (silent, newest) = (bench.files.name(0, 3), bench.files.name(0, 4));
    bench.store.run(&format!("DELETE FROM capture_files WHERE blob = '{newest}'")).await;
    let report = bench.verify_files(0, &[]).await;
    assert_eq!(report["partitions"][0]["files_waiting"], 1);
    bench.once(&[]).await;
    bench.store.run(&format!("DELETE FROM capture_files WHERE blob = '{silent}'")).await;
    let report = bench.verify_files(3, &[]).await;
    assert_eq!(report["findings"][0]["blob"], silent.as_str());
    assert_eq!(findings(&bench.verify(0, &[]).await), []);
    bench.passed().await;
}

#[tokio::test]
async fn gaps_and_quarantined_files_are_holes_unless_numbers_may_be_left_out() {
    let bench = Bench::new().await;
    bench.files.add(0, 1, vec![plain(0, 10), plain(0, 11)]).await;
    bench.files.add(0, 2, vec![plain(0, 20), plain(0, 23)]).await;
    bench.once(&[]).await;
    let report = bench.verify_files(3, &[]).await;
    assert_eq!(findings(&report), [found("hole", 0, 20, 23), found("hole", 0, 12, 19)]);
    let report = bench.verify_files(0, &["--sparse"]).await;
    assert_eq!(notes(&report).len(), 1, "{report:#}");
    bench.store.run("DELETE FROM user_event_log WHERE sequence_number = 23").await;
    assert_eq!(findings(&bench.verify_files(3, &["--sparse"]).await), [found("hole", 0, 20, 23)]);
    bench.once(&[]).await;
    let bad = bench.files.name(1, 1);
    bench.files.put(&bad, "no Avro at all").await;
    bench.once(&[]).await;
    let report = bench.verify_files(3, &["--sparse"]).await;
    let named = report["findings"].as_array().unwrap().iter().find(|finding| finding["blob"] == bad.as_str());
    assert!(named.is_some_and(|finding| finding["text"].as_str().unwrap().contains("quarantined")), "{report:#}");
    bench.passed().await;
}

#[tokio::test]
async fn doubles_are_named_where_no_primary_key_kept_them_out() {
    let bench = loaded().await;
    // One too many and one too few: the sums agree, the records do not.
    for sql in [
        "CREATE TABLE loose AS SELECT * FROM user_event_log",
        "INSERT INTO loose SELECT * FROM user_event_log WHERE partition_id = 0 AND sequence_number = 1700",
        "DELETE FROM loose WHERE partition_id = 0 AND sequence_number = 17",
        "INSERT INTO capture_files SELECT container, 'loose', blob, etag, size, event_hub, partition_id, window_start, \
         first_sequence_number, last_sequence_number, records, loaded, rejected, status, reason, damaged_at, loaded_at \
         FROM capture_files",
        "INSERT INTO rejected_events SELECT 'loose', event_hub, partition_id, sequence_number, enqueued_at, blob, \
         reason, body, body_bytes, rejected_at FROM rejected_events",
    ] {
        bench.store.run(sql).await;
    }
    let report = bench.verify_files(3, &["--route", "user-events=loose"]).await;
    assert_eq!(findings(&report), [found("hole", 0, 17, 17), found("double", 0, 1700, 1700)]);
    bench.passed().await;
}

#[tokio::test]
async fn a_hub_made_anew_is_proven_and_its_lost_records_are_not_hidden_by_the_old_ones() {
    let bench = Bench::new().await;
    bench.files.add(0, 1, (0..100).map(|number| plain(0, number)).collect()).await;
    // The same numbers at another time.
    let anew = |numbers: std::ops::Range<i64>| {
        let later = |number| deltawave::capture::OutgoingEvent {
            enqueued_time: deltawave::capture::EnqueuedTime::parse("1/3/2026 3:04:05 AM").unwrap(),
            ..user(number, number, "update", 100_000 + number)
        };
        numbers.map(later).collect::<Vec<_>>()
    };
    bench.files.add(0, 2, anew(0..50)).await;
    bench.files.add(0, 3, anew(50..60)).await;
    bench.once(&[]).await;
    let report = bench.verify_files(0, &[]).await;
    assert_eq!(report["partitions"][0]["rows"], 160);
    assert!(notes(&report)[0].contains("made anew"), "{report:#}");
    // Each number still has a row, of the old life.
    bench
        .store
        .run("DELETE FROM user_event_log WHERE enqueued_at > '2026-01-03 00:00:00' AND sequence_number < 50")
        .await;
    assert_eq!(findings(&bench.verify_files(3, &[]).await), [found("hole", 0, 0, 49)]);
    // Without the files nobody can tell this from records captured twice.
    assert_eq!(findings(&bench.verify(1, &[]).await), [found("unproven", 0, 0, 99)]);
    bench.passed().await;
}

#[tokio::test]
async fn records_captured_twice_are_one_row_and_no_fault() {
    let bench = Bench::new().await;
    for (minute, numbers) in [(1, 0..100), (2, 50..150), (3, 150..160)] {
        bench.files.add(0, minute, numbers.map(|number| plain(0, number)).collect()).await;
    }
    bench.once(&[]).await;
    let report = bench.verify_files(0, &[]).await;
    assert_eq!((&report["partitions"][0]["records"], &report["partitions"][0]["rows"]), (&210.into(), &160.into()));
    assert_eq!(bench.verify(1, &[]).await["verdict"], "unproven");
    bench.passed().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_one_sentence_and_no_verdict() {
    let bench = Bench::new().await;
    let says = async |flags: &[&str], code: i32| {
        let ended = bench.deltawave("verify", flags).await;
        assert_eq!(ended.code, Some(code), "{}{}", ended.out, ended.err);
        ended
    };
    let ended = says(&["--broker", "127.0.0.1:9", "--give-up", "0.1"], 1).await;
    assert!(ended.out.is_empty() && ended.err.contains("error: no broker answered at 127.0.0.1:9"), "{}", ended.err);
    let mock = MockCluster::new(1).unwrap();
    let ended = says(&["--broker", &mock.bootstrap_servers()], 1).await;
    assert!(ended.err.starts_with("error: topic user-events does not exist"), "{}", ended.err);
    let ended = says(&["--blob", "./no/such/directory"], 1).await;
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    // Nothing loaded, nothing to come: nothing to prove, and perhaps the wrong hub.
    assert!(says(&[], 1).await.out.contains("check --route"));
    let ended = says(&["--route", "user-events"], 2).await;
    assert!(ended.err.contains("--route"), "{}", ended.err);
    bench.store.run("DROP VIEW pipeline_progress; DROP VIEW capture_gaps; DROP TABLE capture_files").await;
    let ended = says(&[], 1).await;
    assert!(ended.err.contains("capture_files") && ended.err.lines().count() == 1, "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_at_work_is_no_fault() {
    let bench = Bench::new().await;
    let loader = bench.start(&["--poll", "0.05", "--batch-rows", "500"]);
    let mut looks = 0;
    for minutes in [0..5, 5..10, 10..15, 15..20] {
        bench.files.add_plain(0..3, minutes.clone(), 400).await;
        // Of a partition whose first file is not loaded yet nothing is proven.
        bench.until("SELECT count(DISTINCT partition_id) FROM capture_files", 3).await;
        for _ in 0..3 {
            let ended = bench.deltawave("verify", &["--blob", &bench.files.url()]).await;
            assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
            looks += 1;
        }
    }
    bench.until("SELECT count(*) FROM user_event_log", 24_000).await;
    bench.until("SELECT count(*) FROM capture_files", 60).await;
    loader.signal(libc::SIGTERM);
    assert_eq!(loader.end().await.code, Some(0));
    let report = bench.verify_files(0, &[]).await;
    assert_eq!(
        report["partitions"].as_array().unwrap().iter().map(|line| line["rows"].as_i64().unwrap()).sum::<i64>(),
        24_000
    );
    println!("looked {looks} times at a loader at work");
    bench.passed().await;
}

#[tokio::test]
async fn status_shows_each_partition_and_says_when_the_lag_is_not_known() {
    let bench = Bench::new().await;
    let status = bench.deltawave("status", &[]).await;
    assert_eq!(status.code, Some(0), "{}", status.err);
    assert!(status.out.contains("nothing is loaded yet") && status.out.contains("lag is not known"), "{}", status.out);
    bench.files.add(1, 1, vec![plain(1, 5), event(6, "no object"), plain(1, 7)]).await;
    bench.files.put(&bench.files.name(1, 2), "no Avro at all").await;
    bench.once(&[]).await;
    let status = bench.deltawave("status", &[]).await;
    let line: Vec<_> = status.out.lines().nth(1).unwrap().split_whitespace().collect();
    // table, hub, partition, files, records, rejected, quarantined, when, ahead, lag, behind
    assert_eq!(line[..7], ["user_event_log", "user-events", "1", "2", "3", "1", "1"], "{}", status.out);
    assert_eq!(line[line.len() - 3..], ["–", "–", "–"], "{}", status.out);
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("user-events", 2, 1).unwrap();
    let status = bench.deltawave("status", &["--broker", &mock.bootstrap_servers()]).await;
    assert_eq!(status.out.lines().count(), 5, "{}", status.out);
    assert_eq!(status.out.lines().nth(2).unwrap().split_whitespace().nth(2), Some("0"), "a partition without files");
    let status = bench.deltawave("status", &["--broker", "127.0.0.1:9", "--give-up", "0.1"]).await;
    assert_eq!((status.code, status.err.lines().count()), (Some(1), 1), "{}", status.err);
    let status =
        bench.deltawave("status", &["--store-url", "postgresql://root@127.0.0.1:9/dev", "--give-up", "0"]).await;
    assert_eq!(status.code, Some(1));
    assert!(status.err.contains("127.0.0.1:9"), "{}", status.err);
    bench.passed().await;
}

#[tokio::test]
async fn every_route_is_looked_at_and_a_file_that_was_replaced_waits() {
    let bench = Bench::new().await;
    let orders = bench.files.of_hub("orders");
    bench
        .store
        .run(
            "CREATE TABLE orders (id int, event_hub varchar, partition_id int, sequence_number bigint, \
             enqueued_at timestamp, PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at))",
        )
        .await;
    bench.files.add(0, 1, vec![plain(0, 0)]).await;
    let blob = orders.add(0, 1, vec![plain(0, 0), plain(0, 1)]).await;
    let routes = ["--route", "user-events=user_event_log,orders=orders"];
    bench.once(&[&routes, ["--require", "id"].as_slice()].concat()).await;
    let report = bench.verify_files(0, &routes).await;
    let rows = |report: &Value| {
        let lines = report["partitions"].as_array().unwrap();
        lines.iter().map(|line| (line["table"].clone(), line["rows"].as_i64().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(rows(&report), [("user_event_log".into(), 1), ("orders".into(), 2)]);
    let report = bench.verify_files(0, &[]).await;
    assert_eq!(rows(&report).len(), 1);
    assert!(notes(&report)[0].contains("orders=orders"), "{report:#}");
    bench.store.run("DELETE FROM orders WHERE sequence_number = 1").await;
    assert_eq!(findings(&bench.verify_files(3, &routes).await), [found("hole", 0, 1, 1)]);
    bench.once(&[&routes, ["--require", "id"].as_slice()].concat()).await;
    bench.store.run(&format!("UPDATE capture_files SET etag = 'another' WHERE blob = '{blob}'")).await;
    bench.once(&[&routes, ["--require", "id"].as_slice()].concat()).await;
    assert_eq!(findings(&bench.verify_files(0, &routes).await), []);
    bench.store.run(&format!("UPDATE capture_files SET etag = 'another' WHERE blob = '{blob}'")).await;
    assert_eq!(bench.verify_files(0, &routes).await["partitions"][1]["files_waiting"], 1);
    bench.passed().await;
}

/// A loader loads the newest first: what it has not come to yet is no hole while it is at it.
#[tokio::test]
async fn a_backlog_is_not_broken_while_a_loader_is_at_it() {
    let home = tempfile::tempdir().unwrap();
    let files = Files::at(&home.path().display().to_string()).await;
    let bench = Bench { files, store: store().await.initialised().await };
    bench.files.add_plain(0..1, 0..4, 100).await;
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    for minute in 0..4 {
        let path = home.path().join(bench.files.name(0, minute));
        std::fs::File::options().write(true).open(path).unwrap().set_modified(hour_ago).unwrap();
    }
    // The newest and the oldest, as if it stood in between.
    bench.once(&["--from", "2026-01-02T00:03:00Z"]).await;
    bench.once(&["--until", "2026-01-02T00:01:00Z"]).await;
    let url = bench.files.url();
    let report = bench.verify(1, &["--blob", &url, "--settle", "600"]).await;
    let kinds: Vec<_> = findings(&report).into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds, ["unproven", "unproven"], "{report}");
    assert!(report.to_string().contains("loads the newest first"), "{report}");
    // Nobody has been at it for longer than that.
    let report = bench.verify(3, &["--blob", &url, "--settle", "0"]).await;
    assert!(findings(&report).iter().any(|(kind, ..)| kind == "hole"), "{report}");
    bench.once(&[]).await;
    bench.verify(0, &["--blob", &url, "--settle", "600"]).await;
    bench.passed().await;
}
