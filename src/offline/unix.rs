//! The few calls to the operating system that the standard library does not wrap.

use libc::pid_t;

/// The user and group PostgreSQL runs as when we are root: `nobody`, which owns nothing but what we give it.
pub(super) const NOBODY: u32 = 65534;

/// What a process is told to end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Interrupt,
    Terminate,
    Kill,
}

impl Signal {
    /// The name that `kill -s` takes.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Signal::Interrupt => "INT",
            Signal::Terminate => "TERM",
            Signal::Kill => "KILL",
        }
    }

    const fn number(self) -> libc::c_int {
        match self {
            Signal::Interrupt => libc::SIGINT,
            Signal::Terminate => libc::SIGTERM,
            Signal::Kill => libc::SIGKILL,
        }
    }
}

/// Signals one process. The caller must own it as a child that is not yet waited for, so that the id is still its own.
pub(super) fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = pid_t::try_from(pid) {
        // SAFETY: kill takes plain numbers and touches no memory of ours.
        unsafe { libc::kill(pid, signal.number()) };
    }
}

/// Signals the process group that the child `leader` leads, under the same condition as [`signal`].
pub(super) fn signal_group(leader: u32, signal: Signal) {
    if let Ok(leader) = pid_t::try_from(leader) {
        // SAFETY: as above.
        unsafe { libc::killpg(leader, signal.number()) };
    }
}

/// Whether this process may do anything, so that PostgreSQL would refuse to run as its user.
pub(super) fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
