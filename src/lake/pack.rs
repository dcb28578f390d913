//! Small files become large ones, without a row more or less: what is read meanwhile is either the one or the other.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::{RecordBatch, new_null_array};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::errors::ParquetError;
use percent_encoding::percent_decode_str;
use serde_json::json;
use time::OffsetDateTime;

use super::action::{Action, Add, Remove, now};
use super::data::{KEYS, hash};
use super::error::LakeError;
use super::file::{Writing, moments, numbers, read};
use super::head::info;
use super::log::{FOLDER, Log};
use super::state::{Head, Whole};
use super::stats::Stats;
use crate::base::killpoint::{Side, Step, pass};

/// What packing did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packed {
    /// Files that were packed.
    pub files: usize,
    /// Files that they became.
    pub into: usize,
    /// Bytes of these.
    pub bytes: u64,
    /// Files deleted that no version within the retention has.
    pub cleared: usize,
}

impl std::ops::AddAssign for Packed {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.into += other.into;
        self.bytes += other.bytes;
        self.cleared += other.cleared;
    }
}

/// Commits of others in a row that are let go first.
const PATIENCE: u32 = 1000;

impl Log {
    /// Packs files of less than half of `target` bytes, those of one folder together, in the order of their numbers, if
    /// there are at least so many. Files whose columns are not those of `schema` stay as they are; without one, all have
    /// to be of one kind.
    ///
    /// # Errors
    /// The container's, or a file's that cannot be read. What was packed by then is packed.
    pub(super) async fn pack(
        &self,
        version: i64,
        schema: Option<&SchemaRef>,
        target: i64,
        least: usize,
    ) -> Result<Packed, LakeError> {
        let mut packed = Packed::default();
        let Some(whole) = self.whole(version).await? else { return Ok(packed) };
        let mut head = whole.head.clone();
        // One after the other, so that memory holds one.
        for bin in bins(&whole, target, least) {
            let Some((add, bytes)) = self.packed(&bin, schema).await? else { continue };
            let size = bytes.len() as u64;
            if !self.place.create(&add.path, bytes.clone()).await? {
                self.place.replace(&add.path, bytes).await?;
            }
            if self.swap(&mut head, &bin, add).await? {
                packed += Packed { files: bin.len(), into: 1, bytes: size, cleared: 0 };
            }
        }
        Ok(packed)
    }

    /// One file of all these, not uploaded yet; nothing if their columns differ.
    async fn packed(&self, bin: &[Add], schema: Option<&SchemaRef>) -> Result<Option<(Add, Bytes)>, LakeError> {
        let damaged = |path: &str, reason: String| LakeError::damaged(&self.shown, path, reason);
        let mut writing: Option<(Writing, SchemaRef)> = None;
        let hub = |add: &Add| Stats::parse(add.stats.as_deref()).and_then(|stats| stats.hub);
        let (hub, mut unlike, mut known) =
            (bin.first().and_then(hub).filter(|one| bin.iter().all(|add| hub(add).as_ref() == Some(one))), false, true);
        let mut stats = Stats { hub, ..Stats::default() };
        for add in bin {
            let path = percent_decode_str(&add.path).decode_utf8_lossy();
            let bytes = self.place.get(&path).await?;
            let bytes = bytes.ok_or_else(|| damaged(&add.path, "it is not there".to_owned()))?;
            let done = read(bytes, None, |batch| {
                let (writing, schema) = match &mut writing {
                    Some(writing) => writing,
                    None => {
                        let schema = schema.cloned().unwrap_or_else(|| batch.schema());
                        writing.insert((Writing::new(schema.clone(), &KEYS)?, schema))
                    }
                };
                let Some(batch) = aligned(&batch, schema)? else {
                    unlike = true;
                    return Ok(());
                };
                known &= count(&batch, &mut stats);
                writing.write(&batch)
            });
            done.map_err(|error| damaged(&add.path, error.to_string()))?;
            if unlike {
                return Ok(None);
            }
        }
        let Some((writing, _)) = writing else { return Ok(None) };
        if !known {
            stats = Stats { rows: stats.rows, ..Stats::default() };
        }
        let bytes = writing.finish().map_err(|error| damaged("a file to be written", error.to_string()))?;
        let Some(first) = bin.first() else { return Ok(None) };
        let folder = first.path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        let (low, high) = stats.numbers.unwrap_or_default();
        let add = Add {
            path: format!("{folder}packed-{low}-{high}-{}.zstd.parquet", hash("", &bytes)),
            partition_values: first.partition_values.clone(),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            modification_time: now(),
            data_change: false,
            stats: Some(stats.json()),
            tags: None,
        };
        Ok(Some((add, bytes)))
    }

