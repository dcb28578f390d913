use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::OfflineError;
use super::process::{POLL, Process, Recipe};
use super::unix;

/// How long a service may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(30);
const LOG_LINES_QUOTED: usize = 15;

/// How a service tells that it can be used.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ready {
    /// Its log says so, since the last start.
    Says(&'static str),
    /// It takes connections. Only for a port that nobody else can have taken unnoticed.
    Listens(SocketAddr),
}

/// Everything needed to start a service, as often as wanted.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub name: &'static str,
    pub recipe: Recipe,
    pub ready: Ready,
    /// A start is tried again while the log says this: what a killed predecessor held is not free yet.
    pub settling: Option<&'static str>,
    /// Where its output is appended.
    pub log: PathBuf,
}

/// A component that runs on this machine. It ends when the handle is dropped or this program ends, SIGKILL included.
///
/// The handle belongs to no runtime: it outlives the one it was started on.
#[derive(Debug)]
pub struct Service {
    launch: Launch,
    process: Option<Process>,
}

impl Service {
    /// Starts the process and waits until it is ready.
    pub(super) async fn start(launch: Launch) -> Result<Self, OfflineError> {
        let mut service = Self { launch, process: None };
        service.restart().await?;
        Ok(service)
    }

    /// Stops it if it runs, and starts it again on the same ports and data.
    ///
    /// # Errors
    /// When it ends early or is not ready within 30 s; the error quotes the end of its log.
    pub async fn restart(&mut self) -> Result<(), OfflineError> {
        self.stop().await?;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match self.start_once(deadline).await {
                Err(error)
                    if Instant::now() < deadline && self.launch.settling.is_some_and(|text| error.quotes(text)) =>
                {
                    sleep(POLL * 10).await;
                }
                result => return result,
            }
        }
    }

    async fn start_once(&mut self, deadline: Instant) -> Result<(), OfflineError> {
        let log = OpenOptions::new().create(true).append(true).open(&self.launch.log);
        let log = log.map_err(OfflineError::file("open", &self.launch.log))?;
        let from = log.metadata().map_err(OfflineError::file("read", &self.launch.log))?.len();
        let program = || self.launch.recipe.program.display().to_string();
        let spawned = Process::start(&self.launch.recipe, log);
        let mut process = spawned.map_err(|source| OfflineError::Run { program: program(), source })?;
        loop {
            // Whether it ended is asked before the log is read, so that its last words are in what is read.
            let ended = process.ended().map_err(|source| OfflineError::Run { program: program(), source })?;
            let text = self.log_since(from)?;
            if let Some(status) = ended {
                return Err(self.exited(status, &text));
            }
            let ready = match self.launch.ready {
                Ready::Says(marker) => text.contains(marker),
                Ready::Listens(address) => TcpStream::connect(address).await.is_ok(),
            };
            if ready {
                self.process = Some(process);
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(OfflineError::NotReady {
                    service: self.launch.name,
                    seconds: READY_WITHIN.as_secs(),
                    log: self.launch.log.clone(),
                    tail: tail(&text),
                });
            }
            sleep(POLL).await;
        }
    }

    /// Sends the service's own stop signal and waits until it has ended. Does nothing if it does not run.
    ///
    /// # Errors
    /// When it had to be killed because it did not end in time: what it held in memory is lost.
    pub async fn stop(&mut self) -> Result<(), OfflineError> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.ask_to_stop();
        let deadline = Instant::now() + self.launch.recipe.grace;
        while matches!(process.ended(), Ok(None)) {
            if Instant::now() >= deadline {
                process.kill();
                let seconds = self.launch.recipe.grace.as_secs();
                return Err(OfflineError::NotStopped {
                    service: self.launch.name,
                    seconds,
                    log: self.launch.log.clone(),
                });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Ends it by SIGKILL, at once, as a crash would; [`Service::restart`] brings it back.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Waits until the service has ended though nobody asked it to, and gives the error that says how.
    /// Never returns for one that was stopped or killed through this handle.
    pub async fn died(&mut self) -> OfflineError {
        loop {
            if let Some(Ok(Some(status))) = self.process.as_mut().map(Process::ended) {
                self.process = None;
                return self.exited(status, &self.log_since(0).unwrap_or_default());
            }
            sleep(POLL * 10).await;
        }
    }

    /// The process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Where its output goes, all its starts one after the other.
    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    fn exited(&self, status: ExitStatus, text: &str) -> OfflineError {
        OfflineError::Exited {
            service: self.launch.name,
            status: status.to_string(),
            log: self.launch.log.clone(),
            tail: tail(text),
        }
    }

    fn log_since(&self, from: u64) -> Result<String, OfflineError> {
        let mut bytes = Vec::new();
        File::open(&self.launch.log)
            .and_then(|mut log| {
                log.seek(SeekFrom::Start(from))?;
                log.read_to_end(&mut bytes)
            })
            .map_err(OfflineError::file("read", &self.launch.log))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Where a service keeps its data and its log.
#[derive(Debug, Clone)]
pub(super) struct Home {
    pub directory: PathBuf,
    pub log: PathBuf,
}

impl Home {
    /// Makes the directory if need be; its path becomes absolute, as services run in directories of their own.
    /// One that root makes can be entered by the user that PostgreSQL runs as, whatever the umask.
    pub(super) fn make(directory: &Path) -> Result<Self, OfflineError> {
        let is_new = !directory.is_dir();
        fs::create_dir_all(directory).map_err(OfflineError::file("create", directory))?;
        if is_new && unix::is_root() {
            fs::set_permissions(directory, Permissions::from_mode(0o711))
                .map_err(OfflineError::file("set the mode of", directory))?;
        }
        let directory = directory.canonicalize().map_err(OfflineError::file("find", directory))?;
        Ok(Self { log: directory.join("log.txt"), directory })
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_QUOTED)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_log_is_quoted() {
        let text: String = (1..=40).map(|line| format!("line {line}\n")).collect();
        let quoted = tail(&text);
        assert!(quoted.starts_with("line 26\n") && quoted.ends_with("line 40"), "{quoted}");
        assert_eq!(tail(""), "");
    }
}
