//! `producer --transport amqp` and `loader --live` on a played event hub, and the properties of its partitions as the
//! other end of the lag.

mod live;
mod peer;
mod readers;
mod tls;

use std::collections::HashMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde_json::Value;
use tokio::process::Command;

use crate::loader::Bench;
use crate::support::{Ended, Running, eventually, home, plain, program, run, unique};
use peer::{Peer, Taken, Trouble};
use tls::TlsFront;

const PARTITIONS: usize = 4;

/// A producer over AMQP, its numbers 1, 2, 3 and so on.
fn producer(peer: &Peer, flags: &[&str]) -> Command {
    let always = ["--transport", "amqp", "--order-start", "1", "--quiet"];
    let mut command = program(env!("CARGO_BIN_EXE_producer"), &[&always, flags].concat());
    command.envs(peer.environment());
    command
}

/// Runs one that must fail, and gives the sentence it ended with.
async fn fails(peer: &Peer, flags: &[&str]) -> String {
    let began = Instant::now();
    let ended = run(producer(peer, &[&["--log", "off"], flags].concat())).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    assert!(ended.err.starts_with("error: ") && !ended.err.contains("a-token"), "{}", ended.err);
    assert!(began.elapsed() < Duration::from_secs(60), "after {:?}: {}", began.elapsed(), ended.err);
    ended.err
}

fn order(event: &Taken) -> i64 {
    serde_json::from_str::<Value>(&event.body).unwrap()["event_order"].as_i64().unwrap()
}

/// The numbers of each partition's events as they arrived.
fn orders(peer: &Peer) -> Vec<Vec<i64>> {
    peer.taken().iter().map(|events| events.iter().map(order).collect()).collect()
}

/// Asserts that events 1 to `all` arrived, each id's in one partition and, but for repeats, in order. Gives how many
/// came again.
fn assert_arrived(peer: &Peer, all: usize) -> usize {
    let mut partition_of = HashMap::new();
    let (mut seen, mut again) = (Vec::new(), 0);
    for (partition, events) in peer.taken().iter().enumerate() {
        let mut highest = 0;
        for event in events {
            let id = serde_json::from_str::<Value>(&event.body).unwrap()["id"].as_i64().unwrap();
            assert_eq!(*partition_of.entry(id).or_insert(partition), partition, "id {id} is in two partitions");
            if order(event) > highest {
                highest = order(event);
                seen.push(highest);
            } else {
                again += 1;
            }
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=i64::try_from(all).unwrap()).collect::<Vec<_>>());
    again
}

