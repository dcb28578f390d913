use clap::Args;

use super::Faults;
use crate::capture::NameFormat;

/// Where no event hub gives a namespace.
pub(super) const LOCAL: &str = "local";

/// Flags of every program that finds Capture files by their names.
#[derive(Debug, Clone, Args)]
pub(super) struct NameArgs {
    /// Event Hubs namespace in the files' names; what `capture --namespace` says for a plain Kafka broker
    #[arg(long, env = "DELTAWAVE_NAMESPACE", default_value = LOCAL)]
    pub(super) namespace: String,
    /// How files are named: the capture setting archiveNameFormat [default: the service's own]
    #[arg(long, env = "DELTAWAVE_NAME_FORMAT", value_name = "FORMAT")]
    name_format: Option<String>,
}

impl NameArgs {
    /// How files are named.
    pub(super) fn check(&self, faults: &mut Faults) -> Option<NameFormat> {
        name_format(self.name_format.as_deref(), faults)
    }
}

/// What `--name-format` says, or the service's own.
pub(super) fn name_format(text: Option<&str>, faults: &mut Faults) -> Option<NameFormat> {
    faults.check("--name-format", text.map_or(Ok(NameFormat::default()), str::parse))
}
