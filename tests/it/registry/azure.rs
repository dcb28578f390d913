//! Azure Schema Registry, played over https.

use deltawave::capture::PropertyValue;
use serde_json::{Value, json};

use super::{KEY, SCHEMA, path};
use crate::loader::Bench;
use crate::support::cloud::{Answer, Asked, Cloud, Played};
use crate::support::{Running, event, run};

#[tokio::test(flavor = "multi_thread")]
async fn azures_registry_is_asked_with_the_programs_own_identity() {
    const GUID: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let service = Played::https(|asked: &Asked| {
        let bearer = asked.header("authorization").is_some_and(|shown| shown.starts_with("Bearer "));
        let known = path(asked) == format!("/$schemaGroups/$schemas/{GUID}") && asked.query("api-version").is_some();
        match (bearer, known) {
            (false, _) => Answer::json(401, json!({"error": "no token"})),
            (true, true) => Answer::json(200, serde_json::from_str::<Value>(SCHEMA).unwrap()),
            (true, false) => Answer::json(404, json!({"error": "no such schema"})),
        }
    })
    .await;
    let cloud = Cloud::with_event_hubs_at(&service).await;
    let bench = Bench::new().await;
    bench.store.run(&format!("CREATE TABLE azure (a bigint, {KEY})")).await;
    let mut good = event(0, vec![14]);
    good.system_properties = vec![("content-type".to_owned(), PropertyValue::String(format!("avro/binary+{GUID}")))];
    let mut unknown = event(1, vec![14]);
    let other = "avro/binary+ffffffffffffffffffffffffffffffff".to_owned();
    unknown.properties = vec![("content-type".to_owned(), PropertyValue::String(other))];
    bench.files.of_hub("azure").add(0, 0, vec![good, unknown]).await;
    let mut command = bench.loader(&[
        "--once",
        "--route",
        "azure=azure,format=avro",
        "--require",
        "",
        "--schema-registry",
        "azure:contoso",
    ]);
    cloud.show(&mut command);
    let ended = Running::start(command).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(bench.store.rows("SELECT a FROM azure").await, [["7"]]);
    let rejected = bench.store.rows("SELECT reason FROM rejected_events").await;
    assert!(
        rejected[0][0].starts_with("schema registry azure:contoso.servicebus.windows.net does not have schema fff"),
        "{rejected:?}"
    );
    let tokens = cloud.identity.asked();
    assert!(
        tokens.iter().any(|asked| asked.query("resource").as_deref() == Some("https://eventhubs.azure.net")),
        "{tokens:?}"
    );
    bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_held_against_the_schemas_of_azures_registry() {
    const GUID: &str = "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0";
    let schema = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",
        "properties":{"id":{"type":"integer"},"note":{"type":"string","maxLength":5}},"required":["id"]}"#;
    let service = Played::https(move |asked: &Asked| match path(asked).strip_prefix("/$schemaGroups/$schemas/") {
        Some(id) if id.eq_ignore_ascii_case(GUID) => {
            Answer::text(200, "application/json; serialization=Json", schema.to_owned())
        }
        Some(id) if id.starts_with('a') => Answer::text(200, "application/json; serialization=Avro", SCHEMA.to_owned()),
        _ => Answer::text(200, "text/plain; charset=utf-8", "a, b".to_owned()),
    })
    .await;
    let cloud = Cloud::with_event_hubs_at(&service).await;
    let bench = Bench::new().await;
    bench.store.run(&format!("CREATE TABLE orders (id int, note varchar, {KEY})")).await;
    let bodies = [
        (r#"{"id":1,"note":"one"}"#, Some(GUID)),
        (r#"{"id":"2"}"#, Some(GUID)),
        (r#"{"id":3,"note":"too long"}"#, Some(GUID)),
        (r#"{"id":4}"#, None),
        (r#"{"id":5}"#, Some("abababababababababababababababab")),
        (r#"{"id":6}"#, Some("cccccccccccccccccccccccccccccccc")),
        (r#"{"id":7}"#, Some(GUID)),
    ];
    let events = (0..).zip(bodies).map(|(number, (body, id))| {
        let mut event = event(number, body);
        let kind = id.map(|id| format!("application/json+{id}"));
        event.properties =
            kind.map(|kind| ("content-type".to_owned(), PropertyValue::String(kind))).into_iter().collect();
        event
    });
    bench.files.of_hub("orders").add(0, 0, events.collect()).await;
    let route = "orders=orders,format=json,validate=true";
    let flags = ["--once", "--require", "", "--schema-registry", "azure:contoso", "--route"];
    let mut command = bench.loader(&[&flags[..], &[route]].concat());
    cloud.show(&mut command);
    let ended = Running::start(command).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(bench.store.rows("SELECT id, note FROM orders ORDER BY id").await, [["1", "one"], ["7", "NULL"]]);
    let rejected = bench.store.rows("SELECT sequence_number, reason FROM rejected_events ORDER BY 1").await;
    let id = GUID.to_lowercase();
    let reasons = [
        (1, format!("it does not fit its schema {id}: `/id`: \"2\" is not of type \"integer\"")),
        (2, format!("it does not fit its schema {id}: `/note`: \"too long\" is longer than 5 characters")),
        (3, "it names no schema to be held against: ".to_owned()),
        (4, "its schema abababababababababababababababab is Avro, not JSON Schema".to_owned()),
        (
            5,
            "schema cccccccccccccccccccccccccccccccc in azure:contoso.servicebus.windows.net is `text/plain".to_owned(),
        ),
    ];
    assert_eq!(rejected.len(), reasons.len(), "{rejected:?}");
    for ((number, reason), row) in reasons.iter().zip(&rejected) {
        assert!(row[0] == number.to_string() && row[1].starts_with(reason), "{row:?} instead of {reason}");
    }
    // Of Protobuf only Confluent's wire format is read.
    let ended = run(bench.loader(&[&flags[..], &["orders=orders,format=protobuf"]].concat())).await;
    assert!(ended.code == Some(2) && ended.err.contains("--schema-registry: is Azure's"), "{}", ended.err);
    bench.passed().await;
}
