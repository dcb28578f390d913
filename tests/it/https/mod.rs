//! `producer --transport https` on a played event hub that is reached through a proxy, and `--transport auto`.

mod hub;

use std::collections::{HashMap, HashSet};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::Command;

use crate::eventhubs;
use crate::support::cloud::{Answer, Asked, Cloud, Played};
use crate::support::{Ended, Manner, Proxy, Running, eventually, home, program, run, unique};
use hub::{HOST, HUB, Hub, POLICY, Trouble, signature};

/// Both keys of a policy, which must be in no output.
const KEYS: [&str; 2] = ["Zmlyc3Qta2V5K3dpdGg9c2lnbnM=", "c2Vjb25kLWtleQ=="];

/// A hub, and a proxy that leads to it alone.
struct Site {
    hub: Hub,
    cloud: Cloud,
}

impl Site {
    async fn new() -> Site {
        let hub = Hub::start().await;
        let cloud = Cloud::with_event_hubs_at(&hub.server).await;
        Site { hub, cloud }
    }

    /// A producer over HTTPS, its numbers 1, 2, 3 and so on.
    fn producer(&self, flags: &[&str]) -> Command {
        let always = ["--order-start", "1", "--quiet"];
        let mut command = program(env!("CARGO_BIN_EXE_producer"), &[&always, flags].concat());
        self.cloud.show(&mut command);
        command.env("DELTAWAVE_EVENT_HUB", "contoso/user-events").env("DELTAWAVE_TRANSPORT", "https");
        command.env("DELTAWAVE_CREDENTIAL", "managed-identity");
        command
    }

    /// Runs one that must fail, and gives the sentence it ended with.
    async fn fails(&self, flags: &[&str]) -> String {
        sentence(self.producer(&[&["--log", "off"], flags].concat())).await
    }

    /// The numbers of each key's events as they arrived.
    fn orders(&self) -> HashMap<String, Vec<i64>> {
        let mut orders = HashMap::<String, Vec<i64>>::new();
        for event in self.hub.taken() {
            let body: Value = serde_json::from_str(&event.body).unwrap();
            assert_eq!(body["id"].to_string(), event.key);
            orders.entry(event.key).or_default().push(body["event_order"].as_i64().unwrap());
        }
        orders
    }

    /// Asserts that events 1 to `all` arrived, each key's in order but for repeats. Gives how many came again.
    fn assert_arrived(&self, all: usize) -> usize {
        self.hub.assert_sound();
        let (mut seen, mut again) = (HashSet::new(), 0);
        for (key, orders) in self.orders() {
            // What is repeated is a run of what came before; what is new goes on from the highest.
            let mut highest = 0;
            for order in orders {
                if order > highest {
                    assert!(seen.insert(order));
                    highest = order;
                } else {
                    assert!(seen.contains(&order), "{order} of key {key} came too late");
                    again += 1;
                }
            }
        }
        assert_eq!(seen.len(), all);
        assert!((1..=i64::try_from(all).unwrap()).all(|order| seen.contains(&order)));
        again
    }
}

async fn sentence(command: Command) -> String {
    let began = Instant::now();
    let ended = run(command).await;
    assert_eq!((ended.code, ended.err.lines().count()), (Some(1), 1), "{}", ended.err);
    assert!(ended.err.starts_with("error: "), "{}", ended.err);
    assert!(began.elapsed() < Duration::from_secs(20), "after {:?}: {}", began.elapsed(), ended.err);
    assert_no_secret(&ended);
    ended.err
}

fn assert_no_secret(ended: &Ended) {
    for secret in [KEYS[0], KEYS[1], "eyJ", "Bearer ", "sig="] {
        assert!(!ended.err.contains(secret) && !ended.out.contains(secret), "{secret}: {}{}", ended.out, ended.err);
    }
}

/// Ended well, and acknowledged all.
fn assert_all(ended: &Ended, events: usize) {
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
    let summary = format!("{events} events sent, {events} acknowledged, 0 failed");
    assert!(ended.out.starts_with(&summary), "{}", ended.out);
    assert_no_secret(ended);
}

