//! A Delta table that records are loaded into, with its ledger and its rejected records, each a table beside it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::action::{Action, Add, now};
use super::address::LakeAddress;
use super::data::{Finished, RejectedRow, Rows, rejected, rejected_fields};
use super::error::LakeError;
use super::head::info;
use super::known::Stock;
use super::ledger::{self, Note, NotedFile};
use super::log::Log;
use super::place::Place;
use super::schema;
use super::state::{Commit, Head, Whole};
use crate::azure::Key;
use crate::azure::blob::BlobError;
use crate::base::killpoint::{Side, Step, pass};
use crate::rows::Table;

/// What the names of the tables beside it end with.
pub(super) const FILES: &str = "__files";
pub(super) const REJECTED: &str = "__rejected";

/// An open table.
#[derive(Debug)]
pub struct Lake {
    pub(super) data: Log,
    pub(super) files: Log,
    pub(super) rejected: Log,
    pub(super) table: Arc<Table>,
    by_day: bool,
    stock: Mutex<Stock>,
    pub(super) state: tokio::sync::Mutex<State>,
    /// Of the table and of its rejected records, all files at one version, once they were needed.
    pub(super) wholes: tokio::sync::Mutex<[Option<Arc<Whole>>; 2]>,
}

/// How far the logs are read.
#[derive(Debug)]
pub(super) struct State {
    pub(super) data: Head,
    pub(super) files: Head,
    pub(super) rejected: Head,
    /// What commits say that the ledger does not say yet, in their order.
    pub(super) pending: Vec<Note>,
    /// Commits of loaders since it was opened, by what tells their tries apart.
    seen: HashSet<String>,
}

/// What is to be committed at once: uploaded files, and the Capture files whose records they hold.
#[derive(Debug)]
pub struct Group {
    /// Tells this try from others.
    pub id: String,
    /// Files of the table.
    pub rows: Vec<Add>,
    /// Files of the rejected records.
    pub rejected: Vec<Add>,
    /// What is noted of each Capture file.
    pub files: Vec<NotedFile>,
    /// What of each partition of the hub was known when it was made.
    pub basis: Vec<(i32, i64)>,
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is there, and in the ledger.
    Done,
    /// Another loader has committed records of the same partitions meanwhile: the group has to be made anew.
    Stale,
}

/// Commits of others in a row that are let go first.
const PATIENCE: u32 = 1000;
/// Files of the ledger that are read at once.
const AT_ONCE: usize = 16;

impl Lake {
    /// Opens a table, makes what is to stand beside it, and reads what is loaded. Columns of `required` are those without
    /// which a record is rejected.
    ///
    /// # Errors
    /// When there is no table, or none that can be loaded into, or its container is away.
    pub async fn open(
        address: &LakeAddress,
        key: Option<Key>,
        route: &str,
        required: &[String],
    ) -> Result<Lake, LakeError> {
        let place = Place::open(address, key)?;
        let [data, files, rejected] = [place.clone(), place.beside(FILES), place.beside(REJECTED)].map(Log::new);
        let head = match data.head().await {
            // Its container is made with it.
            Ok(None) | Err(LakeError::Blob(BlobError::NoContainer { .. })) => None,
            head => head?,
        };
        let head = head.ok_or_else(|| LakeError::Missing { table: data.shown.clone() })?;
        schema::check(&data.shown, &head.protocol, &head.metadata)?;
        let table = Arc::new(schema::table(&data.shown, route, &head.metadata, required)?);
        let files_head = match files.head().await? {
            Some(head) => head,
            None => files.create(&ledger::fields(), false).await?,
        };
        let rejected_head = match rejected.head().await? {
            Some(head) => head,
            None => rejected.create(&rejected_fields(), false).await?,
        };
        for (log, head) in [(&files, &files_head), (&rejected, &rejected_head)] {
            schema::check(&log.shown, &head.protocol, &head.metadata)?;
        }
        let by_day = !head.metadata.partition_columns.is_empty();
        let state =
            State { data: head, files: files_head, rejected: rejected_head, pending: Vec::new(), seen: HashSet::new() };
        let lake = Lake {
            data,
            files,
            rejected,
            table,
            by_day,
            stock: Mutex::default(),
            state: tokio::sync::Mutex::new(state),
            wholes: tokio::sync::Mutex::default(),
        };
        lake.learn().await?;
        Ok(lake)
    }

