use clap::Args;

use super::Faults;
use super::identity::IdentityArgs;
use crate::azure::identity::IdentitySettings;
#[cfg(debug_assertions)]
use crate::base::killpoint::KillPoint;
use crate::lake::LakeAddress;

/// Flags of `deltawave optimize`.
#[derive(Debug, Clone, Args)]
pub struct OptimizeArgs {
    /// The Delta table: https://ACCOUNT.blob.core.windows.net/CONTAINER/TABLE, or a directory as ./DIR (docs/lake.md)
    // This is also the help text, where a link would show its brackets.
    #[allow(rustdoc::bare_urls)]
    #[arg(value_name = "URL")]
    table: String,
    /// How large a file is to become, in MiB
    #[arg(long, value_name = "MIB", default_value_t = TARGET)]
    target: u64,
    /// Die at this moment, to prove that no moment is a bad one: before:STEP[:N] or after:STEP[:N]
    #[cfg(debug_assertions)]
    #[arg(long, hide = true, value_name = "MOMENT")]
    kill_at: Option<KillPoint>,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// In MiB.
pub(super) const TARGET: u64 = 128;

/// Validated settings of `optimize`.
#[derive(Debug, Clone)]
pub struct OptimizeSettings {
    /// The table.
    pub table: LakeAddress,
    /// How large a file is to become, in bytes.
    pub target: u64,
    /// When to die, in development builds.
    #[cfg(debug_assertions)]
    pub kill_at: Option<KillPoint>,
    /// Who this is towards Azure.
    pub identity: IdentitySettings,
}

impl OptimizeArgs {
    /// The settings.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn validate(self) -> Result<OptimizeSettings, Faults> {
        let mut faults = Faults::default();
        let table = faults.check("URL", self.table.strip_prefix("delta:").unwrap_or(&self.table).parse());
        if !(1..=1024).contains(&self.target) {
            faults.add("--target", format_args!("{} is not between 1 and 1024", self.target));
        }
        let identity = self.identity.check(&[], &mut faults);
        let settings = (|| {
            Some(OptimizeSettings {
                table: table?,
                target: self.target << 20,
                #[cfg(debug_assertions)]
                kill_at: self.kill_at,
                identity: identity?,
            })
        })();
        faults.finish(settings)
    }
}
