use tokio_util::sync::CancellationToken;

use super::ask::agree;
use super::setup::{Setup, SetupError};
use super::store::connect_by;
use crate::service::Exit;
use crate::settings::{InitSettings, Latest, Recreate};
use crate::store::{StoreError, drop_objects, latest_is_there};

/// Why the tables were not made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The store is away or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The users cannot be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Nobody agreed to dropping what is there.
    #[error("nothing was dropped or made: {0}")]
    NotAgreed(&'static str),
}

/// Makes the tables and views that are not there yet, or all anew, and the users with their passwords.
///
/// # Errors
/// When the store is away for too long or refuses; it may be run again at any time.
pub async fn init(settings: InitSettings, shutdown: CancellationToken) -> Result<Exit, InitError> {
    let store = settings.setup.store.clone();
    let latest = settings.setup.latest;
    let setup = Setup::new(settings.setup);
    let passwords = setup.read().await?;
    let session = connect_by(async || setup.connect(&passwords).await, settings.give_up, &shutdown).await?;
    println!("{} at {store}", session.engine());
    match settings.recreate {
        Recreate::No => {}
        Recreate::Ask => {
            let unattended = "--recreate asks first; without a terminal say --yes as well";
            agree(&question(&store.to_string()), unattended).map_err(InitError::NotAgreed)?;
            drop_objects(&session, |name| println!("  dropped  {name}")).await?;
        }
        Recreate::Yes => drop_objects(&session, |name| println!("  dropped  {name}")).await?,
    }
    setup.create(&session, |name| println!("  ready    {name}")).await?;
    if latest == Latest::Left {
        match latest_is_there(&session).await? {
            true => println!("  there    latest_user_state, which every load keeps up to date; it stays"),
            false => println!("  left     latest_user_state: `deltawave init` makes it once the history is loaded"),
        }
    }
    setup.set(&session, &passwords, |user| println!("  ready    user {user}")).await?;
    println!("look at it with: {}", store.psql());
    Ok(Exit::Done)
}

/// What `--recreate` asks.
fn question(store: &str) -> String {
    format!(
        "This drops user_event_log, capture_files, rejected_events, pruned_ranges, forgotten_records, forgotten_rows,\n\
         latest_user_events and their views in {store}, with all they hold. What was forgotten by `prune --key` comes\n\
         back with the files, from which the loader can load everything again."
    )
}
