use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::unix::{self, NOBODY, Signal};

const WATCHDOG: &str = include_str!("watchdog.sh");

/// How often a process that should end is looked at.
pub(super) const POLL: Duration = Duration::from_millis(10);

/// Whose rights a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    Ours,
    /// Only root can start one.
    Nobody,
}

/// Everything needed to start a process, as often as wanted.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub set: Vec<(&'static str, String)>,
    pub unset: Vec<OsString>,
    pub directory: PathBuf,
    pub user: User,
    pub stop: Signal,
    /// How long the process may take to end after its stop signal.
    pub grace: Duration,
}

/// A running process in a process group of its own, so that a terminal's Ctrl-C does not reach it. It ends when this
/// handle or this whole program ends, however that happens, SIGKILL included.
#[derive(Debug)]
pub(super) struct Process {
    // Its standard input is the pipe the watchdog waits on: it must stay open until the process has been waited for.
    child: Child,
    stop: Signal,
    grace: Duration,
}

impl Process {
    /// Starts it, its output going to the end of the log. A program that does not exist is told in the log.
    pub(super) fn start(recipe: &Recipe, log: File) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command
            .args(["-c", WATCHDOG, "watchdog", recipe.stop.name()])
            .arg(recipe.grace.as_secs().to_string())
            .arg(&recipe.program)
            .args(&recipe.arguments)
            .current_dir(&recipe.directory)
            .envs(recipe.set.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        for name in &recipe.unset {
            command.env_remove(name);
        }
        if recipe.user == User::Nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ok(Self { child: command.spawn()?, stop: recipe.stop, grace: recipe.grace })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, once it has.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends the stop signal, once.
    pub(super) fn ask_to_stop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            unix::signal(self.child.id(), self.stop);
        }
    }

    /// Ends it at once with its whole group, and waits for it.
    pub(super) fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            unix::signal_group(self.child.id(), Signal::Kill);
            // It cannot survive that, and a failed wait would mean that it is no child of ours any more.
            let _ = self.child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.ask_to_stop();
        let deadline = Instant::now() + self.grace;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        self.kill();
    }
}
