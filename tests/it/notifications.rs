//! The `loader` binary told of files by a queue, its listings so rare that only notifications explain what is loaded.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use deltawave::azure::queue::{Queue, QueueAddress, QueueError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::loader::Bench;
use crate::support::{Ended, Running, azurite, eventually, plain, unique};

const COUNT: &str = "SELECT count(*) FROM user_event_log";

/// A queue of the test's own on the shared Azurite.
pub struct Inbox {
    pub address: String,
    queue: Queue,
}

impl Inbox {
    /// One that is there.
    pub async fn new() -> Inbox {
        let inbox = Inbox::missing().await;
        inbox.queue.ensure().await.unwrap();
        inbox
    }

    async fn missing() -> Inbox {
        let address = format!("{}/{}", azurite().await.queue_endpoint(), unique("events"));
        Inbox { queue: open(&address), address }
    }

    pub async fn put(&self, message: impl ToString) {
        self.queue.put(&message.to_string()).await.unwrap();
    }

    /// Waits until no message is left, hidden ones included.
    pub async fn drained(&self) {
        eventually("the queue is empty", async || match self.queue.length().await.unwrap() {
            0 => Ok(()),
            left => Err(format!("{left} messages left")),
        })
        .await;
    }

    /// Waits until so many were set aside, and gives them.
    async fn poison(&self, wanted: usize) -> Vec<Value> {
        let poison = open(&format!("{}-poison", self.address));
        let mut found = Vec::new();
        eventually("messages are set aside", async || {
            match poison.receive(32, Duration::from_secs(60)).await {
                Ok(messages) => {
                    found.extend(messages.iter().map(|message| serde_json::from_str(&message.text).unwrap()))
                }
                Err(QueueError::NoQueue { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            if found.len() >= wanted { Ok(()) } else { Err(found.len()) }
        })
        .await;
        assert_eq!(poison.length().await.unwrap(), wanted as u64);
        found
    }
}

fn open(address: &str) -> Queue {
    Queue::open(&address.parse::<QueueAddress>().unwrap(), None).unwrap()
}

/// The event of the CloudEvents schema that tells of a blob.
async fn cloud_event(bench: &Bench, blob: &str) -> Value {
    let container = &bench.files.container;
    let entry = container.properties(blob).await.unwrap();
    let (etag, size) = entry.map_or(("0x0".to_owned(), 0), |entry| (entry.etag, entry.size));
    json!({
        "source": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a",
        "subject": format!("/blobServices/default/containers/{}/blobs/{blob}", container.name()),
        "type": "Microsoft.Storage.BlobCreated",
        "time": "2026-01-02T03:05:06.7890123Z",
        "id": unique("event"),
        "specversion": "1.0",
        "data": {"api": "PutBlockList", "eTag": etag, "contentLength": size, "blobType": "BlockBlob"},
    })
}

/// The same of the Event Grid schema.
async fn grid_event(bench: &Bench, blob: &str) -> Value {
    let cloud = cloud_event(bench, blob).await;
    json!({
        "topic": cloud["source"], "subject": cloud["subject"], "eventType": cloud["type"], "eventTime": cloud["time"],
        "id": cloud["id"], "dataVersion": "", "metadataVersion": "1", "data": cloud["data"],
    })
}

/// A loader that lists once and finds one file; what comes after is loaded for being told of.
async fn told(bench: &Bench, inbox: &Inbox, flags: &[&str]) -> Running {
    bench.files.add(0, 0, vec![plain(0, 0)]).await;
    let running = bench.start(&[&["--poll", "3600", "--notifications", &inbox.address], flags].concat());
    bench.until("SELECT count(*) FROM capture_files", 1).await;
    running
}

/// Waits until it receives; before that, a signal may find it not ready for signals.
async fn listens(running: &Running) {
    eventually("the loader listens", async || match running.err() {
        said if said.contains("notifications are received") => Ok(()),
        said => Err(said),
    })
    .await;
}

async fn stopped(running: Running) -> Ended {
    listens(&running).await;
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ended
}

async fn get(port: u16, path: &str) -> String {
    let ask = async {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: loader\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    };
    timeout(Duration::from_secs(10), ask).await.expect("no answer from the loader's own address")
}

#[tokio::test]
async fn files_are_loaded_when_they_are_told_of_in_either_schema_and_once() {
    let (bench, inbox) = (Bench::new().await, Inbox::new().await);
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let running = told(&bench, &inbox, &["--http", &format!("127.0.0.1:{port}")]).await;
    let file = async |minute| bench.files.add(0, minute, vec![plain(0, minute)]).await;

    let first = file(1).await;
    let event = cloud_event(&bench, &first).await;
    let put = Instant::now();
    inbox.put(&event).await;
    bench.until(COUNT, 2).await;
    println!("told, loaded and seen after {:?}", put.elapsed());
    let second = file(2).await;
    inbox.put(BASE64_STANDARD.encode(json!([grid_event(&bench, &second).await]).to_string())).await;
    bench.until(COUNT, 3).await;

    // A third file told of four times, the two before again, and the one that no one told of.
    let third = file(3).await;
    for _ in 0..2 {
        inbox.put(cloud_event(&bench, &third).await).await;
        inbox.put(grid_event(&bench, &third).await).await;
    }
    for known in [&first, &second, &bench.files.name(0, 0)] {
        inbox.put(cloud_event(&bench, known).await).await;
    }
    bench.until(COUNT, 4).await;
    inbox.drained().await;
    // Told of with another version's etag: what is there is loaded.
    let fourth = file(4).await;
    let mut stale = cloud_event(&bench, &fourth).await;
    stale["data"]["eTag"] = "0x1".into();
    inbox.put(stale).await;
    bench.until(COUNT, 5).await;
    inbox.drained().await;

    let metrics = get(port, "/metrics").await;
    for (outcome, messages) in [("loaded", 4), ("known", 6)] {
        let line = format!("deltawave_loader_notifications_total{{outcome=\"{outcome}\"}} {messages}");
        assert!(metrics.contains(&line), "{line} is missing in:\n{metrics}");
    }
    let said = stopped(running).await.err;
    assert_eq!(said.matches("file loaded").count(), 5, "{said}");
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    bench.assert_all(1, 5).await;
    assert_eq!(bench.store.count("capture_files").await, 5);
    bench.passed().await;
}

/// What a namespace of Event Hubs itself tells of a file that its Capture wrote: its address and no etag.
fn captured_event(bench: &Bench, blob: &str) -> Value {
    let container = bench.files.container.name();
    json!({
        "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.EventHub/namespaces/local",
        "subject": "user-events", "eventType": "Microsoft.EventHub.CaptureFileCreated",
        "eventTime": "2026-01-02T03:05:06.7890123Z", "id": unique("event"), "dataVersion": "", "metadataVersion": "1",
        "data": {
            "fileUrl": format!("https://a.blob.core.windows.net/{container}/{blob}"), "fileType": "AzureBlockBlob",
            "partitionId": "0", "sizeInBytes": 100, "eventCount": 1, "firstSequenceNumber": 1, "lastSequenceNumber": 1,
            "firstEnqueueTime": "2026-01-02T03:04:05Z", "lastEnqueueTime": "2026-01-02T03:04:05Z",
        },
    })
}

#[tokio::test]
async fn event_hubs_own_notifications_are_used_and_unknown_kinds_told_of_once() {
    let (bench, inbox) = (Bench::new().await, Inbox::new().await);
    let running = told(&bench, &inbox, &[]).await;
    let file = async |minute| bench.files.add(0, minute, vec![plain(0, minute)]).await;
    let first = file(1).await;
    inbox.put(captured_event(&bench, &first)).await;
    bench.until(COUNT, 2).await;
    // Known by then, though no etag says so.
    inbox.put(captured_event(&bench, &first)).await;
    let second = file(2).await;
    let mut uploaded = grid_event(&bench, &second).await;
    uploaded["data"]["api"] = "SftpCommit".into();
    inbox.put(uploaded).await;
    bench.until(COUNT, 3).await;
    // One that is created and not written yet is left to the listing.
    let empty = bench.files.name(0, 3);
    bench.files.put(&empty, "").await;
    inbox.put(cloud_event(&bench, &empty).await).await;
    for _ in 0..3 {
        let mut unknown = cloud_event(&bench, &second).await;
        unknown["data"]["api"] = "PutMagic".into();
        inbox.put(unknown).await;
        let mut deleted = cloud_event(&bench, &second).await;
        deleted["type"] = "Microsoft.Storage.BlobDeleted".into();
        inbox.put(deleted).await;
    }
    inbox.drained().await;
    let said = stopped(running).await.err;
    assert_eq!(said.matches("notifications of a kind that is not known").count(), 1, "{said}");
    assert!(said.contains("kind=\"Microsoft.Storage.BlobCreated by PutMagic\""), "{said}");
    assert_eq!(said.matches("WARN").count(), 1, "{said}");
    assert_eq!(bench.store.count("capture_files").await, 3);
    bench.passed().await;
}

#[tokio::test]
async fn malformed_notifications_are_set_aside_with_the_reason_and_disturb_nothing() {
    let (bench, inbox) = (Bench::new().await, Inbox::new().await);
    let running = told(&bench, &inbox, &[]).await;
    let file = bench.files.add(0, 1, vec![plain(0, 1)]).await;
    let good = cloud_event(&bench, &file).await;
    let mut no_subject = good.clone();
    no_subject["subject"] = Value::Null;
    let long = "x".repeat(48 << 10);
    let bad = [
        ("Message 1 <&> \"quoted\"".to_owned(), "neither JSON nor base64 of JSON"),
        (no_subject.to_string(), "the event has no subject"),
        (json!([good, good]).to_string(), "an array of 2 events"),
        (json!({"hello": 1}).to_string(), "the event has no specversion or eventType"),
        (long, "neither JSON nor base64 of JSON"),
    ];
    for (text, _) in &bad {
        inbox.put(text).await;
    }
    inbox.put(good).await;
    bench.until(COUNT, 2).await;
    let aside = inbox.poison(bad.len()).await;
    inbox.drained().await;
    for (text, reason) in &bad {
        let found = aside.iter().find(|aside| text.starts_with(aside["message"].as_str().unwrap()));
        let found = found.unwrap_or_else(|| panic!("{text} is not among {aside:?}"));
        assert!(found["reason"].as_str().unwrap().starts_with(reason), "{found}");
        assert!(found["received_at"].as_str().unwrap().starts_with("20"), "{found}");
        assert!(found["message"] == text.as_str() || text.len() > 40 << 10, "{found}");
    }
    let said = stopped(running).await.err;
    assert_eq!(said.matches("malformed notification set aside").count(), bad.len(), "{said}");
    bench.assert_all(1, 2).await;
    bench.passed().await;
}

#[tokio::test]
async fn notifications_of_nothing_that_is_loaded_here_go_away() {
    let (bench, inbox) = (Bench::new().await, Inbox::new().await);
    let running = told(&bench, &inbox, &[]).await;
    // Not there, or not any more.
    inbox.put(cloud_event(&bench, &bench.files.name(0, 7)).await).await;
    let other_hub = bench.files.of_hub("another-hub").add(0, 1, vec![plain(0, 1)]).await;
    inbox.put(cloud_event(&bench, &other_hub).await).await;
    bench.files.put("local/user-events/notes.txt", "notes").await;
    inbox.put(grid_event(&bench, "local/user-events/notes.txt").await).await;
    let file = bench.files.add(0, 1, vec![plain(0, 1)]).await;
    let good = cloud_event(&bench, &file).await;
    for (pointer, value) in [
        ("/subject", format!("/blobServices/default/containers/another/blobs/{file}")),
        ("/type", "Microsoft.Storage.BlobDeleted".to_owned()),
        ("/data/api", "CreateFile".to_owned()),
    ] {
        let mut foreign = good.clone();
        *foreign.pointer_mut(pointer).unwrap() = value.into();
        inbox.put(foreign).await;
    }
    inbox.drained().await;
    assert_eq!(bench.store.count("user_event_log").await, 1);
    inbox.put(good).await;
    bench.until(COUNT, 2).await;
    inbox.drained().await;
    let said = stopped(running).await.err;
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    assert_eq!(open(&format!("{}-poison", inbox.address)).length().await.unwrap_err().to_string(), {
        format!("queue {}-poison does not exist: create it, or correct the address", inbox.address)
    });
    bench.passed().await;
}

#[tokio::test]
async fn a_missing_queue_is_told_once_and_the_listing_goes_on() {
    let (bench, inbox) = (Bench::new().await, Inbox::missing().await);
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let http = format!("127.0.0.1:{port}");
    let running = bench.start(&["--poll", "0.2", "--notifications", &inbox.address, "--http", &http]);
    bench.files.add_plain(0..2, 0..5, 100).await;
    bench.until(COUNT, 1000).await;
    let sentence = format!("queue {} does not exist", inbox.address);
    assert_eq!(running.err().matches(&sentence).count(), 1, "{}", running.err());
    eventually("the loader is ready and names the trouble", async || match get(port, "/readyz").await {
        answer if answer.starts_with("HTTP/1.1 200") && answer.contains(&sentence) => Ok(()),
        answer => Err(answer),
    })
    .await;
    inbox.queue.ensure().await.unwrap();
    inbox.put(cloud_event(&bench, &bench.files.name(0, 0)).await).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while inbox.queue.length().await.unwrap() > 0 {
        assert!(Instant::now() < deadline, "not received:\n{}", running.err());
        sleep(Duration::from_millis(200)).await;
    }
    let said = stopped(running).await.err;
    assert!(said.contains("the queue of notifications works again after"), "{said}");
    assert_eq!(said.matches(&sentence).count(), 1, "{said}");
    bench.assert_all(2, 500).await;
    bench.passed().await;
}

/// Passes everything on to Azurite's queues but deletions, of which it tells once and which it leaves unanswered.
async fn without_deletions(inbox: &Inbox) -> (String, tokio::sync::mpsc::Receiver<()>) {
    let to = inbox.address.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap().0.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = inbox.address.replace(&to, &listener.local_addr().unwrap().to_string());
    let (sender, deletions) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (sender, to) = (sender.clone(), to.clone());
            tokio::spawn(async move {
                let server = TcpStream::connect(to).await.unwrap();
                let ((mut asks, mut hears), (mut answers, mut takes)) = (client.into_split(), server.into_split());
                tokio::spawn(async move { copy(&mut answers, &mut hears).await });
                let mut request = vec![0; 64 << 10];
                // The client sends a request's start in one piece.
                while let Ok(length @ 1..) = asks.read(&mut request).await {
                    if request.starts_with(b"DELETE") {
                        let _ = sender.try_send(());
                        return std::future::pending().await;
                    }
                    takes.write_all(&request[..length]).await.unwrap();
                }
            });
        }
    });
    (address, deletions)
}

