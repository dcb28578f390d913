use tokio_util::sync::CancellationToken;

use super::check::open_container;
use super::error::VerifyError;
use super::listing;
use crate::capture::Scope;
use crate::ledger::FileVersion;
use crate::loader::Again;
use crate::operator::store::{address, connect_current};
use crate::settings::VerifySettings;

/// All finished files of a scope, by their routes, but for those that were pruned, and those that are archived, of which
/// it is told.
///
/// # Errors
/// When the container or the ledger cannot be read.
pub(in crate::operator) async fn list(
    settings: &VerifySettings,
    scope: &Scope,
    shutdown: &CancellationToken,
) -> Result<Vec<Again>, VerifyError> {
    let Some(container) = open_container(settings)? else { return Ok(Vec::new()) };
    let list = async {
        let address = address(&settings.check).await?;
        let store = connect_current(&address, settings.check.give_up, shutdown).await?;
        let mut all = Vec::new();
        for route in &settings.check.routes {
            let pruned = store.session.pruned_files(&route.table, route.hub.name()).await?;
            let is_wanted = |file: &FileVersion| scope.takes(&file.name) && !pruned.contains(&file.blob);
            let listed = listing::list(&container, &settings.name_format, route).await?;
            let mut files = Vec::new();
            let mut archived = 0;
            for listed in listed.values() {
                for (blob, file) in listed {
                    let version = listing::version(listed, &settings.name_format, route, blob);
                    let Some(version) = version.filter(is_wanted) else { continue };
                    if file.archived {
                        archived += 1;
                    } else {
                        files.push(version);
                    }
                }
            }
            if archived > 0 {
                tracing::warn!("{archived} files of {} are archived, and so are not loaded again", route.hub);
            }
            all.push(Again { route: route.clone(), files });
        }
        Ok(all)
    };
    tokio::select! {
        all = list => all,
        () = shutdown.cancelled() => Err(VerifyError::Interrupted),
    }
}