    /// The same with what settings say of its columns.
    pub fn with_table(self, table: Table) -> Lake {
        Lake { table: Arc::new(table), ..self }
    }

    /// The table as records are fitted to it.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Capture files that are loaded.
    pub fn files_known(&self) -> usize {
        self.stock().len()
    }

    /// Whether this version of a Capture file is loaded.
    pub fn is_loaded(&self, container: &str, blob: &str, etag: &str) -> bool {
        self.stock().has(container, blob, etag)
    }

    /// What is known of a partition of a hub, as a number that changes with it.
    pub fn basis(&self, hub: &str, partition: i32) -> i64 {
        self.stock().generation(hub, partition)
    }

    /// Whether files that are loaded have brought any of these numbers.
    pub fn has_any(&self, hub: &str, partition: i32, first: i64, last: i64) -> bool {
        self.stock().has_any(hub, partition, first, last)
    }

    /// A way for rows of a partition into files.
    pub fn rows(&self, hub: &str, partition: i32) -> Rows {
        Rows::new(&self.table, hub, partition, self.by_day)
    }

    /// Uploads a file of the table, which it does not change yet.
    ///
    /// # Errors
    /// Its container's. It may be tried again.
    pub async fn upload(&self, finished: &Finished) -> Result<Add, LakeError> {
        self.upload_to(&self.data, finished).await
    }

