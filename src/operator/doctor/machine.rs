//! This machine: programs that `up` and the tests want, room on its disks, memory.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::finding::{Finding, Findings};
use crate::offline::missing_tools;
use crate::settings::LoaderSettings;

/// So little room ends a loader's day, in bytes.
const LITTLE: u64 = 1 << 30;

/// What a RisingWave wants, in KiB.
const RISINGWAVE: u64 = 8 << 20;

pub(super) async fn look(settings: &LoaderSettings, findings: &mut Findings) {
    findings.add(match tokio::task::spawn_blocking(missing_tools).await {
        Ok(None) => Finding::well("programs", "Node, npm, Java and Maven are there, for `deltawave up` and the tests"),
        Ok(Some(missing)) => Finding::note(
            "programs",
            format!("for `deltawave up` and the tests only: {missing}"),
            "a loader needs none of them; install what `up` is to start",
        ),
        Err(_) => Finding::note("programs", "could not be looked for", "run doctor again"),
    });
    for place in [std::env::temp_dir().as_path(), Path::new(".")] {
        match free(place) {
            Some(bytes) if bytes < LITTLE => findings.add(Finding::fault(
                "disk",
                format!("{} MiB free in {}", bytes >> 20, place.display()),
                "free some: PostgreSQL, Azurite and files of `capture` need room",
            )),
            Some(bytes) => {
                findings.add(Finding::well("disk", format!("{} GiB free in {}", bytes >> 30, place.display())));
            }
            None => {}
        }
    }
    if let Some(kib) = memory()
        && kib < RISINGWAVE
        && settings.store.plain_on_loopback().is_some()
    {
        findings.add(Finding::note(
            "memory",
            format!("this machine has {:.1} GiB; a RisingWave on it wants about 8", kib as f64 / 1_048_576.0),
            "under WSL, raise memory= in .wslconfig; or use PostgreSQL here (`deltawave up --store postgres`)",
        ));
    }
}

/// What this user may still write there, in bytes.
// The fields' types differ between systems.
#[allow(clippy::useless_conversion)]
fn free(place: &Path) -> Option<u64> {
    let path = CString::new(place.as_os_str().as_bytes()).ok()?;
    // SAFETY: a zeroed `statvfs` is a valid one, the path ends with a NUL, and both outlive the call.
    let (found, told) = unsafe {
        let mut told: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(path.as_ptr(), &raw mut told), told)
    };
    (found == 0).then(|| u64::from(told.f_bavail).saturating_mul(u64::from(told.f_frsize)))
}

/// This machine's memory, in KiB; nothing where it is not told.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
