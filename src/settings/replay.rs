use clap::Args;

use super::columns::ColumnArgs;
use super::loader::{BATCH_ROWS, CONNECTIONS, MEMORY, PARALLEL_FILES, REQUIRE, STORE_TIMEOUT, check_sizes};
use super::registry::RegistryArgs;
use super::scope::ScopeArgs;
use super::verify::{VerifyArgs, VerifySettings};
use super::{Faults, LoaderSettings, Seconds};
#[cfg(debug_assertions)]
use crate::base::killpoint::KillPoint;
use crate::capture::Scope;

/// Flags of `deltawave replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Load again exactly the files whose rows, or whose rows in the ledger, `verify` finds lacking
    #[arg(long, env = "DELTAWAVE_HOLES")]
    holes: bool,
    /// Say which files would be loaded again, and load none
    #[arg(long, env = "DELTAWAVE_DRY_RUN")]
    dry_run: bool,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    verify: VerifyArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Columns without which a record is rejected, where its table has them; several separated by commas
    #[arg(
        long,
        env = "DELTAWAVE_REQUIRE",
        value_name = "COLUMNS",
        value_delimiter = ',',
        default_values = REQUIRE
    )]
    require: Vec<String>,
    #[command(flatten)]
    columns: ColumnArgs,
    /// How long the store may take to answer one statement before the connection is given up, in seconds
    #[arg(long, env = "DELTAWAVE_STORE_TIMEOUT", value_name = "SECONDS", default_value_t = STORE_TIMEOUT)]
    store_timeout: Seconds,
    /// Memory to use, in MiB; fewer files at once and smaller batches keep to it
    #[arg(long, env = "DELTAWAVE_MEMORY", value_name = "MIB", default_value_t = MEMORY)]
    memory: usize,
    /// Rows in one INSERT
    #[arg(long, env = "DELTAWAVE_BATCH_ROWS", value_name = "N", default_value_t = BATCH_ROWS)]
    batch_rows: usize,
    /// Connections to the store that write at the same time
    #[arg(long, env = "DELTAWAVE_CONNECTIONS", value_name = "N", default_value_t = CONNECTIONS)]
    connections: usize,
    /// Files fetched and decoded at the same time
    #[arg(long, env = "DELTAWAVE_PARALLEL_FILES", value_name = "N", default_value_t = PARALLEL_FILES)]
    parallel_files: usize,
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
        if !self.holes && !is_part {
            faults.add("--holes", "say what to load again: --holes, or a part by --from, --until, --partition");
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
        let routes = verify.as_ref().map(|verify| verify.check.routes.as_slice());
        let registries = self.registry.check(routes, &mut faults);
        let blob = verify.as_ref().and_then(|verify| verify.blob.clone());
        if verify.is_some() && blob.is_none() {
            faults.add("--blob", "is missing: it says where the files are that are loaded again");
        }
        let columns = self.columns.check(verify.as_ref().map(|verify| &*verify.check.routes), &mut faults);
        let store_timeout = faults.check("--store-timeout", self.store_timeout.at_least(0.1));
        check_sizes(self.batch_rows, self.connections, self.parallel_files, self.memory, &mut faults);
        let settings = (|| {
            let (verify, blob, scope) = (verify?, blob?, scope?);
            let check = &verify.check;
            let loader = LoaderSettings {
                blob_sas: verify.blob_sas.clone(),
                store_password: check.store_password.clone(),
                name_format: verify.name_format.clone(),
                registries: registries?,
                require: self.require,
                columns: columns?,
                once: true,
                give_up: check.give_up,
                store_timeout: store_timeout?,
                memory: self.memory << 20,
                batch_rows: self.batch_rows,
                connections: self.connections,
                parallel_files: self.parallel_files,
                identity: check.identity.clone(),
                ..LoaderSettings::new(blob, check.store.clone(), check.routes.clone())
            };
            Some(ReplaySettings {
                pick: if self.holes { Pick::Holes(scope) } else { Pick::All(scope) },
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
        let settings = validate(&["--partition", "3", "--blob", "/tmp"]).unwrap();
        assert!(matches!(settings.pick, Pick::All(scope) if scope.partitions.len() == 1));
    }
}
