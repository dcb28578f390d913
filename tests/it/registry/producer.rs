//! What the producer puts into a registry.

use serde_json::json;

use super::CREDENTIALS;
use crate::support::cloud::{Answer, Asked, Played};
use crate::support::{home, program, run, unique};

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_gives_its_schema_to_the_registry_and_says_why_that_is_refused() {
    let registry = Played::http(|asked: &Asked| {
        let posted = asked.method == "POST" && asked.body.contains("UserEvent") && asked.body.contains("AVRO");
        let typed = asked.header("content-type") == Some("application/vnd.schemaregistry.v1+json");
        let may = asked.header("authorization") == Some("Basic YW5uOmh1bnRlcjI=");
        match asked.path.strip_suffix("/subjects/user-events-value/versions").filter(|_| posted && typed) {
            Some("/denied") => Answer::json(403, json!({"error_code": 40301, "message": "ann may not write"})),
            Some("/strict") if may => Answer::json(409, json!({"error_code": 409, "message": "incompatible"})),
            Some("/well") if may => Answer::json(200, json!({"id": 70_000})),
            _ => Answer::json(500, json!({"error_code": 50001, "message": "what is it?"})),
        }
    })
    .await;
    let home = home(&unique("state"));
    let producer = async |path: &str| {
        let url = format!("http://127.0.0.1:{}/{path}", registry.port());
        let flags = ["--format", "avro", "--broker", "127.0.0.1:1", "--give-up", "2", "--events", "1"];
        let mut command = program(env!("CARGO_BIN_EXE_producer"), &[&flags[..], &CREDENTIALS].concat());
        command.args(["--schema-registry", &url]).env("XDG_STATE_HOME", &home);
        let ended = run(command).await;
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        assert!(!ended.err.contains("hunter2"), "{}", ended.err);
        ended.err
    };
    let said = producer("denied").await;
    assert!(
        said.contains("refuses (403 ann may not write): see that") && said.contains("may write its schemas"),
        "{said}"
    );
    let said = producer("strict").await;
    assert!(said.contains("takes no such schema as subjects/user-events-value/versions (409 incompatible)"), "{said}");
    let said = producer("away").await;
    assert!(said.contains("retrying for at most 2 s") && said.contains("it answers 500 what is it?"), "{said}");
    // With the schema there it goes on, as far as a broker that is none.
    let said = producer("well").await;
    assert!(said.contains("schema=70000") && said.contains("127.0.0.1:1"), "{said}");
}
