use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::parts::{Part, Parts};
use super::{OfflineError, Progress};

/// Serializers and SDKs of others, for Node: what ordinary producers write records with.
#[derive(Debug)]
pub struct Serializers {
    modules: PathBuf,
}

impl Serializers {
    /// Fetches them if they are not here.
    ///
    /// # Errors
    /// When they cannot be fetched.
    pub async fn get(parts: &Parts, progress: Progress<'_>) -> Result<Self, OfflineError> {
        Ok(Serializers { modules: parts.get(Part::Serializers, progress).await?.join("node_modules") })
    }

    /// Runs a script that uses them, and gives what it prints.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub async fn run(&self, script: &Path, arguments: &[&str]) -> Result<String, OfflineError> {
        let program = format!("node {}", script.display());
        let output = Command::new("node")
            .arg(script)
            .args(arguments)
            .env("NODE_PATH", &self.modules)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|source| OfflineError::Run { program: program.clone(), source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let status = output.status.to_string();
        Err(OfflineError::Command {
            program,
            status,
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }
}
