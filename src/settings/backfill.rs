use clap::Args;

use super::{Faults, LoaderArgs, LoaderSettings};

/// Flags of `deltawave backfill`: those of the loader.
#[derive(Debug, Clone, Args)]
pub struct BackfillArgs {
    #[command(flatten)]
    loader: LoaderArgs,
}

impl BackfillArgs {
    /// The settings of a loader that runs once.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<LoaderSettings, Faults> {
        let settings = self.loader.validate()?;
        let mut faults = Faults::default();
        if settings.dry_run {
            faults.add("--dry-run", "a backfill writes; run `loader --dry-run`");
        }
        if settings.notifications.is_some() {
            faults.add("--notifications", "a backfill loads what is there and waits for nothing; leave it out");
        }
        if settings.routes.is_empty() {
            faults.add("--route", "a backfill makes a latest state in a store, and all routes lead into Delta tables");
        }
        faults.finish(Some(LoaderSettings { once: true, ..settings }))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: BackfillArgs,
    }

    fn validate(flags: &[&str]) -> Result<LoaderSettings, String> {
        let cli = Cli::try_parse_from([&["backfill"], flags].concat()).unwrap();
        cli.args.validate().map_err(|faults| faults.to_string())
    }

    #[test]
    fn it_is_a_loader_that_runs_once_and_writes() {
        assert!(validate(&["--batch-rows", "7"]).is_ok_and(|settings| settings.once && settings.batch_rows == 7));
        let queue = "http://127.0.0.1:10001/devstoreaccount1/events";
        for flags in [&["--dry-run"][..], &["--notifications", queue]] {
            let text = validate(flags).unwrap_err();
            assert!(text.starts_with(&format!("error: {}: a backfill", flags[0])), "{text}");
        }
    }
}
