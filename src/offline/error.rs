use std::io;
use std::path::{Path, PathBuf};

use super::prerequisites::MissingTools;

/// Why something on this machine did not start, stop or arrive.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    #[error(transparent)]
    Missing(#[from] MissingTools),
    #[error("fetch {what} by {command}: {output}")]
    Fetch { what: &'static str, command: String, output: String },
    #[error("{what} has no build for {system} on {machine}: choose another store")]
    Platform { what: &'static str, system: &'static str, machine: &'static str },
    #[error("{action} {path}: {source}", path = path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("run {program}: {source}")]
    Run { program: String, source: io::Error },
    #[error("{program} ended with {status}: {output}")]
    Command { program: String, status: String, output: String },
    #[error("{service} ended with {status}; its log {log} ends with:\n{tail}", log = log.display())]
    Exited { service: &'static str, status: String, log: PathBuf, tail: String },
    #[error("{service} is not ready after {seconds} s; its log {log} ends with:\n{tail}", log = log.display())]
    NotReady { service: &'static str, seconds: u64, log: PathBuf, tail: String },
    #[error("{service} did not end within {seconds} s of its stop signal and was killed; its log is {log}", log = log.display())]
    NotStopped { service: &'static str, seconds: u64, log: PathBuf },
    #[error(
        "PostgreSQL cannot run as root, and the user nobody cannot enter {closed} on the way to {path}: \
         choose a --keep directory outside it, or run as another user",
        closed = closed.display(), path = path.display()
    )]
    Closed { closed: PathBuf, path: PathBuf },
    #[error("make certificates: {0}")]
    Certificates(#[from] openssl::error::ErrorStack),
    #[error("start the embedded broker: {0}")]
    Broker(#[from] rdkafka::error::KafkaError),
}

impl OfflineError {
    /// Makes the closure that names what was done to which path.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| OfflineError::File { action, path, source }
    }

    /// Whether the service's last words contain the text.
    pub(super) fn quotes(&self, text: &str) -> bool {
        matches!(self, OfflineError::Exited { tail, .. } if tail.contains(text))
    }
}
