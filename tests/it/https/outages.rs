//! A hub that is away, slow, or asks for a pause.

use super::*;

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
