//! `deltawave doctor`: before a loader's flags it tells why that loader fails, and what to do.

use serde_json::{Value, json};

use crate::loader::Bench;
use crate::support::cloud::{Answer, Asked, Played};
use crate::support::{Ended, Files, plain, program, run, unique};

async fn doctor(bench: &Bench, flags: &[&str]) -> Ended {
    let mut program = program(env!("CARGO_BIN_EXE_deltawave"), &[&["doctor"], flags].concat());
    program.env("DELTAWAVE_BLOB", bench.files.url()).env("DELTAWAVE_STORE_URL", bench.store.url());
    run(program).await
}

#[tokio::test]
async fn all_is_well_where_a_loader_would_load() {
    let bench = Bench::new().await;
    bench.files.add(0, 0, vec![plain(0, 0)]).await;
    let ended = doctor(&bench, &[]).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    for line in [
        "✓ files      1 files of local/user-events in ",
        "✓ read       local/user-events/0/2026/01/02/00/00/00.avro can be read",
        "✓ store      ",
        "✓ clock      ",
        "✓ flush      ",
        "✓ ledger     it is there, and takes writes",
        "✓ table      user-events=user_event_log: ",
        "all is well",
    ] {
        assert!(ended.out.contains(line), "no {line:?} in\n{}", ended.out);
    }
    let ended = doctor(&bench, &["--json"]).await;
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(found["well"], true, "{found}");
    // It has changed nothing.
    assert_eq!(bench.store.count("capture_files").await + bench.store.count("user_event_log").await, 0);
    bench.passed().await;
}

#[tokio::test]
async fn every_fault_is_named_with_its_remedy() {
    let bench = Bench::on_postgres().await;
    let format = "{Namespace}/{EventHub}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}/{PartitionId}";
    bench.files.named(format).add(0, 0, vec![plain(0, 0)]).await;
    bench.store.run("DROP TABLE rejected_events").await;
    let flags = ["--route", "user-events=nowhere", "--store-password", "file:/nowhere/password"];
    let ended = doctor(&bench, &flags[..2]).await;
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(
        ended.out.contains(&format!("--name-format '{format}.avro'"))
            || ended.out.contains(&format!("--name-format '{format}'")),
        "{}",
        ended.out
    );
    for line in [
        "✗ ledger     table rejected_events is not there",
        "→ make it: `deltawave init`",
        "table `nowhere` does not exist",
        "3 things are wrong",
    ] {
        assert!(ended.out.contains(line), "no {line:?} in\n{}", ended.out);
    }
    let ended = doctor(&bench, &flags).await;
    assert!(
        ended.code == Some(1) && ended.out.contains("✗ secret     --store-password: "),
        "{}{}",
        ended.out,
        ended.err
    );
    let gone = Files::new().await;
    let missing = gone.url().replace("capture", "capture-none");
    let ended = doctor(&bench, &["--blob", &missing]).await;
    assert!(ended.out.contains("✗ files      ") && ended.out.contains("does not exist: create it"), "{}", ended.out);
    let away = "postgresql://root@127.0.0.1:1/dev";
    let ended = doctor(&bench, &["--store-url", away]).await;
    assert!(ended.out.contains(&format!("✗ store      store {away}")), "{}", ended.out);
    assert!(ended.out.contains("→ start it, or correct --store-url"), "{}", ended.out);
    let other = bench.store.url().rsplit_once('/').map(|(server, _)| format!("{server}/{}", unique("none"))).unwrap();
    let ended = doctor(&bench, &["--store-url", &other]).await;
    assert!(ended.out.contains("RisingWave's own is dev"), "{}", ended.out);
    let mut behind = program(env!("CARGO_BIN_EXE_deltawave"), &["doctor", "--store-url", away]);
    behind.env("HTTPS_PROXY", "http://proxy.example:3128").env("DELTAWAVE_BLOB", "/nowhere");
    let ended = run(behind).await;
    assert!(
        ended.out.contains("– proxy      HTTPS_PROXY is set") && ended.out.contains("--transport https"),
        "{}",
        ended.out
    );
    let wrong = doctor(&bench, &["--poll", "never"]).await;
    assert_eq!(wrong.code, Some(2), "{}", wrong.err);
    bench.passed().await;
}

#[tokio::test]
async fn a_schema_registry_is_asked_whether_it_lets_a_loader_in() {
    let bench = Bench::new().await;
    bench.files.add(0, 0, vec![plain(0, 0)]).await;
    let registry = Played::http(|asked: &Asked| match asked.path.as_str() {
        "/well/schemas/types" => Answer::json(200, json!(["AVRO", "JSON"])),
        "/denied/schemas/types" => Answer::json(401, json!({"error_code": 401, "message": "who is it?"})),
        _ => Answer::json(503, json!({"error_code": 503, "message": "not now"})),
    })
    .await;
    let at = |path: &str| format!("http://127.0.0.1:{}/{path}", registry.port());
    let route = "user-events=user_event_log,format=avro";
    for (path, code, said) in [
        ("well", 0, "✓ registry   schema registry http://127.0.0.1:"),
        ("denied", 1, "/denied refuses (401 who is it?): see that --schema-registry-user"),
        ("away", 1, "→ check its address (--schema-registry)"),
    ] {
        let ended = doctor(&bench, &["--route", route, "--schema-registry", &at(path)]).await;
        assert_eq!(ended.code, Some(code), "{}{}", ended.out, ended.err);
        assert!(ended.out.contains(said), "no {said:?} in\n{}", ended.out);
    }
    // One that no route has use for is left alone.
    let ended = doctor(&bench, &["--schema-registry", &at("away")]).await;
    assert!(ended.code == Some(0) && !ended.out.contains("registry"), "{}", ended.out);
    bench.passed().await;
}
