//! `loader --live` on a played event hub, whose links break in every way the service breaks them.

use deltawave::capture::{EnqueuedTime, Hub, OutgoingEvent};

use super::peer::Peer;
use super::readers::Fate;
use crate::live::{lanes_of, metric};
use crate::loader::Bench;
use crate::support::{Files, Http, Running, plain, store};

const PARTITIONS: usize = 2;

/// A played event hub, the files Capture makes of it, a store, and a loader between them.
struct Pipe {
    bench: Bench,
    peer: Peer,
}

impl Pipe {
    async fn new() -> Pipe {
        let files = Files { hub: Hub::new("contoso", "user-events").unwrap(), ..Files::new().await };
        let bench = Bench { files, store: store().await.initialised().await };
        Pipe { bench, peer: Peer::start(PARTITIONS).await }
    }

    /// Sends events of these numbers to every partition.
    fn send(&self, numbers: std::ops::Range<i64>) {
        for number in numbers {
            for partition in 0..PARTITIONS {
                self.peer.add(partition, plain(partition as i32, number).body.unwrap());
            }
        }
    }

    /// What Capture makes of these numbers, in the window of that minute.
    async fn capture(&self, minute: i64, numbers: std::ops::Range<i64>) {
        let at = EnqueuedTime::from_utc(self.peer.readers().epoch());
        for partition in 0..PARTITIONS as i32 {
            let event = |number| OutgoingEvent { enqueued_time: at, ..plain(partition, number) };
            self.bench.files.add(partition, minute, numbers.clone().map(event).collect()).await;
        }
    }

    fn start(&self) -> Running {
        let flags = ["--live", "--poll", "0.05", "--http", "127.0.0.1:0", "--namespace", "contoso"];
        // All events are as old as the hub is, which is longer than the default where much else is done meanwhile.
        let lane = ["--live-group", "deltawave", "--live-window", "3600"];
        let mut command = self.bench.loader(&[&flags[..], &lane].concat());
        command.envs(self.peer.environment());
        Running::start(command)
    }

    async fn rows(&self, wanted: i64) {
        self.bench.until("SELECT count(*) FROM user_event_log", wanted).await;
    }

    /// Every event of so many, once each, and how the loader ends.
    async fn ends(self, running: Running, records: i64) -> String {
        self.bench.assert_all(PARTITIONS as i32, records).await;
        let said = stopped(running).await;
        self.bench.passed().await;
        said
    }
}

async fn stopped(running: Running) -> String {
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!ended.err.contains("a-token"), "a token in the log");
    ended.err
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_break_are_opened_again_and_every_row_comes_live() {
    let pipe = Pipe::new().await;
    pipe.send(0..20);
    pipe.capture(0, 0..20).await;
    let readers = pipe.peer.readers();
    readers.script(0, [Fate::Closed(4), Fate::Stolen(3), Fate::Busy(2), Fate::Sixth]);
    readers.script(1, [Fate::Sixth, Fate::Closed(0)]);
    let running = pipe.start();
    let http = Http::of(&running).await;
    for round in 0..20 {
        pipe.send(20 + round..21 + round);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    pipe.rows(80).await;
    lanes_of(&http, "reading", PARTITIONS).await;
    assert_eq!(pipe.bench.store.count("capture_files").await, 2, "no file has the rest");
    assert!(readers.links() >= 8, "{} links", readers.links());
    assert!(readers.groups().iter().all(|group| group == "deltawave"), "{:?}", readers.groups());
    pipe.capture(1, 20..40).await;
    pipe.bench.until("SELECT count(*) FROM capture_files", 4).await;
    assert_eq!(metric(&http, "deltawave_loader_rows_already_there_total").await, 40.0);
    let said = pipe.ends(running, 40).await;
    assert!(
        said.contains("at most 5 may read a partition by one consumer group") && said.contains("--live-group"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_says_nothing_though_there_is_more_is_opened_again() {
    let pipe = Pipe::new().await;
    pipe.send(0..20);
    pipe.capture(0, 0..20).await;
    pipe.bench.once(&["--namespace", "contoso"]).await;
    // One while it is read, and one before the first record is there that the key is proven by.
    pipe.peer.readers().script_at(0, 20, Fate::Silent(1));
    pipe.peer.readers().script_at(1, 0, Fate::Silent(0));
    let running = pipe.start();
    let http = Http::of(&running).await;
    pipe.send(20..30);
    pipe.rows(20 + 20 + 1).await;
    // Nothing of the silent ones comes before they are missed.
    for partition in 0..PARTITIONS {
        running.says(&format!("partition {partition} says nothing for 30 s though there is more")).await;
    }
    pipe.rows(60).await;
    lanes_of(&http, "reading", PARTITIONS).await;
    assert!(pipe.peer.readers().asked().contains(&("deltawave".to_owned(), 21)), "behind what came");
    pipe.ends(running, 30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_made_anew_is_read_again_after_its_first_file() {
    let pipe = Pipe::new().await;
    pipe.send(0..20);
    pipe.capture(0, 0..20).await;
    let running = pipe.start();
    let http = Http::of(&running).await;
    lanes_of(&http, "reading", PARTITIONS).await;
    pipe.send(20..25);
    pipe.rows(50).await;
    pipe.capture(1, 20..25).await;
    pipe.bench.until("SELECT count(*) FROM capture_files", 4).await;
    pipe.peer.empty();
    pipe.send(0..5);
    let shut = lanes_of(&http, "shut", PARTITIONS).await;
    assert!(shut[0]["reason"].as_str().unwrap().contains("the hub was made anew"), "{shut:?}");
    pipe.capture(2, 0..5).await;
    lanes_of(&http, "reading", PARTITIONS).await;
    pipe.send(5..8);
    pipe.rows(50 + 2 * 8).await;

    // Neither surplus nor hole, though the former life had these numbers too.
    let mut command = crate::support::program(env!("CARGO_BIN_EXE_deltawave"), &["verify", "--json"]);
    command.env("DELTAWAVE_STORE_URL", pipe.bench.store.url()).envs(pipe.peer.environment());
    let ended = crate::support::run(command).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let ahead: Vec<_> =
        report["partitions"].as_array().unwrap().iter().map(|line| line["ahead"]["rows"].clone()).collect();
    assert_eq!(ahead, [3, 3], "{report}");

    pipe.capture(3, 5..8).await;
    pipe.bench.until("SELECT count(*) FROM capture_files", 8).await;
    assert_eq!(pipe.bench.store.count("user_event_log").await, 50 + 2 * 8);
    stopped(running).await;
    pipe.bench.passed().await;
}