    /// Puts one file in the place of others, in one commit; false if another program has taken one of them away.
    async fn swap(&self, head: &mut Head, bin: &[Add], add: Add) -> Result<bool, LakeError> {
        let remove = |old: &Add| {
            Action::remove(Remove {
                path: old.path.clone(),
                deletion_timestamp: Some(now()),
                data_change: false,
                extended_file_metadata: Some(true),
                partition_values: Some(old.partition_values.clone()),
                size: Some(old.size),
            })
        };
        let mut actions = vec![Action::info(info("OPTIMIZE", json!({"predicate": "[]"}), json!({})))];
        actions.extend(bin.iter().map(remove));
        actions.push(Action::add(add));
        let inputs: BTreeSet<&str> = bin.iter().map(|add| add.path.as_str()).collect();
        for times in 1.. {
            pass(Side::Before, Step::Committed);
            if self.put(head.version + 1, &actions).await? {
                pass(Side::After, Step::Committed);
                head.version += 1;
                return Ok(true);
            }
            while let Some(commit) = self.next(head.version).await? {
                let harms = commit.actions.iter().any(|action| {
                    let taken = action.remove.as_ref().is_some_and(|remove| inputs.contains(remove.path.as_str()));
                    taken || action.meta_data.is_some() || action.protocol.is_some()
                });
                head.take(&commit);
                // It may be this very commit, whose answer was lost.
                if harms {
                    return Ok(false);
                }
            }
            if times >= PATIENCE {
                let (table, version) = (self.shown.clone(), head.version + 1);
                return Err(LakeError::Busy { table, version, times });
            }
        }
        Ok(false)
    }

    /// Deletes files that were taken out of the table, or never came into it, longer ago than the table's retention.
    ///
    /// # Errors
    /// The container's.
    pub(super) async fn vacuum(&self, version: i64) -> Result<usize, LakeError> {
        let Some(whole) = self.whole(version).await? else { return Ok(0) };
        let retention = whole.head.file_retention();
        let plain = |path: &str| percent_decode_str(path).decode_utf8_lossy().into_owned();
        let files: BTreeSet<String> = whole.files.keys().map(|path| plain(path)).collect();
        let recent = |remove: &Remove| remove.deletion_timestamp.unwrap_or_default() >= now() - retention;
        let kept: BTreeSet<String> =
            whole.removed.values().filter(|remove| recent(remove)).map(|remove| plain(&remove.path)).collect();
        let old = OffsetDateTime::now_utc() - time::Duration::milliseconds(retention);
        let mut cleared = 0;
        for entry in self.place.list("", None).await? {
            let hidden =
                entry.name.starts_with(FOLDER) || entry.name.split('/').any(|part| part.starts_with(['_', '.']));
            if !hidden
                && entry.name.ends_with(".parquet")
                && entry.last_modified < old
                && !files.contains(&entry.name)
                && !kept.contains(&entry.name)
            {
                self.place.delete(&entry.name).await?;
                cleared += 1;
            }
        }
        Ok(cleared)
    }
}

