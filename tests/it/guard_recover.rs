//! `deltawave guard` beside a RisingWave that is restarted, or starts again with nothing.

use std::collections::BTreeSet;

use crate::support::{Done, FakeRisingWave, Http, Running, eventually, program, run};

const SECRETS: [&str; 3] = ["root-hunter", "loader-hunter", "reader-hunter"];

fn guard(fake: &FakeRisingWave) -> Running {
    let [root, loader, reader] = SECRETS;
    let flags = ["guard", "--poll", "0.1", "--http", "127.0.0.1:0", "--root-password", root];
    let flags = [&flags[..], &["--loader-password", loader, "--reader-password", reader]].concat();
    let mut command = program(env!("CARGO_BIN_EXE_deltawave"), &flags);
    command.env("DELTAWAVE_STORE_URL", fake.url());
    Running::start(command)
}

async fn ends(running: Running) -> String {
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(!ended.err.contains("hunter"), "{}", ended.err);
    ended.err
}

fn recovers(fake: &FakeRisingWave) -> usize {
    assert_eq!(fake.foreign(), BTreeSet::new());
    fake.done().iter().filter(|done| **done == Done::Recover).count()
}

#[tokio::test]
async fn a_restarted_store_is_asked_to_recover_once() {
    let fake = FakeRisingWave::start(true).await;
    let running = guard(&fake);
    let http = Http::of(&running).await;
    http.until(None).await;
    assert_eq!(recovers(&fake), 0);
    for restarts in 1..=2 {
        fake.restart();
        eventually("RECOVER", async || match recovers(&fake) {
            recovers if recovers == restarts => Ok(()),
            recovers => Err(recovers),
        })
        .await;
        let answer = http.until(None).await;
        assert_eq!(answer["stage"], "serving", "{answer}");
    }
    let said = ends(running).await;
    assert_eq!(said.matches("asking it to RECOVER").count(), 2, "{said}");
    assert_eq!(recovers(&fake), 2);
}

#[tokio::test]
async fn a_store_that_starts_again_with_nothing_gets_its_users_again() {
    let fake = FakeRisingWave::start(true).await;
    let running = guard(&fake);
    let http = Http::of(&running).await;
    let all = [("loader", SECRETS[1]), ("postgres", SECRETS[0]), ("reader", SECRETS[2]), ("root", SECRETS[0])];
    let all = all.map(|(user, password)| (user.to_owned(), password.to_owned())).into_iter().collect();
    for _ in 0..2 {
        eventually("passwords", async || match fake.passwords() {
            passwords if passwords == all => Ok(()),
            passwords => Err(passwords),
        })
        .await;
        http.until(None).await;
        let grants = fake.grants();
        for grant in [
            "GRANT CONNECT ON DATABASE \"dev\" TO loader",
            "GRANT SELECT, INSERT ON TABLE user_event_log TO loader",
            "GRANT SELECT, INSERT ON TABLE capture_files TO loader",
            "GRANT SELECT ON MATERIALIZED VIEW latest_user_state TO loader",
            "GRANT SELECT ON VIEW user_events TO reader",
            "GRANT SELECT ON TABLE user_event_log TO reader",
        ] {
            assert!(grants.contains(grant), "{grant} is missing in {grants:#?}");
        }
        assert!(!grants.iter().any(|grant| grant.contains("INSERT") && grant.ends_with("reader")), "{grants:#?}");
        fake.wipe();
    }
    assert_eq!(recovers(&fake), 0);
    ends(running).await;
}

#[tokio::test]
async fn a_guard_that_may_not_recover_says_so_and_goes_on_when_someone_else_does() {
    let fake = FakeRisingWave::start(false).await;
    let running = guard(&fake);
    let http = Http::of(&running).await;
    http.until(None).await;
    fake.restart();
    let answer = http.until(Some("until a superuser asks it to RECOVER")).await;
    assert!(answer["reason"].as_str().unwrap().contains("run `RECOVER` as root"), "{answer}");
    fake.recover();
    http.until(None).await;
    ends(running).await;
}

#[tokio::test]
async fn a_store_that_asks_for_no_password_though_it_was_given_one_is_not_set_up() {
    let fake = FakeRisingWave::start(true).await;
    fake.ask_for_passwords(false);
    let running = guard(&fake);
    let http = Http::of(&running).await;
    http.until(Some("it still lets root in without a password after one was set")).await;
    fake.ask_for_passwords(true);
    http.until(None).await;
    ends(running).await;
}

/// It quotes the whole statement, as RisingWave does in some errors.
#[tokio::test]
async fn a_statement_with_a_password_is_not_shown_when_it_is_refused() {
    let fake = FakeRisingWave::start(true).await;
    let url = fake.url().replace("root@", "nobody@");
    let flags = ["init", "--store-url", &url, "--root-password", "correct-horse-battery"];
    let ended = run(program(env!("CARGO_BIN_EXE_deltawave"), &flags)).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.err.contains("ALTER USER nobody: its answer quotes the statement, so it is not shown"),
        "{}",
        ended.err
    );
    assert!(!format!("{}{}", ended.out, ended.err).contains("horse"), "{ended:?}");
}