fn connection_string(key: &str) -> String {
    format!("Endpoint=sb://{HOST}/;SharedAccessKeyName={POLICY};SharedAccessKey={key}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_arrives_once_and_each_keys_in_order() {
    let site = Site::new().await;
    let stream = ["--events", "3000", "--rate", "max", "--users", "20", "--seed", "7", "--log-level", "trace"];
    let began = Instant::now();
    let ended = run(site.producer(&stream)).await;
    assert_all(&ended, 3000);
    assert!(ended.out.contains(" insert, ") && ended.out.contains(" delete"), "{}", ended.out);
    assert!(ended.err.contains("transport=\"https\""), "the way is told");
    assert_eq!(site.assert_arrived(3000), 0);
    assert_eq!(site.orders().len(), 20);
    // Batches, not a request for each event; and a token for all of them.
    let requests = site.hub.requests().len();
    assert!(requests < 1500, "{requests}");
    assert!(site.cloud.identity.asked().len() <= 3, "{}", site.cloud.identity.asked().len());
    println!("3000 events of 20 keys in {requests} requests, {:?}", began.elapsed());

    // The worst case: hardly a key comes twice, so that there is hardly a batch.
    let (site, began) = (Site::new().await, Instant::now());
    assert_all(
        &run(site.producer(&["--events", "3000", "--rate", "max", "--users", "100000", "--seed", "7"])).await,
        3000,
    );
    assert_eq!(site.assert_arrived(3000), 0);
    println!("3000 events of {} keys in {:?}", site.orders().len(), began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_strings_and_signatures_are_taken_and_a_renewed_key_is_read() {
    let site = Site::new().await;
    site.hub.keys(&[KEYS[0]]);
    let key = format!("{};EntityPath={HUB}", connection_string(KEYS[0]));
    let made = format!("Endpoint=sb://{HOST}/;SharedAccessSignature={}", signature(KEYS[0]));
    let mut sent = 0;
    for (what, proof) in [("its key", key), ("a signature in it", made), ("a signature", signature(KEYS[0]))] {
        let file = home(&unique("proof"));
        std::fs::write(&file, format!("{proof}\n")).unwrap();
        let mut command = site.producer(&["--events", "30", "--rate", "max", "--log-level", "trace"]);
        command.env("DELTAWAVE_CONNECTION_STRING", format!("file:{}", file.display()));
        assert_all(&run(command).await, 30);
        sent += 30;
        assert_eq!(site.hub.taken().len(), sent, "{what}");
    }
    site.hub.assert_sound();
    assert!(site.cloud.identity.asked().is_empty());

    // The key is renewed while events are sent, and a moment later the file has the new one.
    let site = Site::new().await;
    site.hub.keys(&[KEYS[0]]);
    let file = home(&unique("proof"));
    std::fs::write(&file, connection_string(KEYS[0])).unwrap();
    let mut command = site.producer(&["--events", "600", "--rate", "200"]);
    command.env("DELTAWAVE_CONNECTION_STRING", format!("file:{}", file.display()));
    let running = Running::start(command);
    eventually("events", async || if site.hub.taken().len() > 50 { Ok(()) } else { Err(site.hub.taken().len()) }).await;
    site.hub.keys(&[KEYS[1]]);
    running.says("no acknowledgement, events wait").await;
    std::fs::write(&file, connection_string(KEYS[1])).unwrap();
    let ended = running.end().await;
    assert_all(&ended, 600);
    assert_eq!(site.assert_arrived(600), 0);
    for words in ["another one was read and is used", "events are acknowledged again"] {
        assert!(ended.err.contains(words), "{words}: {}", ended.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_passes_loses_nothing_and_repeats_only_what_was_not_acknowledged() {
    let site = Site::new().await;
    site.hub.script([
        (1, Trouble::Refused(500, None)),
        (3, Trouble::Refused(429, Some("1"))),
        (6, Trouble::Cut),
        (8, Trouble::TakenAndCut),
        (10, Trouble::CutInBody),
        (12, Trouble::Page),
        (14, Trouble::Quota),
        // As when a role has gone for a moment.
        (16, Trouble::Refused(403, None)),
        (18, Trouble::Refused(408, None)),
        (20, Trouble::Refused(503, Some("a date"))),
        (24, Trouble::Refused(502, None)),
        (26, Trouble::Refused(503, None)),
        (30, Trouble::TakenAndSilent),
    ]);
    let ended = run(site.producer(&["--events", "2000", "--rate", "400", "--users", "5"])).await;
    assert_all(&ended, 2000);
    let again = site.assert_arrived(2000);
    let requests = site.hub.requests();
    // Those of the connection cut in the head, and of the silence, and no others.
    let twice: usize = [8, 30].map(|number: usize| requests[number].1).iter().sum();
    assert_eq!(again, twice);
    for words in ["no acknowledgement, events wait", "events are acknowledged again"] {
        assert!(ended.err.contains(words), "{}", ended.err);
    }
    println!("2000 events in {} requests, {again} twice", requests.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_is_asked_for_is_kept_by_all() {
    for (status, asked, least) in [(429, "2", 1900), (503, "2", 1900), (503, "a date", 900)] {
        let site = Site::new().await;
        site.hub.script([(0, Trouble::Refused(status, Some(asked)))]);
        assert_all(&run(site.producer(&["--events", "300", "--rate", "300", "--users", "50"])).await, 300);
        assert_eq!(site.assert_arrived(300), 0);
        let requests = site.hub.requests();
        // What was under way when the answer came is out already; without a pause it would be nearly all.
        let later: Vec<_> = requests[1..].iter().map(|(at, _)| at.duration_since(requests[0].0).as_millis()).collect();
        let before = later.iter().filter(|after| **after < least).count();
        assert!(before < 60 && later.len() - before > 30, "{status} {asked}: {later:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_trying_mends_is_told_at_once_in_one_sentence() {
    let site = Site::new().await;
    let five = ["--events", "5", "--rate", "max", "--users", "1"];
    for (status, words) in [
        (401, "refuses this identity (401 The server was unable to process the request): see that --credential"),
        (403, "Azure Event Hubs Data Sender"),
        (404, "does not exist (404"),
        (410, "does not exist (410"),
        (400, "refuses (400 The server was"),
        (413, "takes no event of"),
    ] {
        site.hub.always(Some(Trouble::Refused(status, None)));
        let said = site.fails(&five).await;
        assert!(said.contains("5 of 5 events were not acknowledged") && said.contains(words), "{status}: {said}");
        assert!(said.contains(&format!("{HOST}/{HUB}")) && !said.contains("TrackingId"), "{said}");
    }
    site.hub.always(None);
    let said = site.fails(&[&five[..], &["--event-hub", "contoso/nowhere"]].concat()).await;
    assert!(said.contains(&format!("event hub {HOST}/nowhere does not exist")), "{said}");
    // Signed by another key, and for something else.
    site.hub.keys(&[KEYS[0]]);
    let mut command = site.producer(&[&five[..], &["--log", "off"]].concat());
    command.env("DELTAWAVE_CONNECTION_STRING", connection_string(KEYS[1]));
    let said = sentence(command).await;
    assert!(said.contains("refuses the connection string (401 InvalidSignature"), "{said}");
    let file = home(&unique("proof"));
    std::fs::write(&file, connection_string(KEYS[0]).replace("contoso", "fabrikam")).unwrap();
    let said = site.fails(&[&five[..], &["--connection-string", &format!("file:{}", file.display())]].concat()).await;
    assert!(said.contains("--connection-string is for the namespace fabrikam"), "{said}");
    // No identity at all.
    site.hub.keys(&[]);
    site.cloud.identity.answer(400);
    let said = site.fails(&[&five[..], &["--give-up", "1"]].concat()).await;
    assert!(said.contains("no token for https://eventhubs.azure.net"), "{said}");
    assert!(site.hub.taken().is_empty());
    site.hub.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_goes_away_costs_no_acknowledged_event() {
    for trouble in [
        Trouble::Refused(503, Some("600")),
        Trouble::Refused(429, None),
        Trouble::Refused(500, None),
        Trouble::TakenAndCut,
        Trouble::TakenAndSilent,
        Trouble::Page,
    ] {
        let site = Site::new().await;
        let running = Running::start(site.producer(&["--rate", "500", "--give-up", "3"]));
        eventually("events", async || if site.hub.requests().len() > 20 { Ok(()) } else { Err(0) }).await;
        site.hub.always(Some(trouble));
        let began = Instant::now();
        let ended = running.end().await;
        assert!(began.elapsed() < Duration::from_secs(60), "{trouble:?}: {:?}", began.elapsed());
        assert_eq!(ended.code, Some(1), "{trouble:?}: {}", ended.err);
        let told = ended.err.lines().last().unwrap();
        assert!(told.contains(&format!(" events were not acknowledged by {HOST}/{HUB}")), "{told}");
        let acknowledged: usize =
            ended.out.split(" sent, ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
        let arrived: HashSet<i64> = site.orders().into_values().flatten().collect();
        assert!(acknowledged >= 20 && arrived.len() >= acknowledged, "{acknowledged} of {}", arrived.len());
        site.hub.assert_sound();
        println!("{trouble:?}: {acknowledged} acknowledged, {} arrived; {told}", arrived.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_stop_waits_for_what_is_under_way() {
    let site = Site::new().await;
    let running = Running::start(site.producer(&["--rate", "300"]));
    eventually("events", async || if site.hub.requests().len() > 10 { Ok(()) } else { Err(0) }).await;
    running.signal(libc::SIGINT);
    let ended = running.end().await;
    let sent = site.hub.taken().len();
    assert_all(&ended, sent);
    assert_eq!(site.assert_arrived(sent), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_as_large_as_the_hub_takes_and_own_lines_arrive_unchanged() {
    let site = Site::new().await;
    let file = home(&unique("lines"));
    let input = |more: &[&str]| {
        let mut command = program(env!("CARGO_BIN_EXE_producer"), &["--event-hub", "contoso/user-events", "--quiet"]);
        site.cloud.show(&mut command);
        command.args(["--transport", "https", "--input"]).arg(&file).args(more);
        command
    };
    let line = |number: usize| format!(r#"{{"id": "ä",  "n":{number},"text":"\"{}\""}}"#, "x".repeat(2000));
    let lines: Vec<_> = (0..2000).map(line).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    assert_all(&run(input(&[])).await, 2000);
    let bodies = |site: &Site| site.hub.taken().into_iter().map(|event| event.body).collect::<Vec<_>>();
    assert!(bodies(&site) == lines, "the lines, in their order");
    let at_first = site.hub.requests().len();
    assert!(at_first <= 40, "{at_first} requests of up to 1 MB for 4 MB");

    // A smaller tier: some are refused, and then none.
    site.hub.largest(262_144);
    let ended = run(input(&[])).await;
    assert_all(&ended, 2000);
    assert!(bodies(&site)[2000..] == lines, "the lines again, in their order");
    assert!(ended.err.contains("the hub takes smaller batches only"), "{}", ended.err);

    // Keys too long for the service stay keys, and one event too large is named before anything of it is sent.
    site.hub.largest(1_046_528);
    let long = "k".repeat(200);
    std::fs::write(&file, [1, 2, 3].map(|n| format!(r#"{{"id":"{long}","n":{n}}}"#)).join("\n")).unwrap();
    assert_all(&run(input(&[])).await, 3);
    let last = site.hub.taken().split_off(4000);
    assert!(last.iter().all(|event| event.key == last[0].key && event.key.len() == 44), "{last:?}");
    std::fs::write(&file, format!(r#"{{"id":2,"text":"{}"}}"#, "x".repeat(999_982))).unwrap();
    let said = sentence(input(&["--log", "off"])).await;
    assert!(said.contains("takes no event of 1000001 bytes"), "{said}");
    site.hub.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_used_as_it_is_named_and_its_authority_must_be_trusted() {
    let site = Site::new().await;
    let one = ["--events", "1", "--rate", "max", "--give-up", "1", "--log", "off"];
    // Nobody vouches for whom the proxy leads to.
    let mut command = site.producer(&one);
    command.env_remove("SSL_CERT_FILE");
    let said = sentence(command).await;
    assert!(said.contains("SSL_CERT_FILE its certificate authority") && said.contains("certificate"), "{said}");
    // The proxy knows no such host, and is not there.
    let mut command = site.producer(&one);
    command.args(["--event-hub", "contoso.servicebus.chinacloudapi.cn/user-events"]);
    let said = sentence(command).await;
    assert!(said.contains("cannot be reached over HTTPS now") && said.contains("HTTPS_PROXY"), "{said}");
    let mut command = site.producer(&one);
    command.env("HTTPS_PROXY", "http://127.0.0.1:9");
    let said = sentence(command).await;
    assert!(said.contains("cannot be reached over HTTPS now"), "{said}");
    // It wants to know who asks.
    let closed = "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n";
    let (nowhere, proxy) = ("http://127.0.0.1:9/", Proxy::to("http://127.0.0.1:9/").await);
    proxy.set(Manner::Answer(closed.to_owned()));
    let mut command = site.producer(&one);
    command.env("HTTPS_PROXY", proxy.url(nowhere));
    let said = sentence(command).await;
    assert!(said.contains("proxy") && said.contains("HTTPS_PROXY"), "{said}");
    println!("{said}");
    assert!(site.hub.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_quotes_what_it_was_shown_is_not_quoted() {
    for status in [400, 401, 403, 404, 413, 429, 500] {
        let echo = Played::https(move |asked: &Asked| {
            let shown = asked.header("authorization").unwrap();
            Answer::text(status, "application/xml", format!("<Error><Detail>not {shown}</Detail></Error>"))
        })
        .await;
        let cloud = Cloud::with_event_hubs_at(&echo).await;
        for proof in [None, Some(connection_string(KEYS[0])), Some(signature(KEYS[0]))] {
            let flags =
                ["--transport", "https", "--event-hub", "contoso/user-events", "--events", "1", "--give-up", "1"];
            let mut command = program(env!("CARGO_BIN_EXE_producer"), &flags);
            cloud.show(&mut command);
            command.args(["--order-start", "1", "--quiet", "--log-level", "trace"]);
            if let Some(proof) = proof {
                command.env("DELTAWAVE_CONNECTION_STRING", proof);
            }
            let ended = run(command).await;
            assert_eq!(ended.code, Some(1), "{}", ended.err);
            assert_no_secret(&ended);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_takes_https_where_kafka_does_not_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for port in [9, silent.local_addr().unwrap().port()] {
        let site = Site::new().await;
        let broker = format!("127.0.0.1:{port}");
        let began = Instant::now();
        let flags = ["--transport", "auto", "--broker", &broker, "--events", "50", "--rate", "max"];
        let ended = run(site.producer(&flags)).await;
        assert!((2900..15_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        assert_all(&ended, 50);
        assert!(ended.err.contains("--transport auto: Kafka does not answer, sending over HTTPS"), "{}", ended.err);
        assert!(ended.err.contains("transport=\"https\""), "{}", ended.err);
        assert_eq!(site.assert_arrived(50), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_takes_kafka_where_it_answers_and_stays_with_what_that_says() {
    let (site, kafka) = (Site::new().await, eventhubs::kafka().await);
    let hub = format!("{}/{}", eventhubs::NAMESPACE, eventhubs::topic(kafka).await);
    let (broker, authority) = kafka.locked().unwrap();
    let auto = |key: &str| {
        let flags =
            ["--transport", "auto", "--broker", &broker, "--event-hub", &hub, "--events", "50", "--rate", "max"];
        let mut command = site.producer(&flags);
        command.env("DELTAWAVE_KAFKA_CA", &authority);
        command.env("DELTAWAVE_CONNECTION_STRING", eventhubs::connection_string(key));
        command
    };
    let ended = run(auto(eventhubs::KEY)).await;
    assert_all(&ended, 50);
    assert!(ended.err.contains("--transport auto: Kafka answers, sending by it"), "{}", ended.err);
    // Who is refused by the one would be by the other.
    let ended = run(auto("d3Jvbmc=")).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("refuses the connection string") && !ended.err.contains("over HTTPS"), "{}", ended.err);
    assert!(site.hub.requests().is_empty());
}
