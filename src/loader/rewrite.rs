//! Files whose rows the store acknowledged and does not have are written again, until it has them.

use std::collections::HashMap;
use std::sync::Arc;

use super::count::{Counted, Lacking};
use super::error::{Forgotten, LoadError};
use super::patience::{Patience, Trouble};
use super::progress::Progress;
use super::write::Target;
use crate::ledger::{Entry, FileVersion, Outcome};
use crate::store::Kind;

/// How often the same records of a file may be lost before the store is taken for one that never keeps them. RisingWave
/// forgets, and may do so several times running; PostgreSQL does not, so there it is a trigger or a rule.
const fn tries(kind: Kind) -> u32 {
    match kind {
        Kind::PostgreSql => 3,
        Kind::RisingWave => 12,
    }
}

/// The tries of one group.
pub(super) struct Rewriting<'p> {
    route: &'p Arc<str>,
    progress: &'p Progress,
    trouble: Trouble<'p>,
    /// By blob: what lacked at the last tries, and how often just that.
    lost: HashMap<String, ((u64, u64), u32)>,
}

impl<'p> Rewriting<'p> {
    pub(super) fn of(route: &'p Arc<str>, patience: &'p Patience, progress: &'p Progress) -> Self {
        Rewriting { route, progress, trouble: patience.trouble(), lost: HashMap::new() }
    }

    /// Which files are to be written again. Those that the store never keeps become quarantined ones of what was counted.
    pub(super) fn judge(&mut self, counted: &mut Counted, table: &str, kind: Kind) -> Vec<Lacking> {
        let mut again = Vec::new();
        for file in std::mem::take(&mut counted.lacking) {
            let (last, times) = self.lost.entry(file.entry.file.blob.clone()).or_default();
            *times = if *last == (file.rows, file.rejected) { *times + 1 } else { 1 };
            *last = (file.rows, file.rejected);
            if *times < tries(kind) {
                again.push(file);
            } else {
                counted.whole.push(never_kept(file, table, *times));
            }
        }
        again
    }

    /// Says that these files are written again, and waits a moment.
    ///
    /// # Errors
    /// When patience ends.
    pub(super) async fn again(
        &mut self,
        lacking: Vec<Lacking>,
        target: &Target<'_>,
    ) -> Result<Vec<FileVersion>, LoadError> {
        let forgotten = Forgotten {
            table: target.table.name().to_owned(),
            records: lacking.iter().map(|file| file.rows + file.rejected).sum(),
            files: lacking.len(),
            blob: lacking.first().map(|file| file.entry.file.blob.clone()).unwrap_or_default(),
        };
        self.progress.health.rewritten(self.route, target.hub, lacking.len());
        self.trouble.pause(forgotten).await?;
        Ok(lacking.into_iter().map(|file| file.entry.file).collect())
    }

    /// All is there.
    pub(super) fn done(&mut self) {
        self.trouble.healed();
    }
}

fn never_kept(file: Lacking, table: &str, times: u32) -> Entry {
    let Lacking { mut entry, rows, rejected } = file;
    let mut lost = Vec::new();
    if rows > 0 {
        lost.push(format!("{rows} of its {} rows are not in `{table}`", entry.loaded));
    }
    if rejected > 0 {
        lost.push(format!("{rejected} of its {} rejected records are not in `rejected_events`", entry.rejected));
    }
    let reason = format!(
        "the store acknowledges its records and does not keep them: {}, {times} times running; look for a trigger, a rule \
         or a time to live that takes rows away, mend it, then run `deltawave replay --holes`",
        lost.join(", ")
    );
    entry.contents.outcome = Outcome::Quarantined { reason, at: None };
    entry.loaded -= rows.min(entry.loaded);
    entry.rejected -= rejected.min(entry.rejected);
    entry
}
