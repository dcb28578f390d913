//! `deltawave guard` beside a RisingWave that is restarted, or starts again with nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Done, Ended, FakeRisingWave, Http, Running, eventually, program, run};

const SECRETS: [&str; 3] = ["root-hunter", "loader-hunter", "reader-hunter"];

fn guard(fake: &FakeRisingWave) -> Running {
    let [root, loader, reader] = SECRETS;
    let flags = ["guard", "--poll", "0.1", "--http", "127.0.0.1:0", "--root-password", root];
    let flags = [&flags[..], &["--loader-password", loader, "--reader-password", reader]].concat();
    let mut command = program(env!("CARGO_BIN_EXE_deltawave"), &flags);
    command.env("DELTAWAVE_STORE_URL", fake.url());
    Running::start(command)
}

/// Whom `init` and `guard` give one.
fn passwords([root, loader, reader]: [&str; 3]) -> BTreeMap<String, String> {
    [("loader", loader), ("postgres", root), ("reader", reader), ("root", root), ("rwadmin", root)]
        .map(|(user, password)| (user.to_owned(), password.to_owned()))
        .into()
}

async fn init(fake: &FakeRisingWave, flags: &[&str]) -> Ended {
    run(program(env!("CARGO_BIN_EXE_deltawave"), &[&["init", "--store-url", &fake.url()], flags].concat())).await
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
    let all = passwords(SECRETS);
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
            "GRANT SELECT ON VIEW latest_user_state TO loader",
            "GRANT SELECT ON TABLE latest_user_events TO reader",
            "GRANT SELECT ON TABLE latest_user_events TO loader",
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
    fake.close_users();
    let ended = init(&fake, &["--root-password", "correct-horse-battery"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.err.contains("ALTER USER rwadmin: its answer quotes the statement, so it is not shown"),
        "{}",
        ended.err
    );
    assert!(!format!("{}{}", ended.out, ended.err).contains("horse"), "{ended:?}");
    assert_eq!(fake.log().len(), 1, "it was sent once");
}

/// The real one writes what it refuses into its log, whole.
#[tokio::test]
async fn no_statement_with_a_password_is_refused_however_often_init_runs() {
    for admin in [true, false] {
        let fake = FakeRisingWave::start(true).await;
        if !admin {
            fake.without_admin();
        }
        for [root, loader, reader] in [SECRETS, SECRETS, ["root-new", "loader-new", "reader-new"]] {
            let flags = ["--root-password", root, "--loader-password", loader, "--reader-password", reader];
            let ended = init(&fake, &[&flags[..], &["--store-password", SECRETS[0]]].concat()).await;
            assert_eq!(ended.code, Some(0), "{}", ended.err);
            let mut wanted = passwords([root, loader, reader]);
            if !admin {
                wanted.remove("rwadmin");
            }
            assert_eq!(fake.passwords(), wanted);
            assert_eq!(fake.log(), Vec::<String>::new());
        }
        let running = guard(&fake);
        Http::of(&running).await.until(Some("Invalid password")).await;
        ends(running).await;
        assert_eq!((fake.log(), fake.foreign()), (Vec::new(), BTreeSet::new()));
    }
}

#[tokio::test]
async fn an_rwadmin_closed_by_someone_else_keeps_its_password() {
    let fake = FakeRisingWave::start(true).await;
    fake.change_password("rwadmin", "of-the-cloud");
    let ended = init(&fake, &["--root-password", SECRETS[0]]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("rwadmin does not let us in, so it keeps the password"), "{}", ended.err);
    assert_eq!(fake.passwords()["rwadmin"], "of-the-cloud");
    assert_eq!(fake.passwords()["root"], SECRETS[0]);
    assert_eq!(fake.log(), Vec::<String>::new());
}