#[tokio::test]
async fn a_loader_killed_before_it_deletes_a_notification_leaves_it_to_the_next() {
    let (bench, inbox) = (Bench::new().await, Inbox::new().await);
    let (proxied, mut deletions) = without_deletions(&inbox).await;
    let through = Inbox { queue: open(&proxied), address: proxied };
    let running = told(&bench, &through, &["--notification-lease", "2"]).await;
    let file = bench.files.add(0, 1, (1..500).map(|number| plain(0, number)).collect()).await;
    inbox.put(cloud_event(&bench, &file).await).await;
    timeout(Duration::from_secs(20), deletions.recv()).await.expect("nothing is to be deleted").unwrap();
    running.signal(libc::SIGKILL);
    assert_eq!(running.end().await.code, None);
    bench.assert_all(1, 500).await;
    assert_eq!(inbox.queue.length().await.unwrap(), 1);

    let running = bench.start(&["--poll", "3600", "--notifications", &inbox.address]);
    inbox.drained().await;
    let said = stopped(running).await.err;
    assert!(!said.contains("file loaded"), "{said}");
    bench.assert_all(1, 500).await;
    assert_eq!(bench.store.count("capture_files").await, 2);
    bench.passed().await;
}

#[tokio::test]
async fn no_moment_of_a_notified_load_is_a_bad_one_to_die_at() {
    for step in ["fetched", "decoded", "written", "flushed", "receipted", "acknowledged"] {
        for side in ["before", "after"] {
            let (bench, inbox) = (Bench::new().await, Inbox::new().await);
            let moment = format!("{side}:{step}");
            // Its listing finds nothing, so that the first file it handles is the one it is told of.
            let flags = ["--poll", "3600", "--notifications", &inbox.address, "--notification-lease", "1"];
            let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
            let http = format!("127.0.0.1:{port}");
            let running = bench.start(&[&flags[..], &["--kill-at", &moment, "--http", &http]].concat());
            listens(&running).await;
            eventually("the loader has listed", async || match get(port, "/readyz").await {
                answer if answer.starts_with("HTTP/1.1 200") => Ok(()),
                answer => Err(answer),
            })
            .await;
            let file = bench.files.add(0, 0, (0..300).map(|number| plain(0, number)).collect()).await;
            inbox.put(cloud_event(&bench, &file).await).await;
            assert_eq!(running.end().await.code, None, "{moment}");
            assert_eq!(inbox.queue.length().await.unwrap(), u64::from(moment != "after:acknowledged"), "{moment}");
            let running = bench.start(&flags);
            bench.until("SELECT count(*) FROM capture_files", 1).await;
            inbox.drained().await;
            stopped(running).await;
            bench.assert_all(1, 300).await;
            bench.passed().await;
        }
    }
}

