//! Points at which a development build can be told to die, so that tests prove that no moment is a bad one to die at.
//!
//! Release builds have none of it: the functions are empty there.

#[cfg(debug_assertions)]
use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

/// What a loader does with a file, in this order, and what deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A page of a listing was received.
    Listed,
    /// A file's bytes were received.
    Fetched,
    /// A file's records were made rows.
    Decoded,
    /// A batch was taken by the store.
    Written,
    /// The store was asked to make durable what it has of it.
    Flushed,
    /// All of it was counted back.
    Counted,
    /// The files are noted as done.
    Receipted,
    /// The notifications of the files are deleted.
    Acknowledged,
    /// A commit was made in the log of a lake's table.
    Committed,
    /// A statement that deletes, or notes what is deleted, was taken by the store. No loader has any.
    Pruned,
}

impl Step {
    /// All of a loader's, but for those into a lake.
    pub const ALL: [Step; 8] = [
        Step::Listed,
        Step::Fetched,
        Step::Decoded,
        Step::Written,
        Step::Flushed,
        Step::Counted,
        Step::Receipted,
        Step::Acknowledged,
    ];

    /// The word in `--kill-at`.
    pub const fn name(self) -> &'static str {
        match self {
            Step::Listed => "listed",
            Step::Fetched => "fetched",
            Step::Decoded => "decoded",
            Step::Written => "written",
            Step::Flushed => "flushed",
            Step::Counted => "counted",
            Step::Receipted => "receipted",
            Step::Acknowledged => "acknowledged",
            Step::Committed => "committed",
            Step::Pruned => "pruned",
        }
    }
}

/// Just before a step is done, or just after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Just before.
    Before,
    /// Just after.
    After,
}

/// A moment to die at: `before:written`, `after:flushed:3` (the third time).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KillPoint {
    side: Side,
    step: Step,
    /// Counted from 1.
    time: u32,
}

impl std::str::FromStr for KillPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not before:STEP[:N] or after:STEP[:N]");
        let mut words = text.split(':');
        let side = match words.next() {
            Some("before") => Side::Before,
            Some("after") => Side::After,
            _ => return Err(wrong()),
        };
        let name = words.next().ok_or_else(wrong)?;
        let step = Step::ALL
            .into_iter()
            .chain([Step::Committed, Step::Pruned])
            .find(|step| step.name() == name)
            .ok_or_else(wrong)?;
        let time = words.next().map_or(Ok(1), str::parse).map_err(|_| wrong())?;
        if words.next().is_some() || time == 0 { Err(wrong()) } else { Ok(KillPoint { side, step, time }) }
    }
}

#[cfg(debug_assertions)]
static ARMED: OnceLock<(KillPoint, AtomicU32)> = OnceLock::new();

/// Makes this process die at that moment. Once a process.
#[cfg(debug_assertions)]
pub fn arm(point: KillPoint) {
    let _ = ARMED.set((point, AtomicU32::new(0)));
}

/// A moment passes.
#[cfg(debug_assertions)]
pub fn pass(side: Side, step: Step) {
    let Some((point, times)) = ARMED.get() else { return };
    if (point.side, point.step) == (side, step) && times.fetch_add(1, Ordering::SeqCst) + 1 == point.time {
        // SAFETY: kill and getpid take and give numbers only.
        unsafe {
            libc::kill(libc::getpid(), libc::SIGKILL);
        }
        // The signal may take a moment to arrive; nothing may happen after it.
        loop {
            std::thread::park();
        }
    }
}

/// Release builds pass every moment alive.
#[cfg(not(debug_assertions))]
pub fn pass(_: Side, _: Step) {}
