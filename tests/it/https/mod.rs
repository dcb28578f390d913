//! `producer --transport https` on a played event hub that is reached through a proxy, and `--transport auto`.

mod arriving;
mod hub;
mod outages;
mod refusals;
mod ways;

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
