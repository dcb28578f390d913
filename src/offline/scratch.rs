use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::OfflineError;
use super::unix;

/// Waits for a line; if the pipe ends without one, the owner was killed: leaves the services the time to end, and
/// removes what they would otherwise have left behind.
const SWEEPER: &str = r#"read -r _ && exit; sleep 12; rm -rf "$1""#;

/// A directory for data that nobody wants to keep. It is removed when the handle is dropped, or some seconds after
/// this program was killed.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    sweeper: Child,
}

impl Scratch {
    /// Makes one where the system keeps its temporary files. Root's can be entered by the user PostgreSQL runs as.
    pub fn new() -> Result<Self, OfflineError> {
        let temporary = std::env::temp_dir();
        let mode = if unix::is_root() { 0o711 } else { 0o700 };
        let directory = tempfile::Builder::new()
            .prefix("deltawave-")
            .permissions(Permissions::from_mode(mode))
            .tempdir()
            .map_err(OfflineError::file("create a directory in", &temporary))?;
        // The mode above is subject to the umask.
        std::fs::set_permissions(directory.path(), Permissions::from_mode(mode))
            .map_err(OfflineError::file("set the mode of", directory.path()))?;
        let sweeper = Command::new("sh")
            .args(["-c", SWEEPER, "sweeper"])
            .arg(directory.path())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| OfflineError::Run { program: "sh".to_owned(), source })?;
        Ok(Self { directory, sweeper })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Without the line the sweeper would only remove later what is removed now anyway.
        if let Some(mut pipe) = self.sweeper.stdin.take() {
            let _ = pipe.write_all(b"\n");
        }
        let _ = self.sweeper.wait();
    }
}
