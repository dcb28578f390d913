use std::time::Duration;

use clap::{ArgGroup, Args};
use time::OffsetDateTime;

use super::identity::{BlobSasArgs, IdentityArgs};
use super::names::NameArgs;
use super::route::RouteArgs;
use super::store::StoreArgs;
use super::{CheckSettings, Faults, LogSource, Seconds};
use crate::azure::blob::BlobAddress;
#[cfg(debug_assertions)]
use crate::base::killpoint::KillPoint;
use crate::base::{Secret, SecretSource};
use crate::capture::{EnqueuedTime, NameFormat, parse_time};
use crate::store::NewestOf;

/// Flags of `deltawave prune`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["before", "key", "forgotten"]))]
pub struct PruneArgs {
    /// Delete what the broker took before this time, file by file: 2026-01-31T13:00:00Z, or a day
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Delete every record of one key, wherever it is, such as id=4711, and say which Capture files still hold it
    #[arg(long, value_name = "COLUMN=VALUE")]
    key: Option<String>,
    /// Delete again what was deleted by --key and has been loaded again since
    #[arg(long)]
    forgotten: bool,
    /// Do it. Without this nothing is deleted, and what would be is told
    #[arg(long)]
    yes: bool,
    /// With --before: keep the newest row of each key, which a view over the table shows, by these two columns. For
    /// user_event_log it is known
    #[arg(long, value_name = "KEY,ORDER", conflicts_with = "keep_none")]
    keep_newest: Option<String>,
    /// With --before: keep no old row of a table of your own
    #[arg(long)]
    keep_none: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    routes: RouteArgs,
    /// With --before: also take pruned files out of the ledger that are no longer here: azurite,
    /// https://ACCOUNT.blob.core.windows.net/CONTAINER[?SAS], or a directory [default: do not]
    // This is also the help text, where a link would show its brackets.
    #[allow(rustdoc::bare_urls)]
    #[arg(long, env = "DELTAWAVE_BLOB", hide_env_values = true)]
    blob: Option<Secret>,
    #[command(flatten)]
    blob_sas: BlobSasArgs,
    #[command(flatten)]
    names: NameArgs,
    /// How long to try a store that is away before exit 1, in seconds
    #[arg(long, env = "DELTAWAVE_GIVE_UP", value_name = "SECONDS", default_value = "60")]
    give_up: Seconds,
    #[command(flatten)]
    identity: IdentityArgs,
    /// Die at this moment, to prove that no moment is a bad one: before:STEP[:N] or after:STEP[:N]
    #[cfg(debug_assertions)]
    #[arg(long, hide = true, value_name = "MOMENT")]
    kill_at: Option<KillPoint>,
}

/// What is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prune {
    /// What is older.
    Before(EnqueuedTime),
    /// What is of a key: the column and its value.
    Key(String, String),
    /// What was of a key, and is there again.
    Forgotten,
}

/// Which old rows of a table of one's own stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// Nobody has said.
    Unsaid,
    /// None.
    Nothing,
    /// The newest of each key.
    Newest(NewestOf),
}

/// Validated settings of `prune`.
#[derive(Debug, Clone)]
pub struct PruneSettings {
    /// What is deleted.
    pub what: Prune,
    /// Whether it is, or only told.
    pub yes: bool,
    /// Which old rows stay.
    pub keep: Keep,
    /// Where.
    pub check: CheckSettings,
    /// Where the files are.
    pub blob: Option<BlobAddress>,
    /// A SAS for them, beside the address.
    pub blob_sas: Option<SecretSource>,
    /// How they are named.
    pub name_format: NameFormat,
    /// When to die, in development builds.
    #[cfg(debug_assertions)]
    pub kill_at: Option<KillPoint>,
}

