//! What stands between this machine and the others.

use tokio::net::TcpListener;

use super::finding::{Finding, Findings};
use super::ways::proxy;
use crate::settings::LoaderSettings;

pub(super) async fn look(settings: &LoaderSettings, findings: &mut Findings) {
    if let Some(set) = proxy() {
        findings.add(Finding::note(
            "proxy",
            format!("{set} is set: blobs, Key Vault and tokens go through it; SQL, Kafka (9093) and AMQP (5671) do not"),
            "where only 443 is open, send by `producer --transport https` (docs/networks.md); NO_PROXY names what is near",
        ));
    }
    if let Some(address) = settings.http {
        findings.add(match TcpListener::bind(address).await {
            Ok(_) => Finding::well("port", format!("{address} is free for --http")),
            // As beside a loader that runs.
            Err(error) => Finding::note(
                "port",
                format!("{address} (--http) cannot be listened on: {error}"),
                "right if this loader runs already; else choose a free address of this machine",
            ),
        });
    }
}
