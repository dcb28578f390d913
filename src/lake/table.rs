//! A Delta table that records are loaded into, with its ledger and its rejected records, each a table beside it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::action::{Action, Add, now};
use super::address::LakeAddress;
use super::data::{Finished, RejectedRow, RowKey, Rows, hash, rejected, rejected_fields};
use super::error::LakeError;
use super::file::{moments, numbers, read, texts};
use super::head::info;
use super::known::Stock;
use super::ledger::{self, Note, NotedFile};
use super::log::Log;
use super::pack::Packed;
use super::place::Place;
use super::schema;
use super::state::{Commit, Head, Whole};
use super::stats::Stats;
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
    data: Log,
    files: Log,
    rejected: Log,
    table: Arc<Table>,
    by_day: bool,
    stock: Mutex<Stock>,
    state: tokio::sync::Mutex<State>,
    /// Of the table and of its rejected records, all files at one version, once they were needed.
    wholes: tokio::sync::Mutex<[Option<Arc<Whole>>; 2]>,
}

/// How far the logs are read.
#[derive(Debug)]
struct State {
    data: Head,
    files: Head,
    rejected: Head,
    /// What commits say that the ledger does not say yet, in their order.
    pending: Vec<Note>,
    /// Commits of loaders since it was opened, by what tells their tries apart.
    seen: HashSet<String>,
}

/// Which of the two that have records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// The table.
    Rows,
    /// The rejected records.
    Rejected,
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
/// The ledger is packed to files of so many bytes, when so many small ones have come together.
const LEDGER_FILE: i64 = 16 << 20;
const LEDGER_FILES: usize = 32;
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
        self.data.checkpoint_if_due(&mut state.data).await;
        Ok(Committed::Done)
    }

    /// Numbers and moments of the records that a shelf has of a partition, from one number to another.
    ///
    /// # Errors
    /// Its container's, or a file's that cannot be read.
    pub async fn keys(
        &self,
        shelf: Shelf,
        hub: &str,
        partition: i32,
        first: i64,
        last: i64,
    ) -> Result<HashSet<RowKey>, LakeError> {
        let (log, slot) = match shelf {
            Shelf::Rows => (&self.data, 0),
            Shelf::Rejected => (&self.rejected, 1),
        };
        let version = {
            let state = self.state.lock().await;
            if shelf == Shelf::Rows { state.data.version } else { state.rejected.version }
        };
        let whole = {
            let mut wholes = self.wholes.lock().await;
            match &wholes[slot] {
                Some(whole) if whole.head.version == version => Arc::clone(whole),
                _ => {
                    let whole = log.whole(version).await?;
                    let whole = Arc::new(whole.ok_or_else(|| LakeError::Missing { table: log.shown.clone() })?);
                    wholes[slot] = Some(Arc::clone(&whole));
                    whole
                }
            }
        };
        let meets =
            |range: Option<(i64, i64)>, low: i64, high: i64| range.is_none_or(|(from, to)| from <= high && low <= to);
        let wanted = |add: &&Add| {
            let stats = Stats::parse(add.stats.as_deref());
            let partition = i64::from(partition);
            stats.is_none_or(|stats| meets(stats.numbers, first, last) && meets(stats.partitions, partition, partition))
        };
        let mut found = HashSet::new();
        for add in whole.files.values().filter(wanted) {
            let damaged = |reason: String| LakeError::damaged(&log.shown, &add.path, reason);
            let path = percent_decode_str(&add.path).decode_utf8_lossy();
            let bytes = log.place.get(&path).await?.ok_or_else(|| damaged("it is not there".to_owned()))?;
            let columns = ["event_hub", "partition_id", "sequence_number", "enqueued_at"];
            let done = read(bytes, Some(&columns), |batch| {
                let lacks = || parquet::errors::ParquetError::General("it lacks a column of the key".to_owned());
                let hubs = texts(&batch, columns[0]).ok_or_else(lacks)?;
                let partitions = numbers(&batch, columns[1]).ok_or_else(lacks)?;
                let sequence = numbers(&batch, columns[2]).ok_or_else(lacks)?;
                let times = moments(&batch, columns[3]).ok_or_else(lacks)?;
                for row in 0..batch.num_rows() {
                    let (Some(number), Some(at)) = (sequence[row], times[row]) else { continue };
                    let ours = partitions[row] == Some(i64::from(partition)) && hubs.value(row) == hub;
                    if ours && (first..=last).contains(&number) {
                        found.insert((number, at));
                    }
                }
                Ok(())
            });
            done.map_err(|error| damaged(error.to_string()))?;
        }
        Ok(found)
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
    async fn advance(&self, state: &mut State) -> Result<(), LakeError> {
        while let Some(commit) = self.data.next(state.data.version).await? {
            let metadata = commit.actions.iter().filter_map(|action| action.meta_data.as_ref());
            let changes = metadata.map(|new| {
                let old = &state.data.metadata;
                new.schema_string != old.schema_string || new.partition_columns != old.partition_columns
            });
            let protocol = commit.actions.iter().any(|action| action.protocol.is_some());
            if changes.fold(protocol, |all, one| all || one) {
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

    /// Brings the tables beside it up to what the commits say. Whoever does it first does it for all.
    async fn note(&self, state: &mut State) -> Result<(), LakeError> {
        if state.pending.is_empty() {
            return Ok(());
        }
        loop {
            let done = state.rejected.batch();
            let due = || state.pending.iter().filter(|note| note.batch > done && !note.rejected.is_empty());
            let Some(last) = due().last().map(|note| note.batch) else { break };
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

/// Adds files to a table that follows another, unless somebody was faster: what has been done is known then.
async fn append(log: &Log, head: &mut Head, batch: i64, adds: Vec<Add>) -> Result<bool, LakeError> {
    let parameters = json!({"mode": "Append", "partitionBy": "[]"});
    let mut all = vec![Action::info(info("WRITE", parameters, json!({}))), Action::txn(super::head::APP, batch, now())];
    all.extend(adds.into_iter().map(Action::add));
    if log.put(head.version + 1, &all).await? {
        head.version += 1;
        head.txns.insert(super::head::APP.to_owned(), batch);
        return Ok(true);
    }
    log.catch_up(head).await?;
    Ok(false)
}
