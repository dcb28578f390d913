//! How far the Delta tables are.

use time::OffsetDateTime;

use crate::azure::identity::{Identity, IdentityError};
use crate::lake::{Audit, Audited, LakeError};
use crate::ledger::{Coverage, FileState};
use crate::settings::CheckSettings;
use crate::store::Summary;

/// Why a table cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LakeUnread {
    /// It cannot be read.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The program has no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// A summary of each partition of the routes' hubs, in the form that the store's have.
///
/// # Errors
/// When a table cannot be read.
pub(super) async fn summaries(settings: &CheckSettings) -> Result<Vec<Summary>, LakeUnread> {
    let identity = Identity::new(settings.identity.clone());
    let mut all = Vec::new();
    for route in &settings.lakes {
        let Some(address) = &route.lake else { continue };
        let audit = Audit::of(address, identity.key(address.needs_credential(), None)?).await?;
        let ours = audit.partitions.into_iter().filter(|((hub, _), _)| hub == route.hub.name());
        all.extend(ours.map(|((hub, partition), audited)| {
            let Audited { files, newest, unmapped, rejected, .. } = audited;
            let coverage = Coverage::of(files);
            let ago = |at: OffsetDateTime| (OffsetDateTime::now_utc() - at).as_seconds_f64();
            let damaged = |file: &&crate::ledger::CoveredFile| file.state != FileState::Loaded;
            Summary {
                target: route.table.clone(),
                hub,
                partition,
                files: coverage.files().len() as u64,
                quarantined: coverage.files().iter().filter(damaged).count() as u64,
                records: coverage.sum(|file| file.records),
                rejected,
                unmapped,
                last: coverage.last(),
                loaded_ago: newest.map(|(loaded_at, _)| ago(loaded_at)),
                window_ago: newest.map(|(_, window)| ago(window)),
                highest: coverage.span().map(|span| span.last),
            }
        }));
    }
    Ok(all)
}