/// Which files are packed together.
fn bins(whole: &Whole, target: i64, least: usize) -> Vec<Vec<Add>> {
    let mut folders: BTreeMap<_, Vec<(Option<Stats>, Add)>> = BTreeMap::new();
    for add in whole.files.values().filter(|add| add.size < target / 2) {
        let stats = Stats::parse(add.stats.as_deref());
        // A partition's own files, so that the log goes on saying what each partition has.
        let partition = stats.as_ref().and_then(Stats::partition).map(|(hub, partition)| (hub.to_owned(), partition));
        folders.entry((add.partition_values.clone(), partition)).or_default().push((stats, add.clone()));
    }
    let mut bins = Vec::new();
    for mut files in folders.into_values() {
        files.sort_by_key(|(stats, add)| {
            let place = stats.as_ref().and_then(|stats| stats.numbers);
            (place, add.path.clone())
        });
        let (mut bin, mut size) = (Vec::new(), 0);
        for (_, add) in files {
            size += add.size;
            bin.push(add);
            if size >= target {
                bins.push(std::mem::take(&mut bin));
                size = 0;
            }
        }
        bins.push(bin);
    }
    bins.retain(|bin| bin.len() >= least.max(2));
    bins
}

/// The batch with these columns: one that it lacks is null. Nothing where a type differs.
fn aligned(batch: &RecordBatch, schema: &SchemaRef) -> Result<Option<RecordBatch>, ParquetError> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        columns.push(match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => column.clone(),
            Some(_) => return Ok(None),
            None => new_null_array(field.data_type(), batch.num_rows()),
        });
    }
    // A column that the table does not know must not be lost.
    if batch.schema().fields().iter().any(|field| schema.field_with_name(field.name()).is_err()) {
        return Ok(None);
    }
    Ok(Some(RecordBatch::try_new(schema.clone(), columns)?))
}

/// Whether every row has a key.
fn count(batch: &RecordBatch, stats: &mut Stats) -> bool {
    let columns =
        numbers(batch, "partition_id").zip(numbers(batch, "sequence_number")).zip(moments(batch, "enqueued_at"));
    let Some(((partitions, sequence), times)) = columns else {
        stats.rows += batch.num_rows() as u64;
        return false;
    };
    let mut all = true;
    for row in 0..batch.num_rows() {
        match (partitions[row], sequence[row], times[row]) {
            (Some(partition), Some(number), Some(at)) => stats.add(partition, number, at),
            _ => {
                stats.rows += 1;
                all = false;
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::action::{FileFormat, Metadata, Protocol};
    use super::*;

    #[test]
    fn small_files_of_a_folder_go_together_and_large_ones_stay() {
        let add = |path: &str, day: &str, size: i64, number: i64| {
            let mut stats = Stats::default();
            stats.add(0, number, 0);
            let partition_values = [("enqueued_date".to_owned(), Some(day.to_owned()))].into();
            Add { path: path.to_owned(), partition_values, size, stats: Some(stats.json()), ..Add::default() }
        };
        let files = [
            add("late", "a", 10, 9),
            add("early", "a", 10, 1),
            add("large", "a", 60, 5),
            add("alone", "b", 10, 1),
            add("first", "c", 45, 1),
            add("second", "c", 45, 2),
            add("third", "c", 45, 3),
            add("fourth", "c", 45, 4),
            add("fifth", "c", 45, 5),
        ];
        let protocol =
            Protocol { min_reader_version: 1, min_writer_version: 2, reader_features: None, writer_features: None };
        let metadata = Metadata {
            id: String::new(),
            name: None,
            description: None,
            format: FileFormat { provider: "parquet".to_owned(), options: BTreeMap::new() },
            schema_string: String::new(),
            partition_columns: Vec::new(),
            configuration: BTreeMap::new(),
            created_time: None,
        };
        let head = Head { version: 0, protocol, metadata, txns: BTreeMap::new(), checkpoint: -1 };
        let files = files.into_iter().map(|add| (add.path.clone(), add)).collect();
        let whole = Whole { head, files, removed: BTreeMap::new() };
        let names: Vec<Vec<_>> =
            bins(&whole, 100, 2).iter().map(|bin| bin.iter().map(|add| add.path.clone()).collect()).collect();
        assert_eq!(names, [vec!["early", "late"], vec!["first", "second", "third"], vec!["fourth", "fifth"]]);
    }
}
