//! What a `loader` says, whatever happens to it: JSON objects where they are asked for, and never a secret.

use crate::loader::Bench;
use crate::support::{Ended, Manner, Proxy, azurite, program, run, unhappy_answer};

/// A signature as it stands in a URL, and what it says.
const SIGNATURE: [&str; 2] = ["aHVudGVyMmh1bnRlcjI%3D", "aHVudGVyMmh1bnRlcjI="];
const PASSWORD: &str = "correct-horse-battery";

async fn said(flags: &[&str], blob: &str, store: &str) -> Ended {
    let mut command = program(env!("CARGO_BIN_EXE_loader"), flags);
    command.env("DELTAWAVE_BLOB", blob).env("DELTAWAVE_STORE_URL", store);
    run(command).await
}

fn keeps_secrets(ended: &Ended) {
    for text in [&ended.out, &ended.err] {
        let lower = text.to_lowercase();
        for secret in [SIGNATURE[0], SIGNATURE[1], PASSWORD, "sig=", "sig%3d"] {
            assert!(!lower.contains(&secret.to_lowercase()), "{secret} in:\n{text}");
        }
    }
}

fn is_json(ended: &Ended) -> usize {
    for line in ended.err.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        for field in ["timestamp", "level", "message"] {
            assert!(value[field].is_string(), "no {field}: {line}");
        }
    }
    ended.err.lines().count()
}

#[tokio::test]
async fn no_output_holds_a_secret_and_every_json_line_is_an_object() {
    let bench = Bench::new().await;
    bench.files.add_plain(0..2, 0..2, 100).await;
    let with_sas =
        |url: &str| format!("{url}?sv=2022-11-02&ss=b&srt=sco&sp=rwl&se=2099-01-01T00:00:00Z&sig={}", SIGNATURE[0]);
    let with_password = |url: &str| url.replacen("//", "//ann:", 1).replacen("ann:", &format!("ann:{PASSWORD}@"), 1);
    let strip_user = |url: &str| url.replacen("postgres@", "", 1).replacen("root@", "", 1);
    let blob = bench.files.url();
    let store = with_password(&strip_user(&bench.store.url()));
    // Whoever comes is let in; what matters is that the password was there.
    let good_store = bench.store.url().replacen('@', &format!(":{PASSWORD}@"), 1);
    let nobody = "127.0.0.1:1";
    let busy = Proxy::to(&blob).await;
    busy.set(Manner::Answer(unhappy_answer("503 Busy", "ServerBusy", "retry-after: 1\r\n")));
    let odd = Proxy::to(&blob).await;
    odd.set(Manner::Answer(unhappy_answer("418 Teapot", "Odd", "")));
    let rude = Proxy::to(&blob).await;
    rude.set(Manner::Answer("no HTTP at all\r\n\r\n".to_owned()));
    let cut = Proxy::to(&blob).await;
    cut.set(Manner::Refuse);
    let wrong = with_sas(&format!("{}/capture", azurite().await.blob_endpoint()));
    let cases = [
        // All is well.
        (blob.clone(), good_store.clone(), 0),
        // Neither is there.
        (with_sas(&format!("https://{nobody}/devstoreaccount1/capture")), good_store.clone(), 1),
        (blob.clone(), format!("postgresql://ann:{PASSWORD}@{nobody}/dev"), 1),
        (with_sas("https://nowhere.invalid.blob.core.windows.net/capture"), good_store.clone(), 1),
        // The signature is wrong, the user unknown, the database too.
        (wrong, good_store.clone(), 1),
        (blob.clone(), store, 1),
        (blob.clone(), format!("{good_store}x"), 1),
        // Answers of all kinds.
        (with_sas(&busy.url(&blob)), good_store.clone(), 1),
        (with_sas(&odd.url(&blob)), good_store.clone(), 1),
        (with_sas(&rude.url(&blob)), good_store.clone(), 1),
        (with_sas(&cut.url(&blob)), good_store.clone(), 1),
        // A store where there is none.
        (
            blob.clone(),
            format!(
                "postgresql://ann:{PASSWORD}@{}/dev",
                odd.url("http://x:1/").replace("http://", "").replace('/', "")
            ),
            1,
        ),
        // Wrong settings.
        (with_sas(&format!("{blob}/deeper")), good_store.clone(), 2),
        (blob.clone(), format!("postgresql://ann:{PASSWORD}@host:port/dev"), 2),
        (blob.clone(), format!("host=127.0.0.1 pasword={PASSWORD}"), 2),
        (format!("AccountName=a;AccountKey={}", SIGNATURE[1]), good_store.clone(), 2),
    ];
    let mut lines = 0;
    for (blob, store, code) in &cases {
        for format in ["json", "human"] {
            let flags = ["--once", "--give-up", "0.3", "--log-level", "trace", "--log", format];
            let ended = said(&flags, blob, store).await;
            assert_eq!(ended.code, Some(*code), "{blob} {store}: {}", ended.err);
            keeps_secrets(&ended);
            assert!(*code == 0 || !ended.err.is_empty(), "it fails and says nothing");
            if format == "json" {
                lines += is_json(&ended);
            } else if *code != 0 {
                assert!(ended.err.lines().last().unwrap().starts_with("error: "), "{}", ended.err);
            }
        }
    }
    let help = said(&["--help"], &cases[1].0, &good_store).await;
    assert_eq!(help.code, Some(0));
    keeps_secrets(&help);
    println!("{} endings, {lines} lines of JSON, no secret", 2 * cases.len());
    bench.passed().await;
}
