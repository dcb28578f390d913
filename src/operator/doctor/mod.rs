//! `deltawave doctor`: whatever stands between a loader's command line and rows in a table, one line each with the remedy.

mod broker;
mod files;
mod finding;
mod machine;
mod network;
mod queue;
mod registry;
mod secrets;
mod store;
mod ways;

use std::convert::Infallible;
use std::io::Write as _;

use tokio_util::sync::CancellationToken;

use self::finding::{Finding, Findings};
use crate::azure::identity::Identity;
use crate::service::Exit;
use crate::settings::DoctorSettings;

/// Looks at everything a loader of these settings needs, and says of each what is wrong and what to do. Exit 0 only if
/// nothing is.
///
/// # Errors
/// Never: what goes wrong is what it tells.
pub async fn doctor(settings: DoctorSettings, shutdown: CancellationToken) -> Result<Exit, Infallible> {
    let mut findings = Findings::new(settings.json);
    let looked = tokio::select! {
        () = look(&settings, &mut findings) => true,
        () = shutdown.cancelled() => false,
    };
    if !looked {
        findings.add(Finding::fault("doctor", "interrupted before it had looked at everything", "run it again"));
    }
    let text = findings.end();
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
    Ok(if findings.is_well() { Exit::Done } else { Exit::Failed })
}

async fn look(settings: &DoctorSettings, findings: &mut Findings) {
    let loader = &settings.loader;
    let identity = Identity::new(loader.identity.clone());
    machine::look(loader, findings).await;
    network::look(loader, findings).await;
    secrets::look(loader, &identity, findings).await;
    files::look(loader, &identity, findings).await;
    queue::look(loader, &identity, findings).await;
    registry::look(loader, &identity, findings).await;
    broker::look(loader, &identity, findings).await;
    store::look(loader, &identity, findings).await;
}
