use std::io::Write as _;

use tokio_util::sync::CancellationToken;

use crate::azure::identity::{Identity, IdentityError};
use crate::lake::{Lake, LakeError};
use crate::service::Exit;
use crate::settings::OptimizeSettings;

/// Why a table was not packed, or not wholly.
#[derive(Debug, thiserror::Error)]
pub enum OptimizeError {
    /// The table cannot be read or written.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The program has no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Someone asked for an end.
    #[error("interrupted: what was packed by then is packed")]
    Interrupted,
}

/// Packs a Delta table, and says what it did.
///
/// # Errors
/// When the table cannot be read or written.
pub async fn optimize(settings: OptimizeSettings, shutdown: CancellationToken) -> Result<Exit, OptimizeError> {
    let work = async {
        let OptimizeSettings { table, target, identity, .. } = &settings;
        let key = Identity::new(identity.clone()).key(table.needs_credential(), None)?;
        let lake = Lake::open(table, key, &format!("delta:{table}"), &[]).await?;
        Ok::<_, OptimizeError>(lake.optimize(*target).await?)
    };
    let packed = tokio::select! {
        packed = work => packed?,
        () = shutdown.cancelled() => return Err(OptimizeError::Interrupted),
    };
    // Nobody may be there to read it.
    let _ = writeln!(
        std::io::stdout().lock(),
        "{}: {} files became {} of {:.1} MiB; {} that are past retention were deleted",
        settings.table,
        packed.files,
        packed.into,
        packed.bytes as f64 / f64::from(1 << 20),
        packed.cleared
    );
    Ok(Exit::Done)
}
