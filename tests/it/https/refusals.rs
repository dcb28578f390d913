//! What no trying mends is told, and no secret with it.

use super::*;

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
