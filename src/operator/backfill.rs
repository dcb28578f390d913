use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::store::connect;
use crate::azure::identity::Identity;
use crate::base::SecretError;
use crate::loader::{self, LoadError, Progress};
use crate::service::Exit;
use crate::service::http::{self, HttpError};
use crate::settings::LoaderSettings;
use crate::store::{StoreError, User, create_history, create_latest, grant, latest_is_there};

/// Why the history is not loaded, or its latest state not made.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// The store is away or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's password cannot be read.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// Something was not loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Health cannot be served.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Someone asked for an end.
    #[error("stopped on request before the latest state was made; run it again to go on")]
    Stopped,
}

/// Makes the history's tables, loads every file that is there, then makes the latest state from it, which is faster than
/// keeping it up to date all along.
///
/// # Errors
/// As of `init` and of the loader. It may be run again at any time, and goes on.
pub async fn backfill(settings: LoaderSettings, shutdown: CancellationToken) -> Result<Exit, BackfillError> {
    let progress = Arc::new(Progress::new(settings.poll));
    if let Some(address) = settings.http {
        http::serve(address, Arc::clone(&progress) as _).await?;
    }
    let store = match &settings.store_password {
        Some(source) => {
            let identity = Identity::new(settings.identity.clone());
            settings.store.with_rotating_password(identity.secret(source).await?)
        }
        None => settings.store.clone(),
    };
    let session = connect(&store, settings.give_up, &shutdown).await?;
    if latest_is_there(&session).await? {
        tracing::warn!(
            "latest_user_state is there already, and is kept up to date while the history is loaded, which takes longer; \
             `deltawave init --recreate --without-latest` makes everything anew without it"
        );
    }
    create_history(&session, |name| println!("  ready    {name}")).await?;
    drop(session);
    loader::run(&settings, shutdown.clone(), progress).await?;
    // The one from before may have been idle for hours.
    let session = connect(&store, settings.give_up, &shutdown).await?;
    let latest = async {
        create_latest(&session, |name| println!("  ready    {name}")).await?;
        for user in [User::Loader, User::Reader] {
            grant(&session, user).await?;
        }
        Ok::<_, StoreError>(())
    };
    tokio::select! {
        made = latest => made?,
        () = shutdown.cancelled() => return Err(BackfillError::Stopped),
    }
    println!("look at it with: {}", settings.store.psql());
    Ok(Exit::Done)
}
