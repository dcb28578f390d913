use time::Duration;

use super::{QUICK, Site, stopped};
use crate::support::cloud::{Held, sas_until, wrong_sas};
use crate::support::{Running, program, run};

#[tokio::test]
async fn a_secret_that_is_replaced_in_the_vault_is_read_when_the_old_one_is_refused() {
    let site = Site::new().await;
    site.cloud.vault.set("capture-sas", &sas_until(Duration::seconds(4)));
    site.file(0).await;
    let running = Running::start(site.loader(&[&QUICK[..], &["--blob-sas", "keyvault:capture-sas"]].concat()));
    site.loaded(1).await;
    let read = site.cloud.vault.asked().len();
    // It has its next version before it ends: nobody notices.
    site.cloud.vault.set("capture-sas", &sas_until(Duration::hours(1)));
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    site.file(1).await;
    site.loaded(2).await;
    let said = stopped(running).await;
    assert!(said.contains("another one was read and is used source=keyvault:capture-sas"), "{said}");
    assert!(!said.contains("WARN") && !said.contains("ERROR") && !said.contains("sig="), "{said}");
    // A challenge and an answer at first; later answers only, and few of them.
    let asked = site.cloud.vault.asked();
    assert!(read == 2 && (3..=8).contains(&asked.len()), "{read} then {}", asked.len());
    assert!(asked.iter().all(|asked| asked.header("user-agent").unwrap().starts_with("deltawave-")));
    site.bench.assert_all(1, 2).await;
    site.bench.passed().await;
}

#[tokio::test]
async fn a_version_that_is_named_stays() {
    let site = Site::new().await;
    site.file(0).await;
    site.cloud.vault.set("sas", &sas_until(Duration::hours(1)));
    site.cloud.vault.set("sas", &wrong_sas());
    let newest = site.fails(|command| command.args(["--blob-sas", "keyvault:sas"])).await;
    assert!(newest.contains("SAS has expired or is wrong"), "{newest}");
    let ended = run(site.loader(&["--once", "--blob-sas", "keyvault:sas/1"])).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    site.bench.passed().await;
}

#[tokio::test]
async fn a_vault_that_gives_no_secret_is_told_in_one_sentence() {
    let site = Site::new().await;
    let vault = &site.cloud.vault;
    let url = vault.url();
    let no = async |name: &str, words: &str| {
        let text = site.fails(|command| command.args(["--blob-sas", &format!("keyvault:{name}")])).await;
        assert!(text.contains(words) && text.contains(&url), "{words} is missing in: {text}");
    };
    vault.set("there", "x");
    vault.hold("deleted", Held::Deleted);
    vault.hold("rbac", Held::Refused(403, "Forbidden", "ForbiddenByRbac"));
    vault.hold("policy", Held::Refused(403, "Forbidden", "AccessDenied"));
    vault.hold("network", Held::Refused(403, "Forbidden", "ForbiddenByFirewall"));
    vault.hold("disabled", Held::Refused(403, "Forbidden", "SecretDisabled"));
    vault.hold("busy", Held::Refused(503, "ServiceUnavailable", "Busy"));
    no("missing", "has no secret missing: create it, or correct the name").await;
    no("there/2", "has no secret there/2: create it").await;
    no("deleted", "was deleted: bring it back with `az keyvault secret recover`").await;
    no("rbac", "may not read secret rbac of").await;
    no("policy", "give it the role Key Vault Secrets User").await;
    no("network", "the firewall of").await;
    no("disabled", "is disabled: enable it").await;
    no("busy", "cannot give secret busy now (503 Busy)").await;
    let elsewhere = async |url: &str, words: &str| {
        let text = site
            .fails(|command| command.args(["--blob-sas", "keyvault:there"]).env("DELTAWAVE_KEY_VAULT_URL", url))
            .await;
        assert!(text.contains(words), "{words} is missing in: {text}");
    };
    elsewhere("https://deltawave.invalid", "https://deltawave.invalid cannot be reached (").await;
    // A vault's answers from a host that is none: its challenge names a service the host is no part of.
    let port = vault.port();
    elsewhere(&format!("https://localhost:{port}"), "is no Key Vault (it asks for a token of another service)").await;
    site.cloud.identity.answer(400);
    no("there", "no token for").await;
    site.bench.passed().await;
}

#[tokio::test]
async fn a_secret_that_names_no_place_is_a_fault_of_the_settings() {
    for (flags, words) in [
        (vec!["--blob-sas", "keyvault:"], "--blob-sas: names no secret after keyvault:"),
        (vec!["--blob-sas", "keyvault:x/"], "--blob-sas: names no version after the slash"),
        (vec!["--blob-sas", "file:"], "--blob-sas: names no file after file:"),
        (vec!["--blob-sas", ""], "--blob-sas: is empty"),
        (vec!["--blob-sas", "keyvault:x"], "say which by --key-vault-url"),
        (vec!["--notifications-sas", "x"], "--notifications-sas: opens nothing"),
        (vec!["--blob", "/tmp", "--blob-sas", "x"], "--blob-sas: a directory (--blob) takes no SAS"),
        (
            vec!["--blob", "https://a.blob.core.windows.net/capture?sig=x", "--blob-sas", "x"],
            "--blob-sas: the address (--blob) has a SAS already",
        ),
        (vec!["--key-vault-url", "http://v.vault.azure.net"], "--key-vault-url: is not a vault's https URL"),
        (vec!["--key-vault-url", "https://v.vault.azure.net/secrets/x"], "--key-vault-url: is not a vault's"),
    ] {
        let ended = run(program(env!("CARGO_BIN_EXE_loader"), &flags)).await;
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains(words), "{words} is missing in: {}", ended.err);
    }
}
