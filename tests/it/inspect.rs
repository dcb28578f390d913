//! `deltawave inspect`: a Capture file as people and jq read it, whole and damaged, from a directory and from a container.

use std::path::Path;

use deltawave::capture::{EnqueuedTime, OutgoingEvent, PropertyValue};
use serde_json::{Value, json};

use crate::support::{Ended, Files, capture_file, event, plain, program, run};

async fn inspect(arguments: &[&str]) -> Ended {
    run(program(env!("CARGO_BIN_EXE_deltawave"), &[&["inspect"], arguments].concat())).await
}

fn keyed(number: i64, key: &str) -> OutgoingEvent {
    OutgoingEvent {
        enqueued_time: EnqueuedTime::parse("1/2/2026 11:59:59 PM").unwrap(),
        system_properties: vec![("x-opt-partition-key".to_owned(), PropertyValue::String(key.to_owned()))],
        properties: vec![
            ("tenant".to_owned(), PropertyValue::Long(7)),
            ("raw".to_owned(), PropertyValue::Bytes(vec![0xff])),
        ],
        ..plain(0, number)
    }
}

/// Writes a file of ten records that has all there is to see: a gap, a null and an odd body, keys and properties.
fn ten(directory: &Path) -> String {
    let mut events: Vec<_> = (0..6).map(|number| keyed(number, ["a", "b"][number as usize % 2])).collect();
    events.push(OutgoingEvent { body: None, ..event(9, "") });
    events.push(event(10, r#"{"id":"no number","op":"insert","event_order":1,"extra":1}"#));
    events.push(event(11, vec![0xff, 0xad]));
    events.push(event(12, r#"{"id":1,"op":"insert","event_order":1,"extra":"\u001b[2J"}"#));
    let path = directory.join("ten.avro");
    std::fs::write(&path, capture_file(events)).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn a_file_is_told_in_a_few_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = ten(directory.path());
    let ended = inspect(&[&path, "--table", "user_event_log"]).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    for line in [
        "schema      Microsoft.ServiceBus.Messaging.EventData: SequenceNumber long, Offset string, EnqueuedTimeUtc string, SystemProperties map of long or \
         double or string or bytes, Properties map of long or double or string or bytes or null, Body null or bytes",
        "codec       null",
        "blocks      1, of at most 10 records and ",
        "records     10, sequence numbers 0 to 12, 3 left out, from 6 on",
        "enqueued    2026-01-02 03:04:05 to 2026-01-02 23:59:59 UTC",
        "bodies      8 JSON objects, 1 bytes, 1 none; 0 to ",
        "keys        2 different; 4 records have none",
        "properties  raw (6), tenant (6)",
        "table       user_event_log: 7 rows, 3 records rejected",
        "fields without a column: extra (1)",
        "first       0  1/2/2026 11:59:59 PM  key a  {",
        "last        10  1/2/2026 3:04:05 AM  {",
        "11  1/2/2026 3:04:05 AM  2 bytes: /60=",
    ] {
        assert!(ended.out.contains(line), "no {line:?} in\n{}", ended.out);
    }
    assert!(ended.out.contains("sequence number 10: ") && ended.out.contains("sequence number 9: "), "{}", ended.out);
    assert!(!ended.out.contains('\u{1b}'), "no body moves the cursor");
    let refused = inspect(&[&path, "--table", "orders"]).await;
    assert!(refused.err.contains("`loader --dry-run --route HUB=orders`"), "{}", refused.err);
}

#[tokio::test]
async fn every_record_is_a_line_for_jq() {
    let directory = tempfile::tempdir().unwrap();
    let ended = inspect(&[&ten(directory.path()), "--json"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let lines: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 10);
    assert_eq!(lines[0]["key"], "a");
    assert_eq!(lines[0]["properties"], json!({"tenant": 7, "raw": {"base64": "/w=="}}));
    assert_eq!(lines[0]["body"]["id"], 0);
    assert_eq!([&lines[6]["body"], &lines[6]["key"]], [&Value::Null, &Value::Null]);
    assert_eq!(lines[8]["body"], json!({"base64": "/60="}));
    assert_eq!(lines[9]["body"]["extra"], "\u{1b}[2J");
}

#[tokio::test]
async fn damage_is_pointed_at_by_byte_and_what_precedes_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let events = (0..4).map(|number| event(number, format!(r#"{{"id":{number},"pad":"{}"}}"#, "x".repeat(20_000))));
    let whole = capture_file(events);
    let path = directory.path().join("cut.avro");
    std::fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    let path = path.display().to_string();
    let ended = inspect(&[&path]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(ended.out.contains("blocks      3, of at most 1 records"), "{}", ended.out);
    assert!(ended.out.contains("damage      ") && ended.out.contains("; 3 records precede"), "{}", ended.out);
    let at: usize =
        ended.err.split("at byte ").nth(1).and_then(|rest| rest.split(';').next()).unwrap().parse().unwrap();
    assert!(at < whole.len() - 100 && ended.err.contains("a loader takes what precedes"), "{}", ended.err);
    assert_eq!(inspect(&[&path, "--json"]).await.out.lines().count(), 3);
    for (content, said) in [(&b""[..], "it has no bytes at all"), (b"PK\x03\x04", "does not start with `Obj` and 1")] {
        std::fs::write(&path, content).unwrap();
        let ended = inspect(&[&path]).await;
        assert!(ended.code == Some(1) && ended.err.contains(said), "{}", ended.err);
    }
    let missing = inspect(&["/nowhere/at/all.avro"]).await;
    assert!(missing.err.contains("cannot read /nowhere/at/all.avro"), "{}", missing.err);
}

#[tokio::test]
async fn a_blob_is_read_where_it_is() {
    let files = Files::new().await;
    let blob = files.add(0, 0, vec![plain(0, 5)]).await;
    let url = format!("{}/{blob}", files.url());
    let ended = inspect(&[&url]).await;
    assert!(ended.out.contains("records     1, sequence numbers 5 to 5, none left out"), "{}{}", ended.out, ended.err);
    let missing = inspect(&[&format!("{}/none.avro", files.url())]).await;
    assert!(missing.code == Some(1) && missing.err.contains("none.avro"), "{}", missing.err);
}
