//! What a loader takes for a finished file, how it finds it whatever the account lists beside it, and what it says when
//! there is none.

use std::time::Duration;

use crate::loader::Bench;
use crate::support::{Files, Http, capture_file, event, eventually, plain, program, run, store};

#[tokio::test]
async fn a_file_without_bytes_is_waited_for_and_then_taken_for_what_it_is() {
    // A directory, since Azurite's container lets nobody replace a blob through our client.
    let directory = tempfile::tempdir().unwrap();
    let files = Files::at(directory.path().to_str().unwrap()).await;
    let bench = Bench { files, store: store().await.initialised().await };
    let path = |minute: i64| directory.path().join(bench.files.name(0, minute));
    bench.files.add(0, 0, vec![plain(0, 0)]).await;
    bench.files.put(&bench.files.name(0, 1), "").await;
    bench.files.add(0, 2, vec![plain(0, 2)]).await;
    let said = bench.once(&[]).await.err;
    assert!(said.contains("has no bytes yet: left until it is filled") && !said.contains("file quarantined"), "{said}");
    assert_eq!(bench.store.count("capture_files").await, 2);

    // It is filled while a loader runs that finds late files by its polls only if it looks where they are.
    let running = bench.start(&["--poll", "0.1", "--look-back", "0", "--settle", "30"]);
    running.says("has no bytes yet").await;
    std::fs::write(path(1), capture_file([plain(0, 1)])).unwrap();
    bench.until("SELECT count(*) FROM user_event_log", 3).await;
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().await.code, Some(0));
    bench.assert_all(1, 3).await;

    bench.files.put(&bench.files.name(0, 3), "").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let said = bench.once(&["--settle", "0.2"]).await.err;
    assert!(said.contains("file quarantined") && said.contains("no bytes at all"), "{said}");
    bench.passed().await;
}

#[tokio::test]
async fn a_partitions_first_file_is_found_among_the_directories_an_account_lists() {
    let bench = Bench::new().await;
    let add = async |partition: i32, minute: i64, number: i64| {
        let name = bench.files.name(partition, minute);
        // As an account with a hierarchical namespace lists them: entries without bytes and without a slash at the end.
        for (at, _) in name.match_indices('/') {
            if bench.files.container.properties(&name[..at]).await.unwrap().is_none() {
                bench.files.put(&name[..at], "").await;
            }
        }
        bench.files.add(partition, minute, vec![plain(partition, number)]).await;
    };
    add(0, 0, 0).await;
    let running = bench.start(&["--poll", "0.1", "--reconcile", "3600"]);
    let count = "SELECT count(*) FROM user_event_log";
    bench.until(count, 1).await;
    for (partition, loaded) in [(3, 2), (1, 3), (10, 4)] {
        add(partition, 1, 0).await;
        bench.until(count, loaded).await;
    }
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!ended.err.contains("file quarantined") && !ended.err.contains("has no bytes yet"), "{}", ended.err);
    bench.passed().await;
}

#[tokio::test]
async fn a_run_that_finds_no_file_says_what_stands_there_instead() {
    let bench = Bench::new().await;
    let said = bench.fails(&[]).await;
    assert!(said.starts_with("error: nothing was found to load (--allow-empty takes that for success): "), "{said}");
    assert!(
        said.contains("no file of event hub user-events of namespace local in ") && said.contains("it is empty"),
        "{said}"
    );
    bench.once(&["--allow-empty"]).await;

    bench.files.put("logs/today.parquet", "PAR1").await;
    let said = bench.fails(&[]).await;
    assert!(said.contains("other names, such as logs/today.parquet"), "{said}");
    let name = "Contoso-Prod/orders/0/2026/01/02/03/04/05.avro";
    bench.files.put(name, capture_file([plain(0, 0)])).await;
    let said = bench.fails(&[]).await;
    assert!(said.contains("there are files of Contoso-Prod/orders: check --route and --namespace"), "{said}");
    let said = bench.fails(&["--route", "orders=user_event_log"]).await;
    assert!(said.contains("its files stand under namespace Contoso-Prod: --namespace Contoso-Prod"), "{said}");
    let said = bench.fails(&["--route", "Orders=user_event_log", "--namespace", "contoso-prod"]).await;
    assert!(said.contains("--namespace Contoso-Prod --route orders=TABLE"), "{said}");
    let format = "{Namespace}/{EventHub}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}/{PartitionId}";
    let flags = ["--route", "orders=user_event_log", "--name-format", format];
    let said = bench.fails(&flags).await;
    let fits = "{Namespace}/{EventHub}/{PartitionId}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}";
    assert!(said.contains(&format!("--name-format '{fits}' --namespace Contoso-Prod")), "{said}");
    // What it says is what helps.
    let ended = bench.once(&["--route", "orders=user_event_log", "--namespace", "Contoso-Prod"]).await;
    assert!(ended.err.contains("file loaded"), "{}", ended.err);
    // A second run has nothing to load, and found it.
    bench.once(&["--route", "orders=user_event_log", "--namespace", "Contoso-Prod"]).await;
    // Other routes may have nothing yet.
    let routes = "orders=user_event_log,user-events=user_event_log";
    let said = bench.once(&["--route", routes, "--namespace", "Contoso-Prod"]).await.err;
    assert!(said.contains("WARN") && said.contains("no file of event hub user-events"), "{said}");

    let dry = run(bench.loader(&["--dry-run"])).await;
    assert_eq!(dry.code, Some(1), "{}", dry.out);
    assert!(dry.err.contains("nothing was found to load"), "{}", dry.err);
    assert_eq!(run(bench.loader(&["--dry-run", "--allow-empty"])).await.code, Some(0));

    // A loader that stays says it once, and takes what comes.
    let running = bench.start(&["--poll", "0.1", "--http", "127.0.0.1:0"]);
    let http = Http::of(&running).await;
    running.says("no file of event hub user-events").await;
    let told = http.until(None).await;
    assert!(told["nothing_found"]["user-events"].as_str().unwrap().contains("Contoso-Prod/orders"), "{told}");
    bench.files.add(0, 0, vec![plain(0, 0)]).await;
    bench.until("SELECT count(*) FROM user_event_log", 2).await;
    eventually("it is no longer said", async || {
        match http.ready().await.1["nothing_found"].as_object().unwrap().len() {
            0 => Ok(()),
            hubs => Err(hubs),
        }
    })
    .await;
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.err.matches("no file of event hub user-events").count(), 1, "{}", ended.err);
    bench.passed().await;
}

