use std::time::Duration;

use clap::Args;

use super::setup::{SetupArgs, SetupSettings};
use super::{Faults, Seconds};

/// Flags of `deltawave init`.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    #[command(flatten)]
    setup: SetupArgs,
    /// Drop the tables and views first, with all they hold; asks before it does
    #[arg(long)]
    recreate: bool,
    /// With --recreate: do not ask
    #[arg(long, requires = "recreate")]
    yes: bool,
    /// How long to retry a store that is away before exit 1, in seconds
    #[arg(long, env = "DELTAWAVE_GIVE_UP", value_name = "SECONDS", default_value = "60")]
    give_up: Seconds,
}

/// What `init` does with tables that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recreate {
    /// Leaves them as they are.
    No,
    /// Drops and makes them anew, once a person has agreed.
    Ask,
    /// Drops and makes them anew.
    Yes,
}

/// Validated settings of `init`.
#[derive(Debug, Clone)]
pub struct InitSettings {
    /// The store and its users.
    pub setup: SetupSettings,
    /// What to do with what is there.
    pub recreate: Recreate,
    /// How long a store that is away is retried.
    pub give_up: Duration,
}

impl InitArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<InitSettings, Faults> {
        let mut faults = Faults::default();
        let setup = self.setup.check(&[], &mut faults);
        let recreate = match (self.recreate, self.yes) {
            (false, _) => Recreate::No,
            (true, false) => Recreate::Ask,
            (true, true) => Recreate::Yes,
        };
        let give_up = self.give_up.0;
        faults.finish(setup.map(|setup| InitSettings { setup, recreate, give_up }))
    }
}