impl PruneArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<PruneSettings, Faults> {
        let mut faults = Faults::default();
        let what = match (&self.before, &self.key) {
            (Some(before), _) => faults.check("--before", past(before)).map(Prune::Before),
            (None, Some(key)) => match key.split_once('=') {
                Some((column, value)) if !column.is_empty() && !value.is_empty() => {
                    Some(Prune::Key(column.to_owned(), value.to_owned()))
                }
                _ => {
                    faults.add("--key", format_args!("`{key}` is not COLUMN=VALUE, like id=4711"));
                    None
                }
            },
            (None, None) => Some(Prune::Forgotten),
        };
        for (flag, given) in [("--keep-newest", self.keep_newest.is_some()), ("--keep-none", self.keep_none)] {
            if given && self.before.is_none() {
                faults.add(flag, "is for --before: leave it out");
            }
        }
        let keep = match self.keep_newest.as_deref().map(|columns| columns.split_once(',')) {
            None if self.keep_none => Some(Keep::Nothing),
            None => Some(Keep::Unsaid),
            Some(Some((key, order))) if !key.is_empty() && !order.is_empty() => {
                Some(Keep::Newest(NewestOf { key: key.to_owned(), order: order.to_owned() }))
            }
            Some(_) => {
                faults.add("--keep-newest", "is not KEY,ORDER, like order_no,placed");
                None
            }
        };
        let blob: Option<Option<BlobAddress>> = match self.blob {
            None => Some(None),
            Some(text) => faults.check("--blob", text.expose().parse()).map(Some),
        };
        let blob_sas = self.blob_sas.check(blob.as_ref().and_then(Option::as_ref), &mut faults);
        let store = self.store.check(&mut faults);
        let routes = self.routes.check(&self.names.namespace, &mut faults);
        let name_format = self.names.check(&mut faults);
        let store_password = store.as_ref().and_then(|store| store.password.clone());
        let secrets = [("--store-password", store_password.as_ref()), ("--blob-sas", blob_sas.as_ref())];
        let identity = self.identity.check(&secrets, &mut faults);
        let settings = (|| {
            Some(PruneSettings {
                what: what?,
                yes: self.yes,
                keep: keep?,
                check: CheckSettings {
                    store: store?.address,
                    store_password,
                    routes: routes?,
                    lakes: Vec::new(),
                    source: LogSource::Unknown,
                    amqp_endpoint: None,
                    give_up: self.give_up.0,
                    identity: identity?,
                },
                blob: blob?,
                blob_sas,
                name_format: name_format?,
                #[cfg(debug_assertions)]
                kill_at: self.kill_at,
            })
        })();
        faults.finish(settings)
    }
}

/// A clock may be so much ahead.
const SKEW: Duration = Duration::from_secs(60);

fn past(text: &str) -> Result<EnqueuedTime, String> {
    let at = parse_time(text)?;
    if at > OffsetDateTime::now_utc() + SKEW {
        return Err(format!("`{text}` is in the future: everything would be deleted as soon as it is loaded"));
    }
    Ok(EnqueuedTime::from_utc(at))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        prune: PruneArgs,
    }

    fn validate(flags: &[&str]) -> Result<PruneSettings, String> {
        let cli = Cli::try_parse_from(["prune"].iter().chain(flags)).map_err(|error| error.to_string())?;
        cli.prune.validate().map_err(|faults| faults.to_string())
    }

    #[test]
    fn one_thing_is_deleted_and_only_if_it_is_well_said() {
        assert!(validate(&[]).is_err());
        assert!(validate(&["--before", "2026-01-01", "--key", "id=1"]).is_err());
        for (flags, fault) in [
            (["--before", "tomorrow"], "--before: `tomorrow`"),
            (["--before", "2999-01-01"], "in the future"),
            (["--key", "4711"], "--key: `4711` is not COLUMN=VALUE"),
        ] {
            let text = validate(&flags).unwrap_err();
            assert!(text.contains(fault), "{text}");
        }
        let settings = validate(&["--key", "id=a=b"]).unwrap();
        assert_eq!(settings.what, Prune::Key("id".to_owned(), "a=b".to_owned()));
        assert!(!settings.yes);
        let settings = validate(&["--before", "2026-01-01", "--keep-newest", "order_no,placed", "--yes"]).unwrap();
        assert!(settings.yes && matches!(settings.keep, Keep::Newest(of) if of.order == "placed"));
        assert!(validate(&["--forgotten", "--keep-none"]).is_err());
    }
}
