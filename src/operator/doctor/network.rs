//! What stands between this machine and the others.

use super::finding::{Finding, Findings};

/// Variables that name a proxy, as programs read them.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];

pub(super) fn look(findings: &mut Findings) {
    let set: Vec<&str> =
        PROXIES.into_iter().filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())).collect();
    if set.is_empty() {
        return;
    }
    findings.add(Finding::note(
        "proxy",
        format!(
            "{} is set: blobs, Key Vault and tokens go through it; SQL, Kafka (9093) and AMQP (5671) do not",
            set.join(", ")
        ),
        "where only 443 is open, send by `producer --transport https` (docs/networks.md); NO_PROXY names what is near",
    ));
}
