use std::sync::{Arc, Mutex};

use time::format_description::well_known::Rfc2822;
use time::{Duration, OffsetDateTime};

use super::sentence;
use crate::support::cloud::{Answer, Asked, Cloud, Ending, Played, blob_url, sas_until};
use crate::support::{program, run, store};

/// What a storage service answers with: a status, a code, and by how much its clock is off.
type Refusal = (u16, &'static str, i64);

#[tokio::test]
async fn every_refusal_of_the_storage_service_says_what_to_do() {
    let refusal = Arc::new(Mutex::<Refusal>::new((500, "", 0)));
    let wanted = Arc::clone(&refusal);
    let server = Played::https(move |_: &Asked| {
        let (status, code, off) = *wanted.lock().unwrap();
        let date = (OffsetDateTime::now_utc() + Duration::minutes(off)).format(&Rfc2822).unwrap();
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
        let answer = Answer { status, headers: Vec::new(), body, ending: Ending::Closed };
        let answer = answer.with("date", date.replace("+0000", "GMT")).with("content-type", "application/xml");
        if code.is_empty() { answer } else { answer.with("x-ms-error-code", code) }
    })
    .await;
    let cloud = Cloud::with_blobs_at(&server).await;
    let store = store().await.initialised().await;
    let fails = async |what: Refusal, sas: Option<String>| {
        *refusal.lock().unwrap() = what;
        let flags = ["--once", "--give-up", "0.1", "--log", "off"];
        let mut command = program(env!("CARGO_BIN_EXE_loader"), &flags);
        command.env("DELTAWAVE_BLOB", blob_url("capture")).env("DELTAWAVE_STORE_URL", store.url());
        command.envs(sas.map(|sas| ("DELTAWAVE_BLOB_SAS", sas)));
        cloud.show(&mut command);
        sentence(&run(command).await)
    };
    let reader = "give the program's identity the role Storage Blob Data Reader";
    for (what, words) in [
        ((404, "ContainerNotFound", 0), "blob.core.windows.net/capture does not exist: create it"),
        ((403, "AuthorizationPermissionMismatch", 0), reader),
        ((403, "AuthorizationFailure", 0), "the account's firewall keeps this network out, so let it through"),
        ((401, "InvalidAuthenticationInfo", 0), "one of the account's own tenant"),
        (
            (401, "InvalidAuthenticationInfo", 20),
            "this machine's clock is 20 min behind the service's, so set it right",
        ),
        ((403, "AuthenticationFailed", -45), "this machine's clock is 45 min ahead of the service's"),
        ((403, "KeyBasedAuthenticationNotPermitted", 0), "takes no SAS made with its keys"),
        ((403, "AccountIsDisabled", 0), "the account is disabled"),
        ((403, "", 0), reader),
        ((503, "ServerBusy", 0), "503 ServerBusy"),
    ] {
        let text = fails(what, None).await;
        assert!(text.contains(words), "{words} is missing in: {text}");
    }
    for (what, words) in [
        ((403, "AuthenticationFailed", 0), "the SAS has expired, is not valid yet, or is not signed by a key"),
        ((403, "AuthorizationPermissionMismatch", 0), "the SAS allows something else, so make one that allows what"),
        ((403, "AuthorizationSourceIPMismatch", 0), "the SAS is for other addresses"),
        ((403, "AuthorizationFailure", 0), "the account's firewall keeps this network out"),
    ] {
        let text = fails(what, Some(sas_until(Duration::hours(1)))).await;
        assert!(text.contains(words), "{words} is missing in: {text}");
    }
    for asked in server.asked() {
        assert!(asked.header("user-agent").is_some_and(|agent| agent.starts_with("deltawave-")), "{asked:?}");
        assert!(asked.header("authorization").is_some() != asked.path.contains("sig="), "{asked:?}");
    }
    store.passed().await;
}
