use std::time::Duration;

use clap::{Args, ValueEnum};

use super::identity::{BlobSasArgs, IdentityArgs};
use super::names::{LOCAL, NameArgs};
use super::registry::RegistryArgs;
use super::rowing::RowingArgs;
use super::store::StoreArgs;
use super::{Faults, Route, Rowing, Seconds, event_hub};
use crate::azure::blob::BlobAddress;
use crate::azure::identity::IdentitySettings;
use crate::base::{Secret, SecretSource};
use crate::capture::{Hub, NameFormat};
use crate::formats::FormatName;
use crate::lake::LakeAddress;
use crate::registry::RegistrySettings;
use crate::store::{Kind, StoreAddress};

/// Flags of `deltawave table`.
#[derive(Debug, Clone, Args)]
pub struct TableArgs {
    /// The table, with its schema if it is not in `public`
    table: String,
    /// Where Capture files are: azurite, https://ACCOUNT.blob.core.windows.net/CONTAINER[?SAS], or a directory
    // This is also the help text, where a link would show its brackets.
    #[allow(rustdoc::bare_urls)]
    #[arg(long, env = "DELTAWAVE_BLOB", default_value = "azurite", hide_env_values = true)]
    blob: Secret,
    #[command(flatten)]
    blob_sas: BlobSasArgs,
    #[command(flatten)]
    names: NameArgs,
    /// Event hub whose files are read, as NAMESPACE/HUB
    #[arg(long, value_name = "NAMESPACE/HUB", conflicts_with = "hub")]
    event_hub: Option<String>,
    /// The same without its namespace, which --namespace says [default: the table's name]
    #[arg(long, value_name = "HUB")]
    hub: Option<String>,
    /// What bodies are: json, json-batch, cloudevents, debezium, avro or protobuf (docs/formats.md)
    #[arg(long, value_name = "NAME", default_value_t = FormatName::Json)]
    format: FormatName,
    #[command(flatten)]
    registry: RegistryArgs,
    /// How many records to read, of the newest and oldest files of every partition
    #[arg(long, value_name = "RECORDS", default_value_t = 20_000)]
    sample: usize,
    #[command(flatten)]
    rowing: RowingArgs,
    /// Also print a view of every row's past: valid_from, valid_to, is_current
    #[arg(long, requires = "key")]
    history_view: bool,
    /// Give the table event_index, so that a record may have several rows [default: where the format or the sample asks for
    /// it]
    #[arg(long)]
    event_index: bool,
    /// Whose SQL to print [default: the store's that --store-url names]
    #[arg(long, value_name = "STORE", value_enum)]
    dialect: Option<Dialect>,
    /// Run the statements; asks before it does
    #[arg(long, conflicts_with_all = ["diff", "dialect"])]
    apply: bool,
    /// With --apply: do not ask
    #[arg(long, requires = "apply")]
    yes: bool,
    /// Compare with the table that is there, and print what it lacks: exit 3 if anything
    #[arg(long, conflicts_with = "dialect")]
    diff: bool,
    /// Make a Delta table there instead of one in a store: https://ACCOUNT.blob.core.windows.net/CONTAINER/TABLE, or a
    /// directory as ./DIR (docs/lake.md)
    // This is also the help text, where a link would show its brackets.
    #[allow(rustdoc::bare_urls)]
    #[arg(long, value_name = "URL", conflicts_with_all = ["diff", "dialect", "key", "history_view"])]
    delta: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// How long to try a store that is away before exit 1, in seconds
    #[arg(long, env = "DELTAWAVE_GIVE_UP", value_name = "SECONDS", default_value = "60")]
    give_up: Seconds,
    #[command(flatten)]
    identity: IdentityArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dialect {
    Risingwave,
    Postgres,
}

/// What is done with the statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// They are printed.
    Print,
    /// They are run, once a person has agreed.
    Ask,
    /// They are run.
    Apply,
    /// They are held against the table that is there.
    Diff,
}