#[tokio::test]
async fn what_a_name_says_twice_is_read() {
    let bench = Bench::new().await;
    let format = "{EventHub}/{Year}/{Month}/{Day}/{Hour}/{EventHub}_{Year}_{Month}_{Day}_{Hour}_{Minute}_{Second}_{PartitionId}_{Namespace}.avro";
    let bench = Bench { files: bench.files.named(format), ..bench };
    bench.files.add_plain(0..2, 0..3, 10).await;
    bench.once(&["--name-format", format]).await;
    bench.assert_all(2, 30).await;
    bench.passed().await;
}

#[tokio::test]
async fn fields_that_go_nowhere_are_told_once_and_a_record_of_nothing_else_is_rejected() {
    let bench = Bench::new().await;
    let body = |number: i64, extra: &str| {
        event(number, format!(r#"{{"id":{number},"op":"insert","event_order":{number}{extra}}}"#))
    };
    let monitor = r#"{"records":[{"time":"2026-01-02T03:04:05Z","category":"AuditEvent"}]}"#;
    bench.files.add(0, 0, vec![body(0, r#","extra":1,"more":2"#), event(1, monitor), body(2, "")]).await;
    bench.files.add(0, 1, vec![body(3, r#","extra":1"#)]).await;
    let running = bench.start(&["--poll", "0.1", "--http", "127.0.0.1:0"]);
    let http = Http::of(&running).await;
    bench.until("SELECT count(*) FROM user_event_log", 3).await;
    bench.files.add(0, 2, vec![body(4, r#","extra":1,"late":1"#)]).await;
    bench.until("SELECT count(*) FROM user_event_log", 4).await;
    let answer = http.until(None).await;
    let counts = serde_json::json!({"user_event_log": {"extra": 3, "late": 1, "more": 1}});
    assert_eq!(answer["unmapped_fields"], counts, "{answer}");
    running.signal(libc::SIGTERM);
    let said = running.end().await.err;
    let told = said.lines().filter(|line| line.contains("have no column and are dropped")).collect::<Vec<_>>();
    for name in ["extra", "more", "late"] {
        assert_eq!(told.iter().filter(|line| line.contains(name)).count(), 1, "{told:#?}");
    }
    let rejected = bench.store.rows("SELECT sequence_number, reason FROM rejected_events").await;
    assert_eq!(rejected, [["1", "none of its fields has a column: `records`"]]);
    let deltawave = |arguments: &[&str]| {
        let mut program = program(env!("CARGO_BIN_EXE_deltawave"), arguments);
        program.env("DELTAWAVE_STORE_URL", bench.store.url());
        run(program)
    };
    let lost = "user_event_log: 5 values of loaded records had no column and are not there";
    let status = deltawave(&["status"]).await;
    assert!(status.out.contains(lost), "{}{}", status.out, status.err);
    // A ledger of before knows nothing of it, until it is completed.
    bench.store.run("ALTER TABLE capture_files DROP COLUMN unmapped; DELETE FROM capture_files").await;
    bench.once(&[]).await;
    let status = deltawave(&["status"]).await;
    assert!(status.out.contains("user_event_log") && !status.out.contains("had no column"), "{}", status.out);
    deltawave(&["init"]).await;
    bench.store.run("DELETE FROM capture_files").await;
    bench.once(&[]).await;
    let status = deltawave(&["status"]).await;
    assert!(status.out.contains(lost), "{}{}", status.out, status.err);
    let mut dry = program(env!("CARGO_BIN_EXE_loader"), &["--dry-run"]);
    dry.env("DELTAWAVE_BLOB", bench.files.url());
    let dry = run(dry).await;
    let fields = "fields  dropped, as `user_event_log` has no column for them: extra (3), late (1), more (1)";
    assert!(dry.out.contains(fields), "{}", dry.out);
    bench.passed().await;
}
