use std::time::Duration;

use clap::Args;

use super::check::{CheckArgs, CheckSettings};
use super::identity::BlobSasArgs;
use super::live::UNPROVEN;
use super::names::NameArgs;
use super::{Faults, Seconds};
use crate::azure::blob::BlobAddress;
use crate::base::{Secret, SecretSource};
use crate::capture::NameFormat;

/// Flags of what is held against what, of `deltawave verify` and of all that proves by it.
#[derive(Debug, Clone, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    check: CheckArgs,
    /// Also hold the ledger against the files themselves: azurite, https://ACCOUNT.blob.core.windows.net/CONTAINER[?SAS],
    /// or a directory [default: do not]
    // This is also the help text, where a link would show its brackets.
    #[allow(rustdoc::bare_urls)]
    #[arg(long, env = "DELTAWAVE_BLOB", hide_env_values = true)]
    blob: Option<Secret>,
    #[command(flatten)]
    blob_sas: BlobSasArgs,
    #[command(flatten)]
    names: NameArgs,
    /// How old a file must be to count as forgotten when later ones are loaded and it is not, in seconds
    #[arg(long, env = "DELTAWAVE_SETTLE", value_name = "SECONDS", default_value = "60")]
    settle: Seconds,
    /// Sequence numbers may be left out: the Kafka topic is compacted, or written to in transactions
    #[arg(long, env = "DELTAWAVE_SPARSE")]
    sparse: bool,
    /// How long rows that came live may wait for a file that has them, in seconds
    #[arg(long, env = "DELTAWAVE_LIVE_UNPROVEN", value_name = "SECONDS", default_value_t = UNPROVEN)]
    live_unproven: Seconds,
    /// Print one JSON object instead of a table
    #[arg(long, env = "DELTAWAVE_JSON")]
    json: bool,
}

/// Validated settings of what is held against what.
#[derive(Debug, Clone)]
pub struct VerifySettings {
    /// What is looked at.
    pub check: CheckSettings,
    /// Where the files are.
    pub blob: Option<BlobAddress>,
    /// A SAS for them, beside the address.
    pub blob_sas: Option<SecretSource>,
    /// How they are named.
    pub name_format: NameFormat,
    /// How old a forgotten file must be.
    pub settle: Duration,
    /// Whether sequence numbers may be left out.
    pub sparse: bool,
    /// How long live rows may wait for their file.
    pub live_unproven: Duration,
    /// Whether the report is an object.
    pub json: bool,
}

impl VerifyArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub(super) fn validate(self) -> Result<VerifySettings, Faults> {
        let mut faults = Faults::default();
        let blob: Option<Option<BlobAddress>> = match self.blob {
            None => Some(None),
            Some(text) => faults.check("--blob", text.expose().parse()).map(Some),
        };
        let blob_sas = self.blob_sas.check(blob.as_ref().and_then(Option::as_ref), &mut faults);
        let check = self.check.check(&self.names.namespace, blob_sas.as_ref(), &mut faults);
        let name_format = self.names.check(&mut faults);
        let settings = (|| {
            Some(VerifySettings {
                check: check?,
                blob: blob?,
                blob_sas,
                name_format: name_format?,
                settle: self.settle.0,
                sparse: self.sparse,
                live_unproven: self.live_unproven.0,
                json: self.json,
            })
        })();
        faults.finish(settings)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::LogSource;
    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        verify: VerifyArgs,
    }

    fn validate(flags: &[&str]) -> Result<VerifySettings, String> {
        let cli = Cli::try_parse_from(["verify"].iter().chain(flags)).map_err(|error| error.to_string())?;
        cli.verify.validate().map_err(|faults| faults.to_string())
    }

    #[test]
    fn an_event_hub_gives_its_route_the_namespace() {
        let settings = validate(&["--event-hub", "contoso/user-events"]).unwrap();
        assert_eq!(settings.check.routes[0].hub.to_string(), "contoso/user-events");
        assert!(matches!(settings.check.source, LogSource::EventHubs(hubs) if hubs.len() == 1));
        assert!(matches!(validate(&[]).unwrap().check.source, LogSource::Unknown));
        let text = validate(&["--event-hub", "contoso/orders"]).unwrap_err();
        assert_eq!(text, "error: --event-hub: no --route says where orders's records are");
        assert!(validate(&["--event-hub", "contoso/user-events", "--broker", "a:1"]).is_err());
    }
}