/// Validated settings of `table`.
#[derive(Debug, Clone)]
pub struct TableSettings {
    /// The table.
    pub table: String,
    /// Where the files are.
    pub blob: BlobAddress,
    /// A SAS for them, beside the address.
    pub blob_sas: Option<SecretSource>,
    /// How they are named.
    pub name_format: NameFormat,
    /// Whose files.
    pub hub: Hub,
    /// What bodies are.
    pub format: FormatName,
    /// Where schemas are that bodies name.
    pub registry: Option<RegistrySettings>,
    /// Records to read.
    pub sample: usize,
    /// Which rows are the latest.
    pub rowing: Rowing,
    /// Whether a row's past is shown too.
    pub history: bool,
    /// Whether a record may have several rows, whatever the sample says.
    pub indexed: bool,
    /// What is done with the statements.
    pub purpose: Purpose,
    /// Where it is made, if it is a Delta table.
    pub delta: Option<LakeAddress>,
    /// Whose SQL; `None` for the store's that is there.
    pub dialect: Option<Kind>,
    /// The store.
    pub store: StoreAddress,
    /// Where its password is read.
    pub store_password: Option<SecretSource>,
    /// How long a store that is away is tried.
    pub give_up: Duration,
    /// Who this is towards Azure.
    pub identity: IdentitySettings,
}

impl TableArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<TableSettings, Faults> {
        let mut faults = Faults::default();
        let blob = faults.check("--blob", self.blob.expose().parse::<BlobAddress>());
        let blob_sas = self.blob_sas.check(blob.as_ref(), &mut faults);
        let hub = match &self.event_hub {
            Some(text) => faults.check("--event-hub", event_hub::parse(text)).map(|hub| {
                if self.names.namespace != LOCAL && self.names.namespace != hub.namespace {
                    faults.add("--namespace", "--event-hub names another; leave it out");
                }
                hub.names()
            }),
            None => {
                let own = self.table.rsplit('.').next().unwrap_or_default().trim_matches('"').to_owned();
                faults.check("--hub", Hub::new(&self.names.namespace, &self.hub.unwrap_or(own)))
            }
        };
        if self.sample == 0 {
            faults.add("--sample", "nothing can be told from no record");
        }
        let rowing = self.rowing.check(&mut faults);
        let delta: Option<Option<LakeAddress>> = match self.delta.as_deref() {
            None => Some(None),
            Some(text) => faults.check("--delta", text.strip_prefix("delta:").unwrap_or(text).parse()).map(Some),
        };
        let (registry_flag, registry_password) = self.registry.secret();
        let route = hub.clone().map(|hub| Route { format: self.format, ..Route::new(hub, &self.table) });
        let registries = self.registry.check(route.as_ref().map(std::slice::from_ref), &mut faults);
        let store = self.store.check(&mut faults);
        let name_format = self.names.check(&mut faults);
        let store_password = store.as_ref().and_then(|store| store.password.clone());
        let secrets = [
            ("--store-password", store_password.as_ref()),
            ("--blob-sas", blob_sas.as_ref()),
            (registry_flag, registry_password.as_ref()),
        ];
        let identity = self.identity.check(&secrets, &mut faults);
        let purpose = match (self.diff, self.apply, self.yes) {
            (true, ..) => Purpose::Diff,
            (_, true, true) => Purpose::Apply,
            (_, true, false) => Purpose::Ask,
            _ => Purpose::Print,
        };
        let settings = (|| {
            Some(TableSettings {
                table: self.table,
                blob: blob?,
                blob_sas,
                name_format: name_format?,
                hub: hub?,
                format: self.format,
                registry: registries?.of(None),
                sample: self.sample,
                rowing,
                history: self.history_view,
                indexed: self.event_index || self.format.makes_several(),
                purpose,
                delta: delta?,
                dialect: self.dialect.map(|dialect| match dialect {
                    Dialect::Risingwave => Kind::RisingWave,
                    Dialect::Postgres => Kind::PostgreSql,
                }),
                store: store?.address,
                store_password,
                give_up: self.give_up.0,
                identity: identity?,
            })
        })();
        faults.finish(settings)
    }
}