fn ok(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_arrives_once_in_the_partition_that_kafka_would_choose() {
    const EVENTS: &str = "3000";
    let stream = ["--events", EVENTS, "--rate", "max", "--users", "200", "--seed", "7"];
    let peer = Peer::start(PARTITIONS).await;
    let ended = run(producer(&peer, &[&stream, ["--log-level", "trace"].as_slice()].concat())).await;
    ok(&ended);
    assert!(!ended.err.contains("a-token"), "a token in the log");
    assert!(ended.out.starts_with("3000 events sent, 3000 acknowledged, 0 failed"), "{}", ended.out);
    assert_eq!(assert_arrived(&peer, 3000), 0);
    assert_eq!((peer.connections(), peer.tokens()), (1, ["a-token".to_owned()].into()));
    // The partition is chosen here: a key would be hashed anew by the service, to another partition than Kafka's.
    assert!(peer.taken().concat().iter().all(|event| event.key.is_none()));
    // Batches, not an exchange for each event.
    assert!(peer.batches() < 1000, "{}", peer.batches());

    // The same stream over Kafka.
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("user-events", PARTITIONS as i32, 1).unwrap();
    let broker = mock.bootstrap_servers();
    let kafka = ["--broker", &broker, "--order-start", "1", "--quiet"];
    ok(&run(program(env!("CARGO_BIN_EXE_producer"), &[&kafka, stream.as_slice()].concat())).await);
    let over_kafka = tokio::task::spawn_blocking(move || kafka_orders(&broker)).await.unwrap();
    assert_eq!(orders(&peer), over_kafka);
}

/// The same of a Kafka topic.
fn kafka_orders(broker: &str) -> Vec<Vec<i64>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("group.id", "unused").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut assignment = TopicPartitionList::new();
    let mut left = 0;
    for partition in 0..PARTITIONS as i32 {
        assignment.add_partition_offset("user-events", partition, Offset::Beginning).unwrap();
        left += consumer.fetch_watermarks("user-events", partition, Duration::from_secs(20)).unwrap().1;
    }
    consumer.assign(&assignment).unwrap();
    let mut orders = vec![Vec::new(); PARTITIONS];
    for _ in 0..left {
        let record = consumer.poll(Duration::from_secs(20)).expect("the broker gives no more records").unwrap();
        let event: Value = serde_json::from_slice(record.payload().unwrap()).unwrap();
        orders[record.partition() as usize].push(event["event_order"].as_i64().unwrap());
    }
    orders
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_break_lose_nothing_and_repeat_only_what_was_not_acknowledged() {
    let peer = Peer::start(PARTITIONS).await;
    peer.script([
        (1, Trouble::Detach),
        (3, Trouble::Busy),
        (4, Trouble::Cut),
        // As when a token has expired.
        (6, Trouble::Refuse),
        (7, Trouble::Cut),
        (8, Trouble::Busy),
    ]);
    let ended = run(producer(&peer, &["--events", "4000", "--rate", "2000", "--users", "100"])).await;
    ok(&ended);
    assert!(ended.out.starts_with("4000 events sent, 4000 acknowledged, 0 failed"), "{}", ended.out);
    let again = assert_arrived(&peer, 4000);
    assert!(again > 0, "a batch that is taken and not acknowledged is sent again");
    assert!(peer.connections() > 2, "{}", peer.connections());
    for words in ["no acknowledgement, events wait", "events are acknowledged again"] {
        assert!(ended.err.contains(words), "{}", ended.err);
    }
    println!("4000 events in {} batches over {} connections, {again} twice", peer.batches(), peer.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_goes_away_costs_no_acknowledged_event() {
    let peer = Peer::start(PARTITIONS).await;
    let running = Running::start(producer(&peer, &["--rate", "500", "--give-up", "3"]));
    eventually("events", async || if peer.batches() > 20 { Ok(()) } else { Err(peer.batches()) }).await;
    // From now on every batch ends its connection, and no new one is authorised.
    peer.script((0..100_000).map(|batch| (batch, Trouble::Cut)));
    peer.authorise(503);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let sentence = ended.err.lines().last().unwrap();
    assert!(
        sentence.contains(" events were not acknowledged by contoso.servicebus.windows.net/user-events"),
        "{sentence}"
    );
    let acknowledged: usize =
        ended.out.split(" sent, ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    let arrived: std::collections::HashSet<i64> = orders(&peer).into_iter().flatten().collect();
    assert!(acknowledged > 20 && arrived.len() >= acknowledged, "{acknowledged} of {}", arrived.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_stop_waits_for_what_is_under_way() {
    let peer = Peer::start(PARTITIONS).await;
    let running = Running::start(producer(&peer, &["--rate", "300"]));
    eventually("events", async || if peer.batches() > 10 { Ok(()) } else { Err(peer.batches()) }).await;
    running.signal(libc::SIGINT);
    let ended = running.end().await;
    ok(&ended);
    let sent = orders(&peer).concat().len();
    assert!(ended.out.starts_with(&format!("{sent} events sent, {sent} acknowledged, 0 failed")), "{}", ended.out);
    assert_eq!(assert_arrived(&peer, sent), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_trying_mends_is_told_at_once_in_one_sentence() {
    let peer = Peer::start(PARTITIONS).await;
    peer.authorise(401);
    let said = fails(&peer, &["--events", "5", "--rate", "max"]).await;
    assert!(
        said.contains("contoso.servicebus.windows.net/user-events") && said.contains("refuses this identity"),
        "{said}"
    );
    assert!(said.contains("Token issuer is invalid") && said.contains("Azure Event Hubs Data Sender"), "{said}");
    peer.authorise(202);
    let said = fails(&peer, &["--event-hub", "contoso/nowhere", "--events", "5"]).await;
    assert!(
        said.contains("event hub contoso.servicebus.windows.net/nowhere") && said.contains("does not exist"),
        "{said}"
    );
    // Authorised, but not to send.
    peer.script((0..100).map(|batch| (batch, Trouble::Refuse)));
    let said = fails(&peer, &["--events", "5", "--rate", "max"]).await;
    assert!(said.contains("5 of 5 events were not acknowledged") && said.contains("'Send' claim required"), "{said}");
    assert!(peer.taken().concat().is_empty());
    // No identity at all.
    let mut command = producer(&peer, &["--events", "5", "--give-up", "1", "--log", "off"]);
    command.env("IDENTITY_ENDPOINT", "http://127.0.0.1:9/tok");
    let ended = run(command).await;
    assert_eq!((ended.code, ended.err.lines().count()), (Some(1), 1), "{}", ended.err);
    assert!(ended.err.contains("no token for contoso"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_away_or_silent_is_given_up_in_time() {
    let peer = Peer::start(PARTITIONS).await;
    let said = fails(&peer, &["--amqp-endpoint", "amqp://127.0.0.1:9", "--give-up", "1"]).await;
    assert!(said.contains("cannot be reached over AMQP now") && said.contains("5671"), "{said}");
    // Takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("amqp://127.0.0.1:{}", silent.local_addr().unwrap().port());
    let said = fails(&peer, &["--amqp-endpoint", &endpoint, "--give-up", "2"]).await;
    assert!(said.contains("no answer within 2 s"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_to_a_certificate_that_is_trusted_and_to_no_other() {
    let peer = Peer::start(PARTITIONS).await;
    let front = TlsFront::to(peer.port).await;
    let flags = ["--events", "100", "--rate", "max", "--amqp-endpoint", &format!("amqps://localhost:{}", front.port)];
    let mut command = producer(&peer, &flags);
    command.env("SSL_CERT_FILE", &front.authority);
    ok(&run(command).await);
    assert_eq!(assert_arrived(&peer, 100), 0);
    // Nobody vouches for it.
    let said = fails(&peer, &[&flags, ["--give-up", "1"].as_slice()].concat()).await;
    assert!(said.contains("certificate verify failed"), "{said}");
    // It is somebody else's.
    let elsewhere = format!("amqps://127.0.0.1:{}", front.port);
    let flags = ["--events", "1", "--amqp-endpoint", &elsewhere, "--give-up", "1", "--log", "off"];
    let mut command = producer(&peer, &flags);
    command.env("SSL_CERT_FILE", &front.authority);
    let ended = run(command).await;
    assert_eq!((ended.code, ended.err.lines().count()), (Some(1), 1), "{}", ended.err);
    assert!(ended.err.contains("certificate verify failed"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn own_lines_are_sent_unchanged_and_one_that_is_too_large_is_named() {
    let peer = Peer::start(PARTITIONS).await;
    let file = home(&unique("lines"));
    let large = format!(r#"{{"id":2,"text":"{}"}}"#, "x".repeat(999_000));
    let lines = [r#"{"id": 1,  "ä": [1]}"#, &large, r#"{"id":"1","then":true}"#, r#"{"id":2}"#];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let input = |file: &std::path::Path| {
        let flags = ["--transport", "amqp", "--quiet", "--log", "off", "--input", file.to_str().unwrap()];
        let mut command = program(env!("CARGO_BIN_EXE_producer"), &flags);
        command.envs(peer.environment());
        command
    };
    ok(&run(input(&file)).await);
    let mut bodies: Vec<_> = peer.taken().concat().into_iter().map(|event| event.body).collect();
    bodies.sort_by_key(|body| lines.iter().position(|line| line == body));
    assert_eq!(bodies, lines);
    std::fs::write(&file, format!(r#"{{"id":2,"text":"{}"}}"#, "x".repeat(999_982))).unwrap();
    let ended = run(input(&file)).await;
    assert_eq!((ended.code, ended.err.lines().count()), (Some(1), 1), "{}", ended.err);
    assert!(ended.err.contains("takes no event of 1000001 bytes"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_properties_of_partitions_are_the_other_end_of_the_lag() {
    let peer = Peer::start(2).await;
    peer.fill(0, 150);
    peer.fill(1, 100);
    let bench = Bench::new().await;
    bench.files.add(0, 1, (0..100).map(|number| plain(0, number)).collect()).await;
    bench.files.add(1, 1, (0..100).map(|number| plain(1, number)).collect()).await;
    bench.once(&[]).await;
    let deltawave = async |flags: &[&str]| {
        let mut command = program(env!("CARGO_BIN_EXE_deltawave"), flags);
        command.env("DELTAWAVE_STORE_URL", bench.store.url()).envs(peer.environment());
        run(command).await
    };
    let ended = deltawave(&["verify", "--json"]).await;
    ok(&ended);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let lag = |report: &Value| [0, 1].map(|line: usize| report["partitions"][line]["lag"].as_i64().unwrap());
    assert_eq!((lag(&report), report["findings"].as_array().unwrap().len()), ([50, 0], 0));
    let status = deltawave(&["status"]).await;
    ok(&status);
    assert!(status.out.lines().nth(1).unwrap().contains(" 50  "), "{}", status.out);

    // What followed is gone before anybody captured it. The files could tell, were they shown.
    peer.forget(120);
    let ended = deltawave(&["verify", "--json"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let finding = &report["findings"][0];
    assert_eq!((&finding["kind"], &finding["first"], &finding["last"]), (&"unproven".into(), &100.into(), &119.into()));
    // No file of this hub, by its own namespace, waits.
    let ended = deltawave(&["verify", "--json", "--blob", &bench.files.url()]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.out);
    assert!(ended.out.contains("they were never captured"), "{}", ended.out);

    // The hub is made anew: what it holds now is all to come.
    peer.forget(0);
    peer.empty();
    peer.fill(0, 30);
    let ended = deltawave(&["verify", "--json"]).await;
    ok(&ended);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(lag(&report), [30, 0]);
    assert!(report["findings"][0]["text"].as_str().unwrap().contains("made anew"), "{report:#}");

    peer.authorise(401);
    let ended = deltawave(&["status"]).await;
    assert_eq!((ended.code, ended.err.lines().count()), (Some(1), 1), "{}", ended.err);
    assert!(ended.err.contains("refuses this identity"), "{}", ended.err);
    bench.passed().await;
}
