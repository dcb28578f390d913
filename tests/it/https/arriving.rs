//! Events arrive, whatever lets the program in and however they are batched.

use super::*;

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