    /// Uploads rejected records of a partition, which changes nothing yet.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    pub async fn upload_rejected(
        &self,
        hub: &str,
        partition: i32,
        rows: &[RejectedRow],
    ) -> Result<Option<Add>, LakeError> {
        let finished = rejected(self.table.name(), hub, partition, rows, now() * 1000)
            .map_err(|error| LakeError::damaged(&self.rejected.shown, "a file to be written", error))?;
        match finished {
            Some(finished) => Ok(Some(self.upload_to(&self.rejected, &finished).await?)),
            None => Ok(None),
        }
    }

    async fn upload_to(&self, log: &Log, finished: &Finished) -> Result<Add, LakeError> {
        let Finished { path, bytes, stats, day } = finished;
        pass(Side::Before, Step::Written);
        if !log.place.create(path, bytes.clone()).await? {
            // One of that name is the same, and belongs to nothing: written anew, nobody clears it away for its age.
            log.place.replace(path, bytes.clone()).await?;
        }
        pass(Side::After, Step::Written);
        let partition_values = day.iter().map(|day| (schema::DAY.to_owned(), Some(day.clone()))).collect();
        Ok(Add {
            path: path.clone(),
            partition_values,
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            modification_time: now(),
            data_change: true,
            stats: Some(stats.json()),
            tags: None,
        })
    }

    /// Learns what others have committed meanwhile, and notes what they did not come to note.
    ///
    /// # Errors
    /// Its container's; [`LakeError::Changed`] when the columns are other ones now.
    pub async fn refresh(&self) -> Result<(), LakeError> {
        let mut state = self.state.lock().await;
        self.advance(&mut state).await?;
        self.note(&mut state).await
    }

    /// Commits a group and notes it. May be called again after any error.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh). Nobody knows then whether it is committed.
    pub async fn commit(&self, group: &Group, hub: &str) -> Result<Committed, LakeError> {
        let mut state = self.state.lock().await;
        for times in 1.. {
            self.advance(&mut state).await?;
            if state.seen.contains(&group.id) {
                break;
            }
            if group.basis.iter().any(|(partition, known)| self.basis(hub, *partition) != *known) {
                return Ok(Committed::Stale);
            }
            let note = Note {
                batch: state.data.batch() + 1,
                id: group.id.clone(),
                files: group.files.clone(),
                rejected: group.rejected.clone(),
            };
            let version = state.data.version + 1;
            pass(Side::Before, Step::Committed);
            if self.data.put(version, &actions(&note, &group.rows)).await? {
                pass(Side::After, Step::Committed);
                state.data.version = version;
                state.data.txns.insert(super::head::APP.to_owned(), note.batch);
                self.take(&mut state, note);
                break;
            }
            if times >= PATIENCE {
                return Err(LakeError::Busy { table: self.data.shown.clone(), version, times });
            }
        }
        self.note(&mut state).await?;
        // Of tries that are over nobody asks.
        state.seen.clear();
        *self.wholes.lock().await = Default::default();
        self.data.checkpoint_if_due(&mut state.data).await;
        Ok(Committed::Done)
    }

    /// Reads the ledger, and what commits say that it does not say yet.
    async fn learn(&self) -> Result<(), LakeError> {
        let mut state = self.state.lock().await;
        let whole = self.files.whole(state.files.version).await?;
        let paths = whole.iter().flat_map(|whole| whole.files.values()).map(|add| add.path.clone()).collect::<Vec<_>>();
        let fetch = |path: String| async move {
            let name = percent_decode_str(&path).decode_utf8_lossy().into_owned();
            let bytes = self.files.place.get(&name).await?;
            let damaged = |reason: String| LakeError::damaged(&self.files.shown, &path, reason);
            let bytes = bytes.ok_or_else(|| damaged("it is not there".to_owned()))?;
            let mut all = Vec::new();
            ledger::read(bytes, |known| all.push(known)).map_err(|error| damaged(error.to_string()))?;
            Ok::<_, LakeError>(all)
        };
        let mut read = stream::iter(paths).map(fetch).buffer_unordered(AT_ONCE);
        while let Some(all) = read.try_next().await? {
            let mut stock = self.stock();
            all.iter().for_each(|known| stock.add(known));
        }
        drop(read);
        let (last, noted) = (state.data.batch(), state.files.batch());
        let (table, ledger) = (self.data.shown.clone(), self.files.shown.clone());
        if noted > last {
            return Err(LakeError::Anew { table, ledger, noted, last });
        }
        let mut pending = Vec::new();
        let mut version = state.data.version;
        while pending.last().map_or(last, |note: &Note| note.batch - 1) > noted {
            let commit = self.data.commit(version).await?;
            let Some(commit) = commit else {
                let last = pending.last().map_or(last, |note: &Note| note.batch - 1);
                return Err(LakeError::Unnoted { table, ledger, first: noted + 1, last });
            };
            pending.extend(self.note_of(&commit)?);
            version -= 1;
        }
        for note in pending.into_iter().rev() {
            self.take(&mut state, note);
        }
        self.note(&mut state).await
    }

    /// Reads the commits that follow.
    pub(super) async fn advance(&self, state: &mut State) -> Result<(), LakeError> {
        while let Some(commit) = self.data.next(state.data.version).await? {
            let mut metadata = commit.actions.iter().filter_map(|action| action.meta_data.as_ref());
            let protocol = commit.actions.iter().any(|action| action.protocol.is_some());
            // A setting may be a constraint: what can be loaded into is looked at once for all.
            if protocol || metadata.any(|new| *new != state.data.metadata) {
                return Err(LakeError::Changed { table: self.data.shown.clone() });
            }
            let note = self.note_of(&commit)?;
            state.data.take(&commit);
            if let Some(note) = note {
                self.take(state, note);
            }
        }
        Ok(())
    }

    /// What a loader's commit says of the files that it brought; nothing for another's.
    fn note_of(&self, commit: &Commit) -> Result<Option<Note>, LakeError> {
        let ours =
            commit.actions.iter().filter_map(|action| action.txn.as_ref()).any(|txn| txn.app_id == super::head::APP);
        if !ours {
            return Ok(None);
        }
        let damaged = |reason: &dyn std::fmt::Display| {
            LakeError::damaged(&self.data.shown, &super::log::commit_name(commit.version), reason)
        };
        let info = commit.actions.iter().find_map(|action| action.commit_info.as_ref());
        let note = info
            .and_then(|info| info.get("deltawave"))
            .ok_or_else(|| damaged(&"it does not say which files it brought"))?;
        serde_json::from_value(note.clone()).map(Some).map_err(|error| damaged(&error))
    }

    fn take(&self, state: &mut State, note: Note) {
        let mut stock = self.stock();
        note.files.iter().for_each(|file| stock.add(&file.known(note.batch)));
        drop(stock);
        state.seen.insert(note.id.clone());
        state.pending.push(note);
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A group's commit.
fn actions(note: &Note, rows: &[Add]) -> Vec<Action> {
    let parameters = json!({"mode": "Append", "partitionBy": "[]"});
    let said = serde_json::to_value(note).unwrap_or_default();
    let mut all = vec![Action::info(info("WRITE", parameters, said)), Action::txn(super::head::APP, note.batch, now())];
    all.extend(rows.iter().cloned().map(Action::add));
    all
}
