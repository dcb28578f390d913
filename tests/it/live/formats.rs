//! The live lane and bodies that are more than one flat object.

use serde_json::json;
use time::OffsetDateTime;

use super::{Pipe, ends, lanes, metric};
use crate::support::cloud::{Answer, Asked, Played};
use crate::support::{Http, eventually};

const TABLE: &str = "CREATE TABLE framed (a bigint, event_hub varchar, partition_id int, sequence_number bigint, \
     enqueued_at timestamp, PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at))";

/// A record of the registry's schema, for both partitions.
fn framed(a: u8) -> [(i32, Vec<u8>); 2] {
    let body = vec![0, 0, 0, 0, 1, a * 2];
    [(0, body.clone()), (1, body)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_a_file_has_named_is_known_to_the_lane_too() {
    let schema = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}"#;
    let registry = Played::http(move |_: &Asked| Answer::json(200, json!({"schema": schema}))).await;
    let url = format!("http://127.0.0.1:{}", registry.port());
    let pipe = Pipe::new().await;
    pipe.bench.store.run(TABLE).await;
    let send = |numbers: std::ops::Range<u8>| {
        let now = OffsetDateTime::now_utc().unix_timestamp() * 1000;
        pipe.send_bodies(numbers.flat_map(framed), now);
    };
    send(0..10);
    pipe.capture().await;
    let route = ["--route", "user-events=framed,format=avro", "--require", "", "--schema-registry", &url];
    let running = pipe.start(&route);
    let http = Http::of(&running).await;
    lanes(&http, "reading").await;
    pipe.noted(2).await;
    send(10..30);
    pipe.bench.until("SELECT count(*) FROM framed", 60).await;
    assert_eq!(pipe.bench.store.count("capture_files").await, 2, "no file has them");
    pipe.capture().await;
    pipe.noted(4).await;
    assert_eq!(metric(&http, "deltawave_loader_rows_already_there_total").await, 40.0);
    assert_eq!(pipe.bench.store.number("SELECT sum(a)::bigint FROM framed").await, 2 * (0..30).sum::<i64>());
    ends(running).await;
    pipe.bench.passed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_files_say_exactly_comes_with_its_file() {
    let pipe = Pipe::new().await;
    pipe.send(0..1, std::time::Duration::ZERO);
    let running = pipe.start(&["--route", "user-events=user_event_log,format=debezium"]);
    let http = Http::of(&running).await;
    eventually("a reason", async || {
        let trouble = http.ready().await.1["live"][0]["trouble"].clone();
        let told = trouble.as_str().is_some_and(|trouble| trouble.contains("its rows come with their files"));
        if told { Ok(()) } else { Err(trouble) }
    })
    .await;
    let said = ends(running).await;
    assert_eq!(said.matches("the lane of this route stays shut").count(), 1, "{said}");
    pipe.bench.passed().await;
}
