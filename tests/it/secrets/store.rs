//! Passwords of the store.

use super::{Case, Secrets, case, forms, run_all, run_at_once};
use crate::store_users::Guarded;
use crate::support::cloud::{Cloud, Held};
use crate::support::{Http, Running, program};

const ROOT: &str = "root-hunter2";
const LOADER: &str = "loader-hunter2";
const READER: &str = "reader-hunter2";
const WRONG: &str = "wrong-hunter2";
/// No user can have this one.
const UNFIT: &str = "unfit 'hunter2'; --";

const DELTAWAVE: &str = env!("CARGO_BIN_EXE_deltawave");
const URL: &str = "DELTAWAVE_STORE_URL";
const PASSWORD: &str = "DELTAWAVE_STORE_PASSWORD";
const NOWHERE: &str = "postgresql://root@127.0.0.1:1/dev";
/// To set, as variables.
const USERS: [&str; 3] = ["DELTAWAVE_ROOT_PASSWORD", "DELTAWAVE_LOADER_PASSWORD", "DELTAWAVE_READER_PASSWORD"];

/// A store that asks everybody for a password.
async fn closed() -> Guarded {
    let mut guarded = Guarded::new().await;
    guarded.initialised(&["--root-password", ROOT, "--loader-password", LOADER]).await;
    guarded.close(ROOT).await;
    guarded
}

#[tokio::test]
async fn no_program_writes_the_password_it_connects_with() {
    let (cloud, directory, guarded) = (Cloud::new().await, tempfile::tempdir().unwrap(), closed().await);
    let (secrets, url) = (Secrets::words(&["hunter2"]), guarded.url());
    cloud.vault.hold("closed", Held::Refused(403, "Forbidden", "ForbiddenByRbac"));
    let files = tempfile::tempdir().unwrap();
    let files = files.path().to_str().unwrap();
    let mut cases: Vec<Case> = Vec::new();
    for (path, flags, well) in [
        (env!("CARGO_BIN_EXE_loader"), &["--once", "--allow-empty", "--give-up", "0.2", "--blob", files][..], 0),
        (DELTAWAVE, &["init", "--give-up", "0.2"], 0),
        (DELTAWAVE, &["backfill", "--allow-empty", "--give-up", "0.2", "--blob", files], 0),
        (DELTAWAVE, &["status", "--give-up", "0.2"], 0),
        // Nothing was loaded, so nothing is proven.
        (DELTAWAVE, &["verify", "--give-up", "0.2", "--blob", files], 1),
    ] {
        let mut add = |what: &str, code: i32, set: &[(&str, &str)], more: &[&str]| {
            let what = format!("{what}: {} {}", path.rsplit('/').next().unwrap(), flags[0]);
            cases.push(case(&what, &cloud, path, code, set, &[flags, more].concat()));
        };
        for source in forms(&directory, &cloud, ROOT) {
            add("well", well, &[(URL, &url), (PASSWORD, &source)], &[]);
            add("on the command line", well, &[(URL, &url)], &["--store-password", &source]);
            add("nobody there", 1, &[(URL, NOWHERE), (PASSWORD, &source)], &[]);
            add("help", 0, &[(URL, &url), (PASSWORD, &source)], &["--help"]);
        }
        for source in forms(&directory, &cloud, WRONG) {
            add("refused", 1, &[(URL, &url), (PASSWORD, &source)], &[]);
        }
        let inside = url.replacen('@', &format!(":{ROOT}@"), 1);
        add("in the address", well, &[(URL, &inside)], &[]);
        add("twice", 2, &[(URL, &inside), (PASSWORD, ROOT)], &[]);
        add("as the address", 2, &[(URL, ROOT)], &[]);
        add("closed vault", 1, &[(URL, &url), (PASSWORD, "keyvault:closed")], &[]);
        add("after keyvault:", 2, &[(URL, &url), (PASSWORD, &format!("keyvault:{UNFIT}"))], &[]);
    }
    // What makes views gets in its own way.
    let (making, looking) =
        cases.into_iter().partition(|(what, ..)| what.ends_with("init") || what.ends_with("backfill"));
    let ends = run_at_once(1, &secrets, making).await + run_all(&secrets, looking).await;
    println!("{ends} endings, no secret");
}

#[tokio::test]
async fn init_and_guard_write_no_password_that_they_set() {
    let (cloud, directory, guarded) = (Cloud::new().await, tempfile::tempdir().unwrap(), closed().await);
    let (secrets, url) = (Secrets::words(&["hunter2"]), guarded.url());
    // The three users' passwords, all in one form.
    let kept = [ROOT, LOADER, READER].map(|password| forms(&directory, &cloud, password));
    let well: Vec<Vec<(&str, &str)>> =
        (0..3).map(|form| USERS.into_iter().zip(kept.each_ref().map(|forms| &*forms[form])).collect()).collect();
    // These write: one after the other.
    let set = |form: &[(&'static str, &str)]| {
        case("well", &cloud, DELTAWAVE, 0, &[&[(URL, &*url)], form].concat(), &["init"])
    };
    let mut ends = run_at_once(1, &secrets, well.iter().map(|form| set(form)).collect()).await;

    let mut cases: Vec<Case> = Vec::new();
    for form in &well {
        let away = [&[(URL, NOWHERE)], &form[..]].concat();
        cases.push(case("nobody there", &cloud, DELTAWAVE, 1, &away, &["init", "--give-up", "0.2"]));
        cases.push(case("help of init", &cloud, DELTAWAVE, 0, &away, &["init", "--help"]));
        cases.push(case("help of guard", &cloud, DELTAWAVE, 0, &away, &["guard", "--help"]));
    }
    for source in forms(&directory, &cloud, WRONG) {
        cases.push(case("refused", &cloud, DELTAWAVE, 1, &[(URL, &url), (USERS[0], &source)], &["init"]));
    }
    for (source, code) in forms(&directory, &cloud, UNFIT).iter().zip([2, 1, 1]) {
        for user in USERS {
            cases.push(case("unfit", &cloud, DELTAWAVE, code, &[(URL, &url), (user, source)], &["init"]));
        }
    }
    ends += run_all(&secrets, cases).await;
    println!("{ends} endings, no secret");

    for (form, wants) in
        [(&well[0], None), (&well[1], None), (&well[2], None), (&vec![(USERS[0], WRONG)], Some("password"))]
    {
        let mut command = program(DELTAWAVE, &["guard", "--http", "127.0.0.1:0", "--log-level", "trace"]);
        cloud.show(&mut command);
        command.env(URL, &url).envs(form.iter().copied());
        let running = Running::start(command);
        let http = Http::of(&running).await;
        http.until(wants).await;
        for path in ["/readyz", "/healthz", "/metrics"] {
            secrets.unseen(path, &http.get(path).await.2);
        }
        running.signal(libc::SIGTERM);
        let ended = running.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        secrets.unseen("guard", &format!("{}{}", ended.out, ended.err));
    }
}
