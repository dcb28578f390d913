//! What follows a table's commits: its ledger, its rejected records, and files of a useful size.

use serde_json::json;

use super::action::{Action, Add, now};
use super::data::{Finished, hash};
use super::error::LakeError;
use super::head::{APP, info};
use super::ledger;
use super::log::Log;
use super::pack::Packed;
use super::state::Head;
use super::stats::Stats;
use super::table::{Lake, State};
use crate::base::killpoint::{Side, Step, pass};

/// The ledger is packed to files of so many bytes, when so many small ones have come together.
const LEDGER_FILE: i64 = 16 << 20;
const LEDGER_FILES: usize = 32;

impl Lake {
    /// Brings the tables beside it up to what the commits say. Whoever does it first does it for all.
    pub(super) async fn note(&self, state: &mut State) -> Result<(), LakeError> {
        if state.pending.is_empty() {
            return Ok(());
        }
        loop {
            let done = state.rejected.batch();
            let due = || state.pending.iter().filter(|note| note.batch > done && !note.rejected.is_empty());
            let Some(last) = due().next_back().map(|note| note.batch) else { break };
            let adds: Vec<Add> = due().flat_map(|note| note.rejected.iter().cloned()).collect();
            if append(&self.rejected, &mut state.rejected, last, adds).await? {
                self.rejected.checkpoint_if_due(&mut state.rejected).await;
            }
        }
        loop {
            let done = state.files.batch();
            state.pending.retain(|note| note.batch > done);
            let Some(last) = state.pending.last().map(|note| note.batch) else { break };
            let broken = |error| LakeError::damaged(&self.files.shown, "a file to be written", error);
            let (bytes, rows) = ledger::write(self.table.name(), &state.pending).map_err(broken)?;
            let first = state.pending.first().map_or(last, |note| note.batch);
            let path = format!("files-{first}-{last}-{}.zstd.parquet", hash("", &bytes));
            let finished = Finished { path, bytes, stats: Stats { rows, ..Stats::default() }, day: None };
            let size = i64::try_from(finished.bytes.len()).unwrap_or(i64::MAX);
            self.files.place.create(&finished.path, finished.bytes).await?;
            let add = Add {
                path: finished.path,
                size,
                modification_time: now(),
                data_change: true,
                stats: Some(finished.stats.json()),
                ..Add::default()
            };
            pass(Side::Before, Step::Receipted);
            if append(&self.files, &mut state.files, last, vec![add]).await? {
                pass(Side::After, Step::Receipted);
                if self.files.checkpoint_if_due(&mut state.files).await {
                    self.pack_ledger(state).await;
                }
            }
        }
        Ok(())
    }

    /// Packs the ledger, so that the next loader reads few files of it. Nothing depends on it.
    async fn pack_ledger(&self, state: &mut State) {
        let packed = async {
            self.files.pack(state.files.version, None, LEDGER_FILE, LEDGER_FILES).await?;
            self.files.vacuum(state.files.version).await?;
            self.files.catch_up(&mut state.files).await
        };
        if let Err(error) = packed.await {
            tracing::warn!("the ledger is not packed: {error}; the next start takes longer");
        }
    }

    /// Packs small files of the table, and of those beside it, to about `target` bytes, and clears away files that no
    /// version within the retention has. Readers see no row twice and miss none, loaders go on meanwhile.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh). What was packed by then is packed.
    pub async fn optimize(&self, target: u64) -> Result<Packed, LakeError> {
        // So that the ledger knows every file that is packed.
        self.refresh().await?;
        let [data, files, rejected] = {
            let state = self.state.lock().await;
            [&state.data, &state.files, &state.rejected].map(|head| head.version)
        };
        let target = i64::try_from(target).unwrap_or(i64::MAX);
        let rows = self.rows("", 0);
        let mut packed = self.data.pack(data, Some(rows.schema()), target, 2).await?;
        packed += self.files.pack(files, None, LEDGER_FILE, 2).await?;
        packed += self.rejected.pack(rejected, None, target, 2).await?;
        for (log, version) in [(&self.data, data), (&self.files, files), (&self.rejected, rejected)] {
            packed.cleared += log.vacuum(version).await?;
        }
        let mut state = self.state.lock().await;
        self.advance(&mut state).await?;
        let State { files, rejected, .. } = &mut *state;
        self.files.catch_up(files).await?;
        self.rejected.catch_up(rejected).await?;
        Ok(packed)
    }
}

/// Adds files to a table that follows another, unless somebody was faster: what has been done is known then.
async fn append(log: &Log, head: &mut Head, batch: i64, adds: Vec<Add>) -> Result<bool, LakeError> {
    let parameters = json!({"mode": "Append", "partitionBy": "[]"});
    let mut all = vec![Action::info(info("WRITE", parameters, json!({}))), Action::txn(APP, batch, now())];
    all.extend(adds.into_iter().map(Action::add));
    if log.put(head.version + 1, &all).await? {
        head.version += 1;
        head.txns.insert(APP.to_owned(), batch);
        return Ok(true);
    }
    log.catch_up(head).await?;
    Ok(false)
}
