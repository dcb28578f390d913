use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use time::OffsetDateTime;
use tokio::time::timeout;

use super::finding::{Finding, Findings};
use crate::azure::blob::{BlobEntry, BlobError, Container};
use crate::azure::identity::Identity;
use crate::loader::what_stands_there;
use crate::settings::{LoaderSettings, Route};

/// How long a container may take to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// Of two clocks that differ by more, one is wrong.
const CLOCKS: Duration = Duration::from_secs(60);

pub(super) async fn look(settings: &LoaderSettings, identity: &Arc<Identity>, findings: &mut Findings) {
    let key = match identity.key(settings.blob.needs_credential(), settings.blob_sas.as_ref()) {
        Ok(key) => key,
        Err(error) => return findings.add(Finding::error("identity", &error)),
    };
    let container = match Container::open(&settings.blob, key) {
        Ok(container) => container,
        Err(error) => return findings.add(Finding::error("files", &error)),
    };
    if let Ok(Some(account)) = timeout(LIMIT, container.account()).await {
        let names = match account.is_hierarchical {
            true => "with a hierarchical namespace (a data lake), which a loader takes as well",
            false => "without a hierarchical namespace",
        };
        findings.add(Finding::well("account", format!("{}, {}, {names}", account.kind, account.sku)));
    }
    for route in &settings.routes {
        match timeout(LIMIT, of_route(&container, settings, route, findings)).await {
            Ok(Ok(())) => {}
            // What refuses one listing refuses all.
            Ok(Err(error)) => return findings.add(Finding::error("files", &error)),
            Err(_) => {
                let text = format!("{} has not answered for {} s", settings.blob, LIMIT.as_secs());
                return findings.add(Finding::fault(
                    "files",
                    text,
                    "check the address, the account's firewall and private endpoint, and the proxy",
                ));
            }
        }
    }
}

async fn of_route(
    container: &Container,
    settings: &LoaderSettings,
    route: &Route,
    findings: &mut Findings,
) -> Result<(), BlobError> {
    let hub = &route.hub;
    let (mut files, mut archived, mut empty) = (0_u64, 0_u64, 0_u64);
    let mut newest: Option<BlobEntry> = None;
    let mut pages = container.list(&settings.name_format.prefix(hub, None, None), None);
    while let Some(page) = pages.next().await {
        for entry in page? {
            if settings.name_format.parse(hub, &entry.name).is_none() {
                continue;
            }
            files += 1;
            archived += u64::from(entry.archived);
            empty += u64::from(entry.size == 0);
            let readable = entry.size > 0 && !entry.archived;
            if readable && newest.as_ref().is_none_or(|newest| newest.last_modified < entry.last_modified) {
                newest = Some(entry);
            }
        }
    }
    if files == 0 {
        let instead = what_stands_there(container, &settings.name_format, hub).await;
        findings.add(Finding::error("files", &instead));
        return Ok(());
    }
    let mut text = format!("{files} files of {hub} in {}", container.address());
    if let Some(newest) = &newest {
        text.push_str(&format!(", the newest {} by {}", newest.name, newest.last_modified.date()));
    }
    findings.add(Finding::well("files", text));
    if archived > 0 {
        let text = format!("{archived} files of {hub} are archived: they wait, and the others are loaded");
        findings.add(Finding::note("files", text, "rehydrate them: az storage blob set-tier --tier Cool"));
    }
    if empty > 0 {
        let text = format!("{empty} files of {hub} have no bytes");
        findings.add(Finding::note("files", text, "they are being filled, or quarantined once older than --settle"));
    }
    let Some(newest) = newest else { return Ok(()) };
    findings.add(match container.read(&newest.name, Some(&newest.etag), 0).next().await {
        Some(Err(error)) => Finding::error("read", &error),
        _ => Finding::well("read", format!("{} can be read", newest.name)),
    });
    let ahead = newest.last_modified - OffsetDateTime::now_utc();
    if ahead > CLOCKS {
        let text = format!("the newest file is of {} s in the future by this machine's clock", ahead.whole_seconds());
        findings.add(Finding::fault("clock", text, "set this machine's clock: tokens and signatures depend on it"));
    }
    Ok(())
}
