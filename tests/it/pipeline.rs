//! The three programs over Apache Kafka, Azurite and the store: killed and restarted in the middle, and counted at the
//! end against the broker itself.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use deltawave::kafka::{Cluster, Endpoint, MissingTopic};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use crate::support::{Ended, Running, azurite, eventually, home, kafka, program, run, store, unique};

const PRODUCER: &str = env!("CARGO_BIN_EXE_producer");
const CAPTURE: &str = env!("CARGO_BIN_EXE_capture");
const LOADER: &str = env!("CARGO_BIN_EXE_loader");
const PARTITIONS: u16 = 4;

/// One record of the topic, as the broker has it.
struct Taken {
    partition: i32,
    offset: i64,
    event: serde_json::Value,
}

/// All the topic holds, read from the broker with a client of the test's own.
fn topic(bootstrap: &str, topic: &str, ends: &[(i32, i64)]) -> Vec<Taken> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "unused")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for (partition, _) in ends {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let total: i64 = ends.iter().map(|(_, end)| end).sum();
    let mut taken = Vec::new();
    while (taken.len() as i64) < total {
        let record = consumer.poll(Duration::from_secs(20)).expect("the broker gives no more records").unwrap();
        let event = serde_json::from_slice(record.payload().unwrap()).unwrap();
        taken.push(Taken { partition: record.partition(), offset: record.offset(), event });
    }
    taken
}

/// What `latest_user_state` must show: per id the event with the highest order, unless it is a delete.
fn latest(taken: &[Taken]) -> Vec<Vec<String>> {
    let mut newest: BTreeMap<i64, &Taken> = BTreeMap::new();
    for record in taken {
        let order = |record: &Taken| record.event["event_order"].as_i64().unwrap();
        let slot = newest.entry(record.event["id"].as_i64().unwrap()).or_insert(record);
        if order(record) > order(slot) {
            *slot = record;
        }
    }
    let text = |field: &str, value: &serde_json::Value| match value {
        serde_json::Value::Null => "NULL".to_owned(),
        serde_json::Value::String(text) if field == "ts" => text.replace('T', " "),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let alive = newest.values().filter(|record| record.event["op"] != "delete");
    alive
        .map(|record| ["id", "name", "age", "op", "ts"].map(|field| text(field, &record.event[field])).to_vec())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_in_the_middle_and_two_producers_at_once_lose_and_double_nothing() {
    let kafka = kafka().await;
    let bootstrap = kafka.bootstrap();
    let hub = unique("events");
    let store = store().await.initialised().await;
    let endpoint = Endpoint::plaintext(bootstrap.parse().unwrap());
    let cluster = Cluster::connect(&endpoint, MissingTopic::Leave, Duration::from_secs(20)).await.unwrap();
    cluster.create_topic(&hub, PARTITIONS).await.unwrap();
    let blob = format!("{}/{}", azurite().await.blob_endpoint(), unique("capture"));
    let orders = home(&unique("orders"));

    let producer = |events: &str, rate: &str| {
        Running::start(program(
            PRODUCER,
            &[
                "--broker",
                &bootstrap,
                "--topic",
                &hub,
                "--events",
                events,
                "--rate",
                rate,
                "--users",
                "80",
                "--quiet",
                "--order-file",
                orders.to_str().unwrap(),
            ],
        ))
    };
    let capture = || {
        Running::start(program(CAPTURE, &["--broker", &bootstrap, "--topic", &hub, "--blob", &blob, "--window", "1"]))
    };
    let route = format!("{hub}=user_event_log");
    let url = store.url();
    let loader = |flags: &[&'static str]| {
        let arguments = ["--blob", &blob, "--store-url", &url, "--route", &route, "--poll", "0.1"];
        Running::start(program(LOADER, &[&arguments, flags].concat()))
    };
    let loaded = async |at_least: i64| {
        eventually("rows in the store", async || {
            let rows = store.count("user_event_log").await;
            if rows >= at_least { Ok(rows) } else { Err(rows) }
        })
        .await
    };

    let (mut capturing, mut loading) = (capture(), loader(&[]));
    let (first, second) = (producer("6000", "1500"), producer("6000", "1500"));
    loaded(500).await;
    capturing.signal(libc::SIGKILL);
    capturing = {
        capturing.end().await;
        capture()
    };
    loaded(2000).await;
    loading.signal(libc::SIGKILL);
    loading = {
        loading.end().await;
        loader(&[])
    };
    loaded(3000).await;
    // One producer dies without a word, another takes its place.
    first.signal(libc::SIGKILL);
    first.end().await;
    let third = producer("2000", "max");
    let ok = |ended: Ended| assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
    ok(third.end().await);
    ok(second.end().await);
    // Ends when asked, with the open windows written.
    capturing.signal(libc::SIGTERM);
    ok(capturing.end().await);
    loading.signal(libc::SIGTERM);
    ok(loading.end().await);
    ok(run(program(CAPTURE, &["--broker", &bootstrap, "--topic", &hub, "--blob", &blob, "--until-end"])).await);
    ok(loader(&["--once"]).end().await);

    let mut ends = Vec::new();
    for partition in cluster.partitions(&hub).await.unwrap() {
        ends.push((partition, cluster.watermarks(&hub, partition).await.unwrap().1));
    }
    let taken = topic(&bootstrap, &hub, &ends);
    let expected: HashSet<(String, String)> =
        taken.iter().map(|record| (record.partition.to_string(), record.offset.to_string())).collect();
    assert!(taken.len() >= 8000);
    let rows = store.rows("SELECT partition_id, sequence_number FROM user_event_log").await;
    let found: HashSet<_> = rows.iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!((rows.len(), found.len()), (taken.len(), taken.len()), "lost or doubled");
    assert_eq!(found, expected);
    let orders: HashSet<_> = taken.iter().map(|record| record.event["event_order"].as_i64()).collect();
    assert_eq!(orders.len(), taken.len(), "two events have one event_order");
    let state = store.rows("SELECT id, name, age, op, ts FROM latest_user_state ORDER BY id").await;
    let expected = latest(&taken);
    let wrong: Vec<_> = state.iter().zip(&expected).find(|(found, sent)| found != sent).into_iter().collect();
    assert!(state == expected, "{} rows, {} expected, first difference {wrong:?}", state.len(), expected.len());
    assert_eq!(store.count("rejected_events").await, 0);
    assert_eq!(store.count("capture_gaps").await, 0);
    println!("3 kills and 1 restart by request: {} records in the broker, {} in the store", taken.len(), rows.len());
    store.passed().await;
}
