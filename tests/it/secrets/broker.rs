//! Connection strings of event hubs.

use super::{Case, Secrets, case, forms, run_all};
use crate::eventhubs::{KEY, NAMESPACE, connection_string, kafka, topic};
use crate::support::cloud::{Cloud, Held};
use crate::support::unique;

const WRONG: &str = "d3Jvbmcta2V5";
const STRING: &str = "DELTAWAVE_CONNECTION_STRING";

#[tokio::test]
async fn no_program_writes_a_connection_string() {
    let (cloud, directory, kafka) = (Cloud::new().await, tempfile::tempdir().unwrap(), kafka().await);
    let secrets = Secrets::words(&[KEY, WRONG]);
    let (good, wrong) = (connection_string(KEY), connection_string(WRONG));
    cloud.vault.hold("closed", Held::Refused(403, "Forbidden", "ForbiddenByRbac"));
    let hub = format!("{NAMESPACE}/{}", topic(kafka).await);
    let (address, authority) = kafka.locked().unwrap();
    let authority = authority.to_str().unwrap();
    let files = directory.path().join("files");
    let mut cases: Vec<Case> = Vec::new();
    for (path, flags) in [
        (env!("CARGO_BIN_EXE_producer"), &["--events", "3", "--rate", "max", "--order-start", "1", "--quiet"][..]),
        (env!("CARGO_BIN_EXE_capture"), &["--window", "1", "--skip-empty", "--until-end"]),
    ] {
        let mut add = |what: &str, code: i32, broker: &str, set: &[(&str, &str)], more: &[&str]| {
            let what = format!("{what}: {}", path.rsplit('/').next().unwrap());
            let set = [
                &[("DELTAWAVE_KAFKA_CA", authority), ("DELTAWAVE_EVENT_HUB", &hub), ("DELTAWAVE_BROKER", broker)],
                set,
            ]
            .concat();
            let (what, make, code) = case(&what, &cloud, path, code, &set, &[flags, more].concat());
            let files = files.clone();
            // Each run has a place of its own to write to.
            let make = move || {
                let mut command = make();
                command.env("DELTAWAVE_BLOB", files.join(unique("run")));
                command
            };
            cases.push((what, Box::new(make), code));
        };
        for source in forms(&directory, &cloud, &good) {
            add("well", 0, &address, &[(STRING, &source)], &[]);
            add("nobody there", 1, "127.0.0.1:1", &[(STRING, &source)], &["--give-up", "1"]);
            add("help", 0, &address, &[(STRING, &source)], &["--help"]);
        }
        for source in forms(&directory, &cloud, &wrong) {
            add("refused", 1, &address, &[(STRING, &source)], &[]);
        }
        for bad in [WRONG.to_owned(), format!("{wrong};EntityPath=another"), wrong.replace("contoso", "fabrikam")] {
            for (source, code) in forms(&directory, &cloud, &bad).iter().zip([2, 1, 1]) {
                add("of something else", code, &address, &[(STRING, source)], &[]);
            }
        }
        add("closed vault", 1, &address, &[(STRING, "keyvault:closed")], &[]);
        add("after keyvault:", 2, &address, &[(STRING, &format!("keyvault:{good}"))], &[]);
        add("as the hub", 2, &address, &[("DELTAWAVE_EVENT_HUB", &good)], &[]);
    }
    let set = [("DELTAWAVE_EVENT_HUB", &*hub), (STRING, &*good)];
    let flags = ["--transport", "amqp", "--order-start", "1"];
    cases.push(case("over AMQP", &cloud, env!("CARGO_BIN_EXE_producer"), 2, &set, &flags));
    for transport in ["https", "auto"] {
        let flags = ["--transport", transport, "--order-start", "1", "--events", "3", "--give-up", "1", "--quiet"];
        for (text, codes) in [(&good, [1, 1, 1]), (&wrong.replace("contoso", "fabrikam"), [2, 1, 1])] {
            for (source, code) in forms(&directory, &cloud, text).iter().zip(codes) {
                let set = [("DELTAWAVE_EVENT_HUB", &*hub), (STRING, &**source)];
                let what = format!("by {transport}");
                cases.push(case(&what, &cloud, env!("CARGO_BIN_EXE_producer"), code, &set, &flags));
            }
        }
    }
    for look in ["status", "verify"] {
        let set = [("DELTAWAVE_EVENT_HUB", &*good)];
        cases.push(case(look, &cloud, env!("CARGO_BIN_EXE_deltawave"), 2, &set, &[look]));
    }
    let ends = run_all(&secrets, cases).await;
    println!("{ends} endings, no secret");
}
