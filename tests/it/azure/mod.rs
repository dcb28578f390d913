//! The programs towards Azure, by the names that Azure has: with tokens, with signatures and secrets that change, and
//! refused.

mod identity;
mod refusals;
mod sas;
mod vault;

use tokio::process::Command;

use crate::loader::Bench;
use crate::support::cloud::{Cloud, blob_url};
use crate::support::{Ended, Files, Running, run, store, unique};

/// Quick to look, and quick to try again what does not pass by itself.
const QUICK: [&str; 4] = ["--poll", "0.05", "--slow-retry", "0.5"];
const FILES: &str = "SELECT count(*) FROM capture_files";

/// A container that opens to tokens, a store, and loaders between them.
struct Site {
    bench: Bench,
    cloud: Cloud,
}

impl Site {
    async fn new() -> Site {
        let cloud = Cloud::new().await;
        let files = Files::at(&cloud.container(&unique("capture"))).await;
        Site { bench: Bench { files, store: store().await.initialised().await }, cloud }
    }

    /// One of plain files.
    fn loader(&self, flags: &[&str]) -> Command {
        let mut command = self.bench.loader(flags);
        command.env("DELTAWAVE_BLOB", blob_url(self.bench.files.container.name()));
        self.cloud.show(&mut command);
        command
    }

    /// Puts one more file of one event.
    async fn file(&self, minute: i64) {
        self.bench.files.add_plain(0..1, minute..minute + 1, 1).await;
    }

    /// Waits until so many files are loaded.
    async fn loaded(&self, files: i64) {
        self.bench.until(FILES, files).await;
    }

    /// Runs a loader that must fail, and gives the one sentence it says.
    async fn fails(&self, change: impl FnOnce(&mut Command) -> &mut Command) -> String {
        let mut command = self.loader(&["--once", "--give-up", "0.1", "--log", "off"]);
        change(&mut command);
        sentence(&run(command).await)
    }
}

/// The one sentence that a program failed with.
fn sentence(ended: &Ended) -> String {
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    println!("{}", ended.err.trim_end());
    ended.err.trim_end().to_owned()
}

/// Stops a program, which must end well.
async fn stopped(running: Running) -> String {
    running.signal(libc::SIGTERM);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ended.err
}