#[tokio::test]
async fn loaders_share_one_queue_of_files_that_never_end() {
    const MINUTES: i64 = 50;
    let (bench, inbox) = (Bench::new().await, Inbox::new().await);
    let flags = ["--poll", "3600", "--notifications", &inbox.address];
    let loaders = [told(&bench, &inbox, &[]).await, bench.start(&flags)];
    listens(&loaders[1]).await;
    for minute in 1..=MINUTES {
        for partition in 0..4 {
            let file = bench.files.add(partition, minute, vec![plain(partition, minute)]).await;
            inbox.put(cloud_event(&bench, &file).await).await;
        }
    }
    bench.until("SELECT count(*) FROM capture_files", MINUTES * 4 + 1).await;
    inbox.drained().await;
    for running in loaders {
        let said = stopped(running).await.err;
        assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    }
    assert_eq!(bench.store.count("user_event_log").await, MINUTES * 4 + 1);
    bench.passed().await;
}

#[tokio::test]
async fn a_file_no_notification_told_of_is_found_by_the_listing() {
    let (bench, inbox) = (Bench::new().await, Inbox::new().await);
    let running = bench.start(&["--poll", "0.5", "--notifications", &inbox.address]);
    for minute in 0..20 {
        let file = bench.files.add(0, minute, vec![plain(0, minute)]).await;
        // The newest is told of, which must not hide older ones.
        if minute % 3 == 1 {
            inbox.put(cloud_event(&bench, &file).await).await;
        }
    }
    bench.until(COUNT, 20).await;
    inbox.drained().await;
    stopped(running).await;
    bench.assert_all(1, 20).await;
    bench.passed().await;
}

