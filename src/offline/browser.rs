use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::parts::{Part, Parts};
use super::prerequisites::chromium;
use super::{OfflineError, Progress};

/// A browser that a script drives: the Chromium of this machine.
#[derive(Debug)]
pub struct Browser {
    modules: PathBuf,
    chromium: PathBuf,
}

impl Browser {
    /// Fetches what drives it if that is not here.
    ///
    /// # Errors
    /// When that cannot be fetched, or there is no Chromium.
    pub async fn get(parts: &Parts, progress: Progress<'_>) -> Result<Self, OfflineError> {
        let modules = parts.get(Part::Browser, progress).await?.join("node_modules");
        // What is missing was told.
        let chromium = chromium(&std::env::var_os("PATH").unwrap_or_default()).unwrap_or_default();
        Ok(Browser { modules, chromium })
    }

    /// A Node script that drives it. It finds Playwright and axe by `require`, and the browser in `CHROMIUM`.
    pub fn script(&self, script: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("node");
        command.arg(script).args(arguments).env("NODE_PATH", &self.modules).env("CHROMIUM", &self.chromium);
        command
    }
}
