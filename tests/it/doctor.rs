//! `deltawave doctor`: before a loader's flags it tells why that loader fails, and what to do.

use serde_json::{Value, json};

use crate::capture::bench::{TOPIC, broker, produce, text};
use crate::loader::Bench;
use crate::notifications::Inbox;
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
        "✓ account    ",
        "– broker     none is named",
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

/// The line of that kind, with the remedy below it.
fn line(ended: &Ended, what: &str) -> String {
    let begins = |line: &&str| line.split_whitespace().nth(1) == Some(what) && !line.starts_with(' ');
    let mut lines = ended.out.lines().skip_while(|line| !begins(line));
    let first = lines.next().unwrap_or_else(|| panic!("nothing of {what} in\n{}", ended.out)).to_owned();
    let more = lines.take_while(|line| line.starts_with("   "));
    more.fold(first, |all, line| all + "\n" + line)
}

#[tokio::test]
async fn the_broker_is_asked_and_the_way_to_it_explained() {
    let bench = Bench::new().await;
    bench.files.add(0, 0, vec![plain(0, 0)]).await;
    let cluster = broker(2);
    let bootstrap = cluster.bootstrap_servers();
    produce(&bootstrap, TOPIC, 1, &[text("a"), text("b"), text("c")]);
    let ended = doctor(&bench, &["--broker", &bootstrap, "--http", "127.0.0.1:0"]).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    let said = line(&ended, "broker");
    assert!(said.starts_with("✓") && said.contains("user-events has 2 partitions and holds 3 records"), "{said}");
    assert!(line(&ended, "port").contains("is free for --http"), "{}", ended.out);

    let taken = bootstrap.split(',').next().unwrap();
    let ended = doctor(&bench, &["--broker", "127.0.0.1:1", "--http", taken]).await;
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    let said = line(&ended, "broker");
    assert!(said.starts_with("✗") && said.contains("127.0.0.1:1") && said.contains("port is open"), "{said}");
    assert!(line(&ended, "port").starts_with("–"), "{}", ended.out);

    let absent = ["--broker", &bootstrap, "--route", "absent=user_event_log"];
    let said = line(&doctor(&bench, &absent).await, "broker");
    assert!(said.contains("topic absent does not exist at"), "{said}");

    let amqp = ["--event-hub", "contoso/user-events", "--amqp-endpoint", "amqp://127.0.0.1:1"];
    let said = line(&doctor(&bench, &amqp).await, "broker");
    assert!(said.starts_with("✗ broker     ") && said.contains("contoso"), "{said}");

    let string =
        "Endpoint=sb://deltawave-no-such-namespace.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=YQ==";
    let kafka = ["--event-hub", "deltawave-no-such-namespace/user-events", "--connection-string", string];
    let ended = doctor(&bench, &kafka).await;
    let said = line(&ended, "broker");
    assert!(
        said.contains("→ neither deltawave-no-such-namespace.servicebus.windows.net:9093 nor 443 can be reached"),
        "{said}"
    );
    assert!(line(&ended, "secret").contains("--connection-string: read from"), "{}", ended.out);
    assert!(!ended.out.contains("YQ=="), "{}", ended.out);
    bench.passed().await;
}

#[tokio::test]
async fn the_queue_is_asked() {
    let bench = Bench::new().await;
    bench.files.add(0, 0, vec![plain(0, 0)]).await;
    let inbox = Inbox::new().await;
    inbox.put("something").await;
    let ended = doctor(&bench, &["--notifications", &inbox.address]).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    let said = line(&ended, "queue");
    assert!(said.starts_with("✓") && said.ends_with("answers, a message waits"), "{said}");
    let missing = format!("{}none", inbox.address);
    let ended = doctor(&bench, &["--notifications", &missing]).await;
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(line(&ended, "queue").contains("does not exist: create it"), "{}", ended.out);

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
