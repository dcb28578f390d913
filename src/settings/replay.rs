use clap::Args;

use super::loader::CONNECTIONS;
use super::mapping::MappingArgs;
use super::scope::ScopeArgs;
use super::verify::{VerifyArgs, VerifySettings};
use super::{Faults, LoaderSettings};
#[cfg(debug_assertions)]
use crate::base::killpoint::KillPoint;
use crate::capture::Scope;

/// Flags of `deltawave replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Load again exactly the files whose rows, or whose rows in the ledger, `verify` finds lacking
    #[arg(long, env = "DELTAWAVE_HOLES")]
    holes: bool,
    /// Load again exactly the files with records in `rejected_events`, and take out of it those that fit now
    #[arg(long, env = "DELTAWAVE_REJECTED", conflicts_with = "holes")]
    rejected: bool,
    /// Say which files would be loaded again, and load none
    #[arg(long, env = "DELTAWAVE_DRY_RUN")]
    dry_run: bool,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    verify: VerifyArgs,
    #[command(flatten)]
    mapping: MappingArgs,
    /// Connections to the store that write at the same time
    #[arg(long, env = "DELTAWAVE_CONNECTIONS", value_name = "N", default_value_t = CONNECTIONS)]
    connections: usize,
    /// Die at this moment, to prove that no moment is a bad one: before:STEP[:N] or after:STEP[:N]
    #[cfg(debug_assertions)]
    #[arg(long, hide = true, value_name = "MOMENT")]
    kill_at: Option<KillPoint>,
}

/// Which files are loaded again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// Those that lack rows or their row in the ledger, within a scope.
    Holes(Scope),
    /// Those with rejected records, within a scope.
    Rejected(Scope),
    /// All of a scope.
    All(Scope),
}

/// Validated settings of `replay`.
#[derive(Debug, Clone)]
pub struct ReplaySettings {
    /// Which files.
    pub pick: Pick,
    /// Whether nothing is loaded.
    pub dry_run: bool,
    /// How it is proven, before and after.
    pub verify: VerifySettings,
    /// How files are loaded.
    pub loader: LoaderSettings,
    /// When to die, in development builds.
    #[cfg(debug_assertions)]
    pub kill_at: Option<KillPoint>,
}

impl ReplayArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<ReplaySettings, Faults> {
        let mut faults = Faults::default();
        let is_part = self.scope.is_part();
        let scope = self.scope.check(&mut faults);
        if !self.holes && !self.rejected && !is_part {
            faults.add(
                "--holes",
                "say what to load again: --holes, --rejected, or a part by --from, --until, --partition",
            );
        }
        let verify = match self.verify.validate() {
            Ok(verify) => Some(verify),
            Err(more) => {
                faults.extend(more);
                None
            }
        };
        for route in verify.iter().flat_map(|verify| &verify.check.lakes) {
            faults.add(
                "--route",
                format_args!(
                    "`{route}` leads into a Delta table, which replay does not load again (docs/lake.md); leave it out"
                ),
            );
        }
        if verify.as_ref().is_some_and(|verify| verify.blob.is_none()) {
            faults.add("--blob", "is missing: it says where the files are that are loaded again");
        }
        let loader = self.mapping.check(verify.as_ref(), self.connections, &mut faults);
        let settings = (|| {
            let (verify, loader, scope) = (verify?, loader?, scope?);
            Some(ReplaySettings {
                pick: match (self.holes, self.rejected) {
                    (true, _) => Pick::Holes(scope),
                    (_, true) => Pick::Rejected(scope),
                    _ => Pick::All(scope),
                },
                dry_run: self.dry_run,
                verify,
                loader,
                #[cfg(debug_assertions)]
                kill_at: self.kill_at,
            })
        })();
        faults.finish(settings)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        replay: ReplayArgs,
    }

    fn validate(flags: &[&str]) -> Result<ReplaySettings, String> {
        let cli = Cli::try_parse_from(["replay"].iter().chain(flags)).map_err(|error| error.to_string())?;
        cli.replay.validate().map_err(|faults| faults.to_string())
    }

    #[test]
    fn it_must_be_said_what_is_loaded_and_from_where() {
        let text = validate(&["--connections", "0"]).unwrap_err();
        for flag in ["--holes", "--blob", "--connections"] {
            assert!(text.contains(&format!("error: {flag}: ")), "{text}");
        }
        let settings = validate(&["--holes", "--blob", "/tmp"]).unwrap();
        assert_eq!(settings.pick, Pick::Holes(Scope::default()));
        assert_eq!(settings.loader.routes, settings.verify.check.routes);
        let settings = validate(&["--holes", "--blob", "/tmp", "--column", "user_event_log.ts=epoch-ms"]).unwrap();
        assert_eq!(settings.loader.columns.len(), 1);
        let settings = validate(&["--rejected", "--blob", "/tmp"]).unwrap();
        assert_eq!(settings.pick, Pick::Rejected(Scope::default()));
        let settings = validate(&["--partition", "3", "--blob", "/tmp"]).unwrap();
        assert!(matches!(settings.pick, Pick::All(scope) if scope.partitions.len() == 1));
    }
}
