use clap::Args;

use super::{Faults, LoaderArgs, LoaderSettings};

/// Flags of `deltawave doctor`: those of the loader that does not do what it should.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    loader: LoaderArgs,
    /// Print one JSON object instead of lines
    #[arg(long, env = "DELTAWAVE_JSON")]
    json: bool,
}

/// Validated settings of `doctor`.
#[derive(Debug, Clone)]
pub struct DoctorSettings {
    /// The loader's.
    pub loader: LoaderSettings,
    /// Whether the findings are an object.
    pub json: bool,
}

impl DoctorArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<DoctorSettings, Faults> {
        let loader = self.loader.validate()?;
        let mut faults = Faults::default();
        for route in &loader.lakes {
            faults.add(
                "--route",
                format_args!(
                    "`{route}` leads into a Delta table, which doctor does not look at (docs/lake.md); leave it out"
                ),
            );
        }
        faults.finish(Some(DoctorSettings { loader, json: self.json }))
    }
}
