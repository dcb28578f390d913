use clap::Args;

use super::columns::ColumnArgs;
use super::loader::{BATCH_ROWS, MEMORY, PARALLEL_FILES, REQUIRE, STORE_TIMEOUT, check_sizes};
use super::registry::RegistryArgs;
use super::verify::VerifySettings;
use super::{Faults, LoaderSettings, Seconds};

/// Flags of every command that makes rows of files again, as a loader does.
#[derive(Debug, Clone, Args)]
pub(super) struct MappingArgs {
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
    /// Rows in one statement
    #[arg(long, env = "DELTAWAVE_BATCH_ROWS", value_name = "N", default_value_t = BATCH_ROWS)]
    batch_rows: usize,
    /// Files fetched and decoded at the same time
    #[arg(long, env = "DELTAWAVE_PARALLEL_FILES", value_name = "N", default_value_t = PARALLEL_FILES)]
    parallel_files: usize,
}

impl MappingArgs {
    /// A loader that runs once over the same files, store and routes; `None` without files.
    pub(super) fn check(
        self,
        verify: Option<&VerifySettings>,
        connections: usize,
        faults: &mut Faults,
    ) -> Option<LoaderSettings> {
        let routes = verify.map(|verify| verify.check.routes.as_slice());
        let registries = self.registry.check(routes, faults);
        let columns = self.columns.check(routes, faults);
        let store_timeout = faults.check("--store-timeout", self.store_timeout.at_least(0.1));
        check_sizes(self.batch_rows, connections, self.parallel_files, self.memory, faults);
        let verify = verify?;
        let check = &verify.check;
        Some(LoaderSettings {
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
            connections,
            parallel_files: self.parallel_files,
            identity: check.identity.clone(),
            ..LoaderSettings::new(verify.blob.clone()?, check.store.clone(), check.routes.clone())
        })
    }
}