#[tokio::test]
async fn a_queue_keeps_a_message_until_it_is_deleted_by_its_last_receiver() {
    let Inbox { queue, address } = Inbox::missing().await;
    let missing = QueueError::NoQueue { address: address.clone() };
    assert_eq!(queue.receive(1, Duration::from_secs(1)).await.unwrap_err(), missing);
    assert_eq!(queue.put("x").await.unwrap_err(), missing);
    queue.ensure().await.unwrap();
    queue.ensure().await.unwrap();
    assert_eq!(queue.receive(32, Duration::from_secs(1)).await.unwrap(), []);
    let odd = "<a>&amp; \"é 漢 🦀\"\n\ttab";
    queue.put(odd).await.unwrap();
    let first = queue.receive(32, Duration::from_secs(1)).await.unwrap().remove(0);
    assert_eq!((first.text.as_str(), first.dequeue_count), (odd, 1));
    assert_eq!(queue.receive(32, Duration::from_secs(1)).await.unwrap(), []);
    let second = eventually("the message comes again", async || {
        queue.receive(32, Duration::from_secs(60)).await.unwrap().pop().ok_or("nothing")
    })
    .await;
    assert_eq!((&second.id, second.dequeue_count), (&first.id, 2));
    let lost = QueueError::Lost { address: address.clone(), id: first.id.clone() };
    assert_eq!(queue.delete(&first).await.unwrap_err(), lost);
    queue.delete(&second).await.unwrap();
    assert_eq!(queue.delete(&second).await.unwrap_err(), lost);
    assert_eq!(queue.length().await.unwrap(), 0);

    let sas = "sv=2022-11-02&ss=q&srt=sco&sp=rp&se=2099-01-01T00:00:00Z&sig=d3Jvbmc%3D";
    let denied = open(&format!("{address}?{sas}")).receive(1, Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(&denied, QueueError::Denied { code, .. } if code.starts_with("403")), "{denied:?}");
    assert!(!format!("{denied} {denied:?}").contains("d3Jv"));
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let away = open(&format!("http://{nobody}/devstoreaccount1/events")).put("x").await.unwrap_err();
    assert!(away.is_transient() && away.to_string().contains("refused"), "{away}");
    let address = "https://account.queue.core.windows.net/events";
    let error = Queue::open(&address.parse().unwrap(), None).unwrap_err();
    assert_eq!(error, QueueError::NoCredential { address: address.to_owned() });
}
