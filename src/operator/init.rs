use std::io::{BufRead as _, IsTerminal as _, Write as _};

use tokio_util::sync::CancellationToken;

use super::store::connect;
use crate::service::Exit;
use crate::settings::{InitSettings, Recreate};
use crate::store::{StoreError, create_objects, drop_objects};

/// Why the tables were not made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The store is away or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody agreed to dropping what is there.
    #[error("nothing was dropped or made: {0}")]
    NotAgreed(&'static str),
}

/// Makes the tables and views that are not there yet, or all anew.
///
/// # Errors
/// When the store is away for too long or refuses; it may be run again at any time.
pub async fn init(settings: InitSettings, shutdown: CancellationToken) -> Result<Exit, InitError> {
    let session = connect(&settings.store, settings.give_up, &shutdown).await?;
    println!("{} at {}", session.engine(), settings.store);
    match settings.recreate {
        Recreate::No => {}
        Recreate::Ask => {
            agree(&settings.store.to_string())?;
            drop_objects(&session, |name| println!("  dropped  {name}")).await?;
        }
        Recreate::Yes => drop_objects(&session, |name| println!("  dropped  {name}")).await?,
    }
    create_objects(&session, |name| println!("  ready    {name}")).await?;
    println!("look at it with: {}", settings.store.psql());
    Ok(Exit::Done)
}

fn agree(store: &str) -> Result<(), InitError> {
    if !std::io::stdin().is_terminal() {
        return Err(InitError::NotAgreed("--recreate asks first; without a terminal say --yes as well"));
    }
    print!(
        "This drops user_event_log, capture_files, rejected_events and their views in {store}, with all they hold.\n\
         The loader can load everything again from the Capture files. Type yes to go on: "
    );
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && answer.trim() == "yes" { Ok(()) } else { Err(InitError::NotAgreed("the answer was not yes")) }
}
